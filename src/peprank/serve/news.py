"""What became of versions, told to people in a log and to metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol, TypeAlias

from peprank.serve.model import ServedModel

_log = logging.getLogger(__name__)

Answers: TypeAlias = Mapping[str, tuple[ServedModel, ...]]  # name -> versions that answer, the highest last


class Listener(Protocol):
    """Counts what becomes of versions."""

    def loaded(self, model: str, version: str, sha256: str) -> None:
        """A version answers from now on."""
        ...

    def unloaded(self, model: str, version: str) -> None:
        """A version no longer answers; requests under way still use it."""
        ...

    def refused(self, model: str) -> None:
        """A version of the model is damaged, or does not prove itself."""
        ...


class News:
    """Tell a log, and a listener if there is one."""

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener

    def switched(self, before: Answers, after: Answers) -> None:
        """Other models answer now."""
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name, ()), after.get(name, ())
            for model in new:
                if model not in old:
                    self._loaded(model, old[-1] if old else None)
            for model in old:
                if model.version not in {other.version for other in new}:
                    self._unloaded(model)

    def refused(self, name: str, number: int, reason: str) -> None:
        """A version was not loaded, and will not be until its files change."""
        _log.error("model '%s' version %d is refused: %s", name, number, reason)
        if self._listener is not None:
            self._listener.refused(name)

    def _loaded(self, model: ServedModel, before: ServedModel | None) -> None:
        about = f"step {model.step}, sha256 {model.sha256[:12]}, in {model.engine.precision.value}"
        _log.info("model '%s' version %s answers (%s)%s", model.name, model.version, about, _differences(before, model))
        if self._listener is not None:
            self._listener.loaded(model.name, model.version, model.sha256)

    def _unloaded(self, model: ServedModel) -> None:
        _log.info("model '%s' version %s no longer answers", model.name, model.version)
        if self._listener is not None:
            self._listener.unloaded(model.name, model.version)


def _differences(before: ServedModel | None, after: ServedModel) -> str:
    """Inputs and outputs that clients will miss or may now give; no reason to refuse a version."""
    if before is None:
        return ""
    parts = []
    for kind in ("inputs", "outputs"):
        old, new = (_tensors(model, kind) for model in (before, after))
        parts += [f"; {kind} that are gone: {', '.join(sorted(old - new))}"] if old - new else []
        parts += [f"; {kind} that are new: {', '.join(sorted(new - old))}"] if new - old else []
    return "".join(parts)


def _tensors(model: ServedModel, kind: str) -> set[str]:
    return {f"{tensor['name']} {tensor['datatype']} {tensor['shape']}" for tensor in model.metadata()[kind]}
