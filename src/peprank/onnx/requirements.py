"""The packages of the extra `onnx`, which no other room needs."""

from __future__ import annotations

from importlib.util import find_spec

from peprank.errors import PeprankError

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def require(packages: tuple[str, ...] = _PACKAGES) -> None:
    """Do nothing where the packages are installed.

    Raises:
        PeprankError: one is missing.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise PeprankError(f"ONNX needs {', '.join(missing)}, not installed here: pip install 'peprank[onnx]'")
