"""Versions, processor and threads: what else decides the bits of a run."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("peprank", "torch", "numpy", "pyarrow")
_CPU_INFO = Path("/proc/cpuinfo")


def environment() -> dict[str, str]:
    """Versions, processor and threads of this process."""
    return {
        **{package: version(package) for package in PACKAGES},
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": str(num_cores()),
        "threads": str(torch.get_num_threads()),
    }


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's own name, where the system tells it."""
    return cpu_field("model name") or platform.processor() or platform.machine()


def cpu_field(name: str) -> str:
    """A field of the first processor in Linux's list, "" elsewhere."""
    text = _CPU_INFO.read_text("utf-8") if _CPU_INFO.is_file() else ""
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""
