"""What TorchEasyRec, the peer, reaches on the same rows and config: the figures that ours are compared with.

TorchEasyRec 1.3.16, `pepnet_taobao.config`, batch 8192, best set-up each, on two cores of an AMD EPYC with AVX512 and
BF16, 24 GB, torch 2.13.0, November 2026. Machines differ, so a comparison goes through the rate of large matrix
products, which was measured on either: what takes this machine s seconds takes the peer's s * GEMM here / GEMM there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from peprank.spec.train import Precision

Figures = Mapping[Precision, float]

GEMM_FLOPS: Final[Figures] = {Precision.FLOAT32: 187e9, Precision.BF16: 425e9}  # two threads
TRAIN_ROWS_PER_S: Final[Figures] = {Precision.FLOAT32: 9_000, Precision.BF16: 15_000}
EVALUATE_ROWS_PER_S: Final[Figures] = {Precision.FLOAT32: 23_000, Precision.BF16: 33_500}
PREDICT_ROWS_PER_S: Final[Figures] = {Precision.FLOAT32: 29_000}
WHOLE_JOB_S: Final[Figures] = {Precision.FLOAT32: 149, Precision.BF16: 94}


def rates_there(rates: Sequence[float], gemm_flops: Sequence[float], precision: Precision) -> list[float]:
    """What rates measured here would be on the peer's machine, round by round."""
    return [rate * GEMM_FLOPS[precision] / gemm for rate, gemm in zip(rates, gemm_flops, strict=True)]


def seconds_there(seconds: Sequence[float], gemm_flops: Sequence[float], precision: Precision) -> list[float]:
    """What times measured here would be on the peer's machine, round by round."""
    return [s * gemm / GEMM_FLOPS[precision] for s, gemm in zip(seconds, gemm_flops, strict=True)]
