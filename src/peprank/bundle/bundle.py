"""Write a bundle, and load it only if its hashes and its golden rows agree."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from peprank.bundle import golden
from peprank.bundle.source import ConfigSource
from peprank.bundle.words import word_sums
from peprank.drift import Profile
from peprank.encode import Encoder
from peprank.errors import ArtifactError
from peprank.models import MultiTaskRanker, build
from peprank.sealed import sealing, verify
from peprank.spec.pipeline import PipelineSpec

FORMAT = 2  # of the directory; a change that old readers cannot follow raises it. 1: tables one by one
_WEIGHTS, _ABOUT, _PROFILE = "weights.safetensors", "bundle.json", "profile.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model that can score: plan, encoder and network belong together."""

    spec: PipelineSpec
    encoder: Encoder
    ranker: MultiTaskRanker
    step: int  # training steps behind the weights
    profile: Profile | None = None  # of the rows it was trained on, if they were there when it was exported

    @staticmethod
    def of(source: ConfigSource, weights: Mapping[str, Tensor], step: int) -> Bundle:
        """Build the network that the config means and fill it.

        Raises:
            ArtifactError: the weights are not those of this config.
        """
        spec = source.lower().spec
        ranker = build(spec.model)
        ranker.load_weights(weights)
        return Bundle._with(spec, ranker, step)

    @staticmethod
    def around(source: ConfigSource, state: Mapping[str, Tensor], step: int) -> Bundle:
        """Build the network around arenas that stay where they are, see `MultiTaskRanker.adopt`.

        Raises:
            ArtifactError: the weights are not those of this config.
        """
        spec = source.lower().spec
        ranker = build(spec.model, with_tables=False)
        ranker.adopt(state)
        return Bundle._with(spec, ranker, step)

    @staticmethod
    def _with(spec: PipelineSpec, ranker: MultiTaskRanker, step: int) -> Bundle:
        return Bundle(spec, Encoder(spec, serving=True), ranker.eval(), step)


def save(
    path: Path,
    source: ConfigSource,
    weights: Mapping[str, Tensor],
    rows: pa.Table,
    *,
    step: int,
    describe: Callable[[Bundle], Profile | None] | None = None,
) -> Bundle:
    """Write a bundle to `path`, whole or not at all, and give it back loaded.

    Args:
        source: the config that the weights were trained with.
        weights: as `MultiTaskRanker.weights` gives them.
        rows: golden rows, raw; their scores are kept and replayed at every load.
        step: training steps behind the weights.
        describe: makes the profile of the rows that the model was trained on.

    Raises:
        ArtifactError: the weights are not those of the config, `path` holds something that is no bundle, or it cannot
            be written.
    """
    bundle = Bundle.of(source, weights, step)
    if path.exists() and not is_bundle(path):
        raise ArtifactError(f"{path}: exists and is no bundle; choose another place or remove it")
    bundle = replace(bundle, profile=describe(bundle) if describe else None)
    try:
        with sealing(path) as directory:
            source.write(directory)
            _write_state(directory, bundle.ranker)
            golden.write_rows(directory, rows)
            golden.write_logits(directory, golden.golden_logits(rows, bundle.encoder, bundle.ranker))
            about = {
                "format": FORMAT,
                "step": step,
                "tasks": [task.name for task in bundle.spec.model.tasks],
                "word_sums": word_sums(bundle.ranker.state_dict()),
            }
            (directory / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", "utf-8")
            if bundle.profile is not None:
                (directory / _PROFILE).write_text(json.dumps(bundle.profile.to_json()) + "\n", "utf-8")
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path}: cannot be written ({error}); make room or choose another place") from error
    return bundle


def _write_state(directory: Path, ranker: MultiTaskRanker) -> None:
    """Write arenas as they lie in memory, so that `load` can map them."""
    save_file(ranker.state_dict(), directory / _WEIGHTS)
    # safetensors writes for the owner only, but a server is often another user.
    (directory / _WEIGHTS).chmod(directory.stat().st_mode & 0o666)


def is_bundle(path: Path) -> bool:
    """Whether `path` claims to be a bundle; `load` finds out if it is a good one."""
    return (path / _ABOUT).is_file()


def load(path: Path) -> Bundle:
    """Load a bundle after checking its hashes, then replay its golden rows and check the weights in memory.

    Embedding tables are mapped, so processes that load one bundle share them: replace a bundle as `save` does, by
    another directory, and never write into its files.

    Raises:
        ArtifactError: no bundle, a damaged one, or one that does not reproduce its scores.
    """
    if not is_bundle(path):
        raise ArtifactError(f"{path}: is no bundle (it has no {_ABOUT}); make one with `peprank export`")
    try:
        verify(path)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; copy the bundle anew, or export it again") from error
    about = _about(path)
    format_, step = about.format, about.step
    if format_ not in (1, FORMAT):
        raise ArtifactError(f"{path}: has format {format_}, this peprank reads {FORMAT}; export it again")
    try:
        weights = load_file(path / _WEIGHTS)  # mapped, not read
    except SafetensorError as error:
        raise ArtifactError(f"{path / _WEIGHTS}: cannot be read ({error})") from error
    make = Bundle.of if format_ == 1 else Bundle.around
    bundle = replace(make(ConfigSource.read(path), weights, step), profile=_profile(path))
    golden.replay(path, bundle.encoder, bundle.ranker)
    _check_words(path / _WEIGHTS, bundle.ranker, about.word_sums)
    return bundle


def _profile(path: Path) -> Profile | None:
    """The profile of a bundle; None: it was exported without."""
    if not (path / _PROFILE).exists():
        return None
    try:
        return Profile.from_json(json.loads((path / _PROFILE).read_text("utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path / _PROFILE}: is no profile of rows ({error!r}); export the bundle again") from error


@dataclass(frozen=True, slots=True)
class _About:
    """What a bundle says of itself."""

    format: int
    step: int
    word_sums: dict[str, int]  # of the tensors, by name; empty in bundles made before there were any


def _about(path: Path) -> _About:
    try:
        about = json.loads((path / _ABOUT).read_text("utf-8"))
        return _About(int(about["format"]), int(about["step"]), dict(about.get("word_sums", {})))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path / _ABOUT}: does not say format and step ({error!r}); export it again") from error


def _check_words(file: Path, ranker: MultiTaskRanker, expected: Mapping[str, int]) -> None:
    """Refuse weights that are not in memory as they were written, however little golden rows would see of it."""
    found = word_sums(ranker.state_dict())
    wrong = [name for name, value in expected.items() if found.get(name) != value]
    if wrong:
        raise ArtifactError(
            f"{file}: '{wrong[0]}' is not in memory as it was written; load it again, and if this stays, "
            "doubt the memory or the library that reads it"
        )
