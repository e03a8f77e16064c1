"""Rows to scores: one scorer for Python, files and servers."""

from peprank.predict.files import predict_files
from peprank.predict.scorer import Scorer

__all__ = ["Scorer", "predict_files"]
