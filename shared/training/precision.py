"""Which number format a training step uses on this machine."""

from contextlib import AbstractContextManager

import torch


def has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware; emulated, it is slower than float32."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def autocast() -> AbstractContextManager[object]:
    """bf16 products where the CPU has them; weights and sums stay float32."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16())
