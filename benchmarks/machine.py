"""The machine that figures belong to, and its own rates: the rulers of all benchmarks."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch

_CPU_INFO = Path("/proc/cpuinfo")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
_OPTIONAL = "fbgemm-gpu-cpu"
_PACKAGES = ("torch", "numpy", "pyarrow", "peprank", _OPTIONAL)

GEMM_SHAPE = (8192, 512, 512)  # rows, inputs, outputs: the largest product of the workload's step


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a reader must know to compare figures. No name and no place of the machine."""

    date: str  # yyyy-mm-dd, UTC
    processor: str
    cores: int  # those that this process may use
    instructions: tuple[str, ...]  # of those that matter here
    memory_gib: float
    versions: tuple[tuple[str, str], ...]  # (package, version), Python first

    @property
    def has_bf16(self) -> bool:
        """Whether products of bfloat16 are the processor's own; else torch emulates them, slower than float32."""
        return "avx512_bf16" in self.instructions or "amx_bf16" in self.instructions

    def describe(self) -> str:
        """One line."""
        sets = ", ".join(self.instructions) or "no vector instructions known"
        versions = ", ".join(f"{name} {number}" for name, number in self.versions)
        bf16 = "BF16 in hardware" if self.has_bf16 else "no BF16 in hardware"
        return f"{self.processor}, {self.cores} cores, {sets} ({bf16}), {self.memory_gib:.0f} GiB; {versions}"

    def is_like(self, other: Machine) -> bool:
        """Whether figures of both may stand on one page: equal in all but the day, and the package that few need."""
        return self._without_optional() == replace(other, date=self.date)._without_optional()

    def _without_optional(self) -> Machine:
        return replace(self, versions=tuple(pair for pair in self.versions if pair[0] != _OPTIONAL))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Machine:
        """The inverse of `to_json`."""
        versions = tuple((name, number) for name, number in kept["versions"])
        return cls(**{**kept, "instructions": tuple(kept["instructions"]), "versions": versions})


def describe() -> Machine:
    """This machine, today."""
    flags = set(_cpu_field("flags").split())
    return Machine(
        date=datetime.now(timezone.utc).date().isoformat(),
        processor=re.sub(r"\s+", " ", _cpu_field("model name")) or platform.machine(),
        cores=num_cores(),
        instructions=tuple(name for name in _INSTRUCTIONS if name in flags),
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        versions=(("Python", platform.python_version()), *_versions()),
    )


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads(num: int) -> Iterator[None]:
    """Within the block torch computes with `num` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Gemm:
    """The ruler: one large matrix product of a type, as torch runs it.

    Args:
        dtype: of both factors and the product.
        products: how often a call multiplies; `flop` is what a call takes, two for each multiply-add.
    """

    def __init__(self, dtype: torch.dtype = torch.float32, *, products: int = 1) -> None:
        rows, inputs, outputs = GEMM_SHAPE
        self._x, self._w = torch.randn(rows, inputs).to(dtype), torch.randn(outputs, inputs).to(dtype)
        self._out = torch.empty(rows, outputs, dtype=dtype)
        self._products = products
        self.flop = products * 2 * rows * inputs * outputs

    def __call__(self) -> None:
        """Multiply."""
        for _ in range(self._products):
            torch.mm(self._x, self._w.t(), out=self._out)


def gemm_flops(dtype: torch.dtype, num_threads: int, *, repeats: int = 9) -> float:
    """FLOP/s of the ruler: the median of some products after two that are not counted."""
    gemm = Gemm(dtype)
    with threads(num_threads):
        return gemm.flop / _median_seconds(gemm, repeats)


def memory_bandwidth(num_threads: int, *, num_bytes: int = 2**28, repeats: int = 9) -> float:
    """Bytes/s of copying a block far larger than the caches, read and written bytes both counted."""
    source = torch.ones(num_bytes // 4)
    target = torch.empty_like(source)
    with threads(num_threads):
        return 2 * source.nbytes / _median_seconds(lambda: target.copy_(source), repeats)


def _median_seconds(call: Any, repeats: int) -> float:
    seconds = []
    for k in range(repeats + 2):
        start = time.perf_counter()
        call()
        if k >= 2:
            seconds.append(time.perf_counter() - start)
    return median(seconds)


def _cpu_field(name: str) -> str:
    """A field of the first processor in Linux's list, "" elsewhere."""
    if not _CPU_INFO.is_file():
        return ""
    found = re.search(rf"^{name}\s*:\s*(.*)$", _CPU_INFO.read_text("utf-8"), re.MULTILINE)
    return found[1].strip() if found else ""


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
