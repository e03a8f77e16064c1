"""Models by name: which versions answer, and which one answers a request that names none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from peprank.errors import RequestError
from peprank.serve.model import ServedModel

Load: TypeAlias = Callable[[Path, str, str], ServedModel]  # bundle, name, version


class Repository:
    """The models of a directory: one bundle, which is version 1.

    Args:
        root: the bundle.
        load: makes a model of a bundle, see `model.load`.
        name: of the model; None: the directory's.
    """

    def __init__(self, root: Path, load: Load, *, name: str | None = None) -> None:
        self._root, self._load = root, load
        self._name = name or root.resolve().name
        self._models: dict[str, ServedModel] = {}

    @contextmanager
    def get(self, name: str, version: str | None = None) -> Iterator[ServedModel]:
        """The model to answer a request with; it stays whole within the block, whatever is loaded meanwhile.

        Args:
            version: None: the highest.

        Raises:
            RequestError: there is none; 404 where the name or version is unknown, 503 where it is not loaded.
        """
        model = self._models.get(name)
        if model is None or version not in (None, model.version):
            raise RequestError(f"model {name!r} version {version or 'any'} is unknown", status=404)
        yield model

    def names(self) -> tuple[str, ...]:
        """Models that this server knows."""
        return tuple(self._models)

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a model that answer, the highest last."""
        return (self._models[name].version,) if name in self._models else ()

    def ready(self) -> bool:
        """Whether every model answers."""
        return bool(self._models)

    def index(self) -> list[dict[str, str]]:
        """Triton's index: name, version, state and reason."""
        models = self._models.values()
        return [{"name": model.name, "version": model.version, "state": "READY", "reason": ""} for model in models]

    def poll(self) -> None:
        """Look for new versions."""
        if self._name not in self._models:
            self._models[self._name] = self._load(self._root, self._name, "1")
