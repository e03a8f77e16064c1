"""The config.pbtxt that Triton reads beside a graph."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from peprank.errors import ArtifactError
from peprank.onnx.signature import GraphInput, GraphOutput, Signature

CONFIG = "config.pbtxt"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def config_text(name: str, signature: Signature) -> str:
    """Triton's ModelConfig in protobuf text format.

    `max_batch_size: 0` says that shapes hold the rows and that Triton joins no requests: one request carries all
    candidates of a user.

    Raises:
        ArtifactError: a folder of this name would be no model.
    """
    if not _NAME.fullmatch(name):
        raise ArtifactError(f"{name!r} cannot name a model of Triton: use letters, digits, '.', '_' and '-'")
    lines = [f"name: {json.dumps(name)}", 'platform: "onnxruntime_onnx"', "max_batch_size: 0"]
    lines += [line for item in signature.inputs for line in _tensor("input", item)]
    lines += [line for item in signature.outputs for line in _tensor("output", item)]
    return "\n".join(lines) + "\n"


def _tensor(field: str, item: GraphInput | GraphOutput) -> Iterator[str]:
    datatype = item.datatype if isinstance(item, GraphInput) else "FP32"
    dims = ", ".join(map(str, item.shape))
    # A JSON string is a text-format string.
    yield f"{field} {{ name: {json.dumps(item.name, ensure_ascii=False)} data_type: TYPE_{datatype} dims: [{dims}] }}"
