"""Versions, the build of torch, and which extras are there."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, distribution, distributions, requires, version

import torch

from peprank.doctor.finding import Finding, note, ok, problem

_GPU_PACKAGES = ("nvidia-", "cuda-", "triton")  # how the packages are called that come with torch's CUDA build
_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"extra == ['\"]([\w-]+)['\"]")
_FOR_DEVELOPERS = ("test", "bench")


def versions() -> Finding:
    """Python and the packages that nothing works without."""
    needed = [name for name, extra in _requirements() if extra is None]
    found, missing = _installed(["peprank", *needed])
    said = ", ".join([f"Python {platform.python_version()}", *(f"{name} {number}" for name, number in found.items())])
    if missing:
        return problem("versions", f"{said}; missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return ok("versions", said)


def torch_build() -> Finding:
    """Whether torch is the small build or the one with gigabytes of CUDA."""
    if torch.version.cuda is None:
        return ok("torch build", f"for the CPU, {_gigabytes(['torch']):.1f} GB")
    names = [name for dist in distributions() if (name := dist.metadata["Name"] or "").startswith(_GPU_PACKAGES)]
    said = f"for CUDA {torch.version.cuda}, {_gigabytes(['torch', *names]):.1f} GB with {len(names)} packages for GPUs"
    if torch.cuda.is_available():
        return ok("torch build", said)
    return note(
        "torch build",
        f"{said}, and no GPU here that it can use",
        "to save the space, install again with `pip install --constraint constraints-cpu.txt`; see README, Install",
    )


def extras() -> Finding:
    """Which optional parts can be used."""
    by_extra: dict[str, list[str]] = {}
    for name, extra in _requirements():
        if extra is not None and extra not in _FOR_DEVELOPERS:
            by_extra.setdefault(extra, []).append(name)
    missing = [extra for extra, names in by_extra.items() if _installed(names)[1]]
    there = [extra for extra in by_extra if extra not in missing]
    said = f"installed: {', '.join(there) or 'none'}"
    return ok("extras", f"{said}; not: {', '.join(missing)} (pip install 'peprank[{missing[0]}]')" if missing else said)


def _requirements() -> list[tuple[str, str | None]]:
    """(package, the extra that wants it) of each requirement of peprank."""
    found = []
    for line in requires("peprank") or ():
        name, extra = _NAME.match(line), _EXTRA.search(line)
        found.append((name[0] if name else line, extra[1] if extra else None))
    return found


def _installed(names: list[str]) -> tuple[dict[str, str], list[str]]:
    """Versions of those that are there, names of those that are not."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found, [name for name in names if name not in found]


def _gigabytes(names: list[str]) -> float:
    """Size of installed packages, as their own lists of files say."""
    return sum(file.size or 0 for name in names for file in distribution(name).files or ()) / 1e9
