"""AUTO: bfloat16 where the device has it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from peprank.models import has_bf16, settled
from peprank.spec.train import Precision

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        ({"architecture": "x86_64", "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "x86_64", "avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, True),
        ({"architecture": "aarch64", "neon": True, "bf16": False}, False),
        ({"architecture": "aarch64", "neon": True, "bf16": True}, True),
    ],
    ids=str,
)
def test_a_processor_has_bfloat16_if_torch_says_so(
    able: Mapping[str, object], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert has_bf16(CPU) is expected
    assert settled(Precision.AUTO, CPU) is (Precision.BF16 if expected else Precision.FLOAT32)


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)], ids=str)
def test_a_gpu_has_bfloat16_from_ampere_on(
    capability: tuple[int, int], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert has_bf16(GPU) is expected


def test_a_precision_that_is_named_is_taken_as_it_is() -> None:
    assert settled(Precision.BF16, CPU) is Precision.BF16
    assert settled(Precision.FLOAT32, CPU) is Precision.FLOAT32


def test_torch_still_names_what_is_asked_for() -> None:
    names = {"aarch64": {"bf16"}, "x86_64": {"avx512_bf16", "amx_bf16"}}
    able = torch.cpu.get_capabilities()
    assert names[able["architecture"]] <= able.keys()
