"""The arithmetic of the dense part, once the device is known."""

from __future__ import annotations

import torch

from peprank.spec.train import Precision

_AMPERE = (8, 0)  # the first compute capability with bfloat16 in its tensor cores
_IN_PROCESSOR = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # x86, x86, Arm, Arm: torch's names


def has_bf16(device: torch.device) -> bool:
    """Whether the device itself multiplies in bfloat16; elsewhere it is emulated, which is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in _IN_PROCESSOR)


def settled(precision: Precision, device: torch.device) -> Precision:
    """What a plan's precision means on `device`: AUTO is BF16 where the device has it, else float32."""
    if precision is not Precision.AUTO:
        return precision
    return Precision.BF16 if has_bf16(device) else Precision.FLOAT32
