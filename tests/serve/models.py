"""Small models to serve: real bundles, and folders whose models are quick to make up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.encode import Encoder
from peprank.errors import ArtifactError
from peprank.infer import Precision
from peprank.models import build
from peprank.serve import model as models
from peprank.serve.model import ServedModel
from peprank.serve.rows import RequestRows
from peprank.spec.pipeline import PipelineSpec
from tests import tiny

SOURCE = ConfigSource(text=tiny.CONFIG, assets={})


def read_rows(spec: PipelineSpec, encoder: Encoder, schema: pa.Schema) -> RequestRows:
    """Without items."""
    return RequestRows(spec, encoder, schema=schema)


def save_bundle(path: Path, *, seed: int = 3, step: int = 12) -> Path:
    """A bundle of the tiny plan with weights drawn from `seed`."""
    weights = build(SOURCE.lower().spec.model, seed=seed).weights()
    bundles.save(path, SOURCE, weights, tiny.rows(64), step=step)
    return path


def load(path: Path, name: str, version: str) -> ServedModel:
    """`models.load` of a bundle of the tiny plan, the same on every processor."""
    return models.load(path, name, version, read_rows, precision=Precision.FLOAT32)


def put(path: Path, content: str = "good") -> Path:
    """A made-up version, for `load_made_up`."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "content").write_text(content)
    return path


def load_made_up(path: Path, name: str, version: str) -> ServedModel:
    """A model whose `sha256` is the content of its version; one that begins with "bad" is refused."""
    content = (path / "content").read_text()
    if content.startswith("bad"):
        raise ArtifactError(f"{path / 'content'}: is {content}")
    return replace(_any_model(), name=name, version=version, sha256=content)


@cache
def _any_model() -> ServedModel:
    with TemporaryDirectory() as folder:
        return load(save_bundle(Path(folder) / "tiny"), "tiny", "1")


@dataclass
class Heard:
    """A listener that remembers."""

    loaded_versions: list[tuple[str, str, str]]
    unloaded_versions: list[tuple[str, str]]
    refused_models: list[str]

    @staticmethod
    def nothing() -> Heard:
        return Heard([], [], [])

    def loaded(self, model: str, version: str, sha256: str) -> None:
        self.loaded_versions.append((model, version, sha256))

    def unloaded(self, model: str, version: str) -> None:
        self.unloaded_versions.append((model, version))

    def refused(self, model: str) -> None:
        self.refused_models.append(model)
