"""Scoring of small batches, as a server needs it: one user and some hundred items at a time."""

from peprank.infer.engine import Engine, Precision

__all__ = ["Engine", "Precision"]
