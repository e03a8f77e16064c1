"""The network as a server runs it: no gradients, weights laid out for requests of one user and some hundred items."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from peprank.batch import Features
from peprank.errors import SpecError
from peprank.infer.columns import Reader
from peprank.infer.maps import Arithmetic
from peprank.infer.once import common_row
from peprank.infer.pepnet import FoldedPEPNet, Inputs
from peprank.infer.towers import FoldedTowers
from peprank.models import MultiTaskRanker
from peprank.models.pepnet import PEPNet


class Precision(Enum):
    """What the dense part of a network is computed in."""

    FLOAT32 = "float32"
    BF16 = "bf16"
    INT8 = "int8"


class Engine:
    """Score encoded rows; a PEPNet by a network folded for it, any other model by itself. From any thread.

    Args:
        ranker: on the CPU. It is put into eval mode. Its embeddings are read in place; a PEPNet's other weights are
            copied, so the engine does not see it train on.
        precision: of the dense part; tables keep their own. In INT8 maps are products of 8-bit integers.
        once: features that a request gives once for all its rows: user, moment, place. Where the rows of a batch do
            agree in all of them and in the domain, they are looked up and multiplied once; scores are the same.

    Raises:
        SpecError: in INT8, the model is no PEPNet, or the processor has no products of 8-bit integers.
    """

    def __init__(
        self, ranker: MultiTaskRanker, precision: Precision = Precision.FLOAT32, *, once: Collection[str] = ()
    ) -> None:
        self.precision = precision
        ranker.eval()
        if precision is Precision.INT8:
            _check_int8(ranker)
        self._score: Callable[[Features], Tensor] = (
            FoldedRanker(ranker, _arithmetic(precision, ranker), once)
            if is_foldable(ranker)
            else _autocast(ranker, precision)
        )

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Logits of encoded rows.

        Shapes: B rows -> float32 [B, K], columns as `ModelSpec.logit_slices`

        Raises:
            DataError: an id lies outside its table, or a row's domain has no parts of the model.
        """
        with torch.inference_mode():
            return self._score(features).float().numpy()


def is_foldable(ranker: MultiTaskRanker) -> bool:
    """Whether `FoldedRanker` can stand for a model: a PEPNet whose main group names no field twice."""
    if not isinstance(ranker.trunk, PEPNet):
        return False
    main = ranker.embeddings.groups[ranker.trunk.main_group]
    return len(set(main)) == len(main)


class FoldedRanker:
    """A PEPNet, embeddings and towers included: Features -> logits [B, K]."""

    def __init__(self, ranker: MultiTaskRanker, arithmetic: Arithmetic, once: Collection[str] = ()) -> None:
        assert isinstance(ranker.trunk, PEPNet)

        inputs = Inputs(ranker.embeddings, ranker.trunk, once)
        self._dtype = arithmetic.dtype
        self._once = tuple(dict.fromkeys(field.feature for field in inputs.u.fields))
        self._read_once, self._read_each = (Reader(ranker.embeddings, layout.fields) for layout in (inputs.u, inputs.x))
        self._trunk = FoldedPEPNet(ranker.trunk, inputs, arithmetic)
        self._towers = FoldedTowers(ranker.towers, self._trunk.scales, self._trunk.order, arithmetic)

    def __call__(self, features: Features) -> Tensor:
        """Logits [B, K], float32 at least; call it where gradients are off."""
        row = common_row(features, self._once)
        u = self._read_once(features if row is None else row).to(self._dtype)
        x = self._read_each(features).to(self._dtype)
        return self._towers(self._trunk(u, x), features.domain)


def _arithmetic(precision: Precision, ranker: MultiTaskRanker) -> Arithmetic:
    """Of the dense part; FLOAT32 leaves a model of float64 as it is."""
    match precision:
        case Precision.FLOAT32:
            return Arithmetic(next(ranker.towers.parameters()).dtype)
        case Precision.BF16:
            return Arithmetic(torch.bfloat16)
        case Precision.INT8:
            return Arithmetic(torch.float32, is_int8=True)


def _check_int8(ranker: MultiTaskRanker) -> None:
    """Refuse what would be wrong (sums of 16 bits that overflow) or no faster."""
    if not is_foldable(ranker):
        raise SpecError("precision", "int8", "is for PEPNet; serve this model in float32 or bf16")
    if not has_int8():
        raise SpecError("precision", "int8", "this processor has no VNNI instructions; serve in float32 or bf16")


def has_int8() -> bool:
    """Whether the processor multiplies 8-bit integers into sums of 32 bits."""
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in _VNNI)


_VNNI = ("avx512_vnni", "avx_vnni")  # torch's names


def _autocast(ranker: MultiTaskRanker, precision: Precision) -> Callable[[Features], Tensor]:
    """The model as it was trained."""

    def score(features: Features) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is Precision.BF16):
            logits: Tensor = ranker(features)
        return logits

    return score
