"""A request and its answer as the Open Inference Protocol means them, before and after anybody looks at a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Parameters: TypeAlias = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTensor:
    """One input of a request: one row of `shape[0]` after the other."""

    name: str
    datatype: str  # INT64, FP32, BYTES, ...
    shape: tuple[int, ...]
    values: pa.Array  # flat, row-major, as many as the shape says; binary for BYTES; null where JSON says null


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOutput:
    """One output that a request names."""

    name: str
    is_binary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """What a client asks."""

    id: str = ""
    inputs: Mapping[str, InputTensor]
    outputs: tuple[WantedOutput, ...] = ()  # (): all of them
    is_binary: bool = False  # how to answer outputs that are not named
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTensor:
    """One output of an answer."""

    name: str
    values: NDArray[np.float32]  # [N], or [N, C] for a softmax tower


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResponse:
    """What a client gets."""

    model_name: str
    model_version: str
    id: str = ""
    outputs: tuple[OutputTensor, ...]  # of which the request wants some
    parameters: Parameters = field(default_factory=dict)
