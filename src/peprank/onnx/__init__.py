"""Another way out: a model as an ONNX file, for ONNX Runtime and Triton. Needs the extra `onnx`."""

from peprank.onnx.arrays import arrays_of
from peprank.onnx.files import OPSET, Target, export
from peprank.onnx.requirements import require
from peprank.onnx.scorer import OnnxScorer
from peprank.onnx.signature import GraphInput, GraphOutput, Signature

__all__ = [
    "OPSET",
    "GraphInput",
    "GraphOutput",
    "OnnxScorer",
    "Signature",
    "Target",
    "arrays_of",
    "export",
    "require",
]
