"""The front door: one function per verb. The command line calls these and only adds arguments and printing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from peprank import bundle as bundles
from peprank import config as configs
from peprank.batch import Features
from peprank.bundle import Bundle, ConfigSource
from peprank.data import Column, RowReader, columns_of, open_rows, open_table
from peprank.drift import DriftWatch, Profile, profile_of
from peprank.errors import ArtifactError, DataError, SpecError, TrainingError
from peprank.evaluation import Gates, Importance, Results, gates_on, permutation_importance, sample_users
from peprank.evaluation import evaluate as judge
from peprank.models import has_bf16
from peprank.onnx import OPSET, OnnxScorer, Target
from peprank.onnx import export as write_onnx
from peprank.predict import Scorer
from peprank.record import Keeper, RunRecord, differences
from peprank.spec.pipeline import PipelineSpec
from peprank.training import CheckpointStore, Silent, TrainListener, TrainResult
from peprank.training import train as fit

_BATCH_ROWS = 8192
_PROFILE_ROWS = 65_536  # sampled for a bundle's profile; by chance alone ten bins are 0.0002 apart


def train(
    config: str | Path,
    *,
    overrides: Sequence[str] = (),
    resume: str | Path = "auto",
    device: str = "cpu",
    listener: TrainListener | None = None,
) -> TrainResult:
    """Train the model of a config file.

    Args:
        config: path of a pipeline.config, or a .json of the same messages.
        overrides: changes in the language of `--set`, such as "train_config.num_epochs=2".
        resume: "auto" goes on from the newest good checkpoint of model_dir, if any; "never" moves an earlier run aside
            and starts afresh; a path names the checkpoint to go on from.
        device: "cpu" or "cuda".
        listener: told about steps, evaluations and checkpoints as they happen.

    Raises:
        ConfigError: the config cannot be used; lists every mistake.
        DataError: the rows do not fit the plan.
        TrainingError: the run must not go on, say because the loss is not finite.
    """
    file = configs.read(config, overrides)
    lowered = configs.lower(file)
    source = ConfigSource(
        text=file.text, is_json=str(config).endswith(".json"), overrides=file.overrides, assets=lowered.assets
    )
    return _recorded(source, lowered.spec, Path(config).absolute().parent, resume, device, listener or Silent())


def train_again(
    record: RunRecord,
    *,
    overrides: Sequence[str] = (),
    resume: str | Path = "auto",
    device: str = "cpu",
    listener: TrainListener | None = None,
) -> TrainResult:
    """Train what a record describes: the same config and seed, hence the same bits where nothing else differs.

    Data, versions, processor, threads, device and precision that differ from the record's are told of as notes.

    Args:
        record: from `RunRecord.read`.
        overrides: further changes; at least a model_dir in which this run has not trained yet.
        resume, device, listener: as for `train`.

    Raises:
        TrainingError: model_dir is that of the recorded run; and as for `train`.
    """
    listener = listener or Silent()
    source = replace(record.config, overrides=(*record.config.overrides, *overrides))
    spec = source.lower().spec
    if Path(spec.model_dir).resolve() == Path(record.config.lower().spec.model_dir).resolve():
        raise TrainingError(f"{spec.model_dir}: is the model_dir of the recorded run; give another one")
    found = differences(record, spec, device)
    for difference in found:
        listener.note(f"differs from the record: {difference}")
    if not found:
        listener.note("data, versions, processor and threads are those of the record")
    return _recorded(source, spec, Path.cwd(), resume, device, listener)


def _recorded(
    source: ConfigSource, spec: PipelineSpec, project: Path, resume: str | Path, device: str, listener: TrainListener
) -> TrainResult:
    """Train, and keep in model_dir what explains the run and makes it again."""
    golden = bundles.draw_golden_rows(spec)
    with Keeper(source, spec, device=device, project=project, listener=listener) as keeper:

        def keep(model_dir: Path) -> None:
            source.write(model_dir)
            bundles.write_rows(model_dir, golden)
            keeper.open(model_dir)

        return fit(spec, resume=resume, device=device, listener=keeper, on_open=keep)


def load(path: str | Path, *, checkpoint: str | None = None, bf16: bool | None = False) -> Scorer:
    """Load a bundle, or the checkpoint of a trained model_dir, ready to score: with the weights that `export` takes.

    Args:
        path: a bundle, or a model_dir that `train` filled.
        checkpoint: for a model_dir: "best", "latest", or a step number; by default the best.
        bf16: compute the dense part in bfloat16; None: where the processor has it.

    Raises:
        ArtifactError: nothing loadable is there, it is damaged, or a checkpoint is asked of a bundle.
    """
    path = Path(path)
    if bf16 is None:
        bf16 = has_bf16(torch.device("cpu"))
    if not bundles.is_bundle(path):
        return Scorer(_from_model_dir(path, checkpoint or "best"), bf16=bf16)
    if checkpoint is not None:
        raise ArtifactError(f"{path}: is a bundle, which holds one model; choose checkpoint '{checkpoint}' at export")
    return Scorer(bundles.load(path), bf16=bf16)


def export(model_dir: str | Path, out: str | Path, *, checkpoint: str | None = None) -> Scorer:
    """Turn a checkpoint of `model_dir` into a bundle at `out`, with a profile of the rows that it was trained on.

    Where these cannot be read any more, the bundle has no profile, and nobody can tell of drift.

    Args:
        checkpoint: "best", "latest" or a step number; by default what the config's exporter_type says.

    Raises:
        ArtifactError: no such checkpoint, a damaged one, or `out` holds something that is not a bundle.
    """
    model_dir = Path(model_dir)
    source = ConfigSource.read(model_dir)
    spec = source.lower().spec
    loaded = CheckpointStore(model_dir).read(checkpoint or _checkpoint_to_export(spec))
    rows = bundles.read_rows(model_dir)
    weights = loaded.weights(spec.export.use_ema)
    return Scorer(bundles.save(Path(out), source, weights, rows, step=loaded.step, describe=_profile))


def export_onnx(
    path: str | Path,
    out: str | Path,
    *,
    checkpoint: str | None = None,
    target: Target = "onnx",
    opset: int = OPSET,
) -> OnnxScorer:
    """Write the model of a bundle or a model_dir as an ONNX graph into the folder `out`.

    Args:
        path: a bundle, or a model_dir that `train` filled.
        checkpoint: for a model_dir: "best", "latest" or a step number; by default what the config's exporter_type says.
        target: "onnx": the graph and what its inputs are; "triton": the same as a model of a Triton model repository.
        opset: version of ONNX's operators.

    Raises:
        ArtifactError: nothing loadable is there, the model cannot become a graph, the graph scores the golden rows
            otherwise, or `out` holds something that is no such export.
        PeprankError: a package of the extra `onnx` is missing.
    """
    path, out = Path(path), Path(out)
    if checkpoint is None and path.is_dir() and not bundles.is_bundle(path):
        checkpoint = _checkpoint_to_export(ConfigSource.read(path).lower().spec)
    write_onnx(load(path, checkpoint=checkpoint), bundles.read_rows(path), out, target=target, opset=opset)
    return OnnxScorer.load(out)


def evaluate(
    ranker: Scorer,
    rows: Any,
    *,
    by: str | None = None,
    skip_bad_files: bool = False,
    on_rows: Callable[[int, int | None], None] | None = None,
) -> Results:
    """Measure a model on labelled rows, per task and domain.

    Args:
        ranker: from `load`.
        rows: a path or a list of paths (directories and globs too), or a pyarrow, pandas or polars table.
        by: a column whose values split the rows, beside the domains.
        skip_bad_files: leave out files that are damaged, cut short or of another format; `repairs` of the results
            tells of them.
        on_rows: told after each batch how many rows it had, and how many there are in all if known.
    """
    columns = columns_of(ranker.spec, with_targets=True, keep=[] if by is None else [by])
    reader = _reader(ranker, rows, columns, skip_bad_files=skip_bad_files)
    watch = DriftWatch(ranker.profile, ranker.spec.model) if ranker.profile else None
    results = judge(
        ranker.ranker,
        ranker.encoder,
        reader.batches(),
        ranker.spec,
        by=by,
        bf16=ranker.bf16,
        watch=watch,
        on_rows=(lambda done: on_rows(done, reader.num_rows)) if on_rows else None,
    )
    return replace(results, repairs=reader.repairs, drift=watch.drift() if watch else None)


def gates(
    ranker: Scorer,
    rows: Any,
    *,
    by_user: str | None = None,
    on_rows: Callable[[int, int | None], None] | None = None,
) -> Gates:
    """Look at the gates of a model: which fields each domain turns up or down, which layers each task.

    Args:
        ranker: from `load`.
        rows: as for `evaluate`; they need no labels.
        by_user: the feature whose values are the users that spreads are told of; None: the config's gauc_feature.
        on_rows: told after each batch how many rows it had, and how many there are in all if known.

    Raises:
        SpecError: the model has no gates, or the plan no such feature.
    """
    user = by_user or ranker.spec.evaluation.gauc_feature
    names = [feature.name for feature in ranker.spec.features]
    if user is not None and user not in names:
        raise SpecError("by_user", user, f"is no feature of this model; it has {', '.join(names)}")
    columns = columns_of(
        ranker.spec, with_targets=False, keep=[] if user is None else [ranker.spec.feature(user).column]
    )
    reader = _reader(ranker, rows, columns)
    tell = (lambda done: on_rows(done, reader.num_rows)) if on_rows else None
    return gates_on(
        ranker.ranker, ranker.encoder, reader.batches(), ranker.spec, user_feature=user, bf16=ranker.bf16, on_rows=tell
    )


def importance(
    ranker: Scorer,
    rows: Any,
    *,
    fields: Sequence[str] = (),
    repeats: int = 3,
    seed: int = 0,
    most_rows: int | None = 100_000,
    on_rows: Callable[[int, int], None] | None = None,
) -> Importance:
    """Tell how much a model needs each feature: what it costs to shuffle the feature's values among the rows.

    Args:
        ranker: from `load`.
        rows: labelled rows, as for `evaluate`.
        fields: the features to shuffle; (): all that the model reads.
        repeats: shuffles of each.
        seed: fixes the shuffles.
        most_rows: with more rows, a fair sample of the users stands for all: the values of the config's gauc_feature,
            each with all rows. None: take all rows, which must fit into memory.
        on_rows: told after each batch how many rows were judged, and how many there will be over all shuffles.

    Raises:
        SpecError: the model reads no such feature, or a number is out of range.
    """
    read = [feature.name for feature in ranker.spec.input_features]
    if unknown := [name for name in fields if name not in read]:
        raise SpecError("fields", ",".join(unknown), f"this model reads no such feature; it reads {', '.join(read)}")
    if repeats < 1:
        raise SpecError("repeats", repeats, "must be at least 1")
    columns = columns_of(ranker.spec, with_targets=True)
    batches = _reader(ranker, rows, columns).batches()
    user = ranker.spec.evaluation.gauc_feature
    if most_rows is not None:
        column = None if user is None else ranker.spec.feature(user).column
        batches = iter(sample_users(batches, column, most_rows, batch_rows=_BATCH_ROWS))
    return permutation_importance(
        ranker.ranker,
        ranker.encoder,
        batches,
        ranker.spec,
        fields=fields or read,
        repeats=repeats,
        seed=seed,
        bf16=ranker.bf16,
        on_rows=on_rows,
    )


def _reader(ranker: Scorer, rows: Any, columns: Sequence[Column], *, skip_bad_files: bool = False) -> RowReader:
    """Conformed rows of files or of a table."""
    if isinstance(rows, (str, Path, list, tuple)):
        paths = [str(path) for path in (rows if isinstance(rows, (list, tuple)) else [rows])]
        data = replace(ranker.spec.data, skip_bad_files=skip_bad_files)
        return open_rows(paths, data, columns, batch_rows=_BATCH_ROWS)
    return open_table(pa.table(rows), columns, batch_rows=_BATCH_ROWS)


def _profile(bundle: Bundle) -> Profile | None:
    """What the training rows are like, and the scores of rows that were not trained on if there are such."""
    scorer = Scorer(bundle)
    try:
        trained = _sampled(scorer, bundle.spec.train_inputs)
        judged = _sampled(scorer, bundle.spec.eval_inputs) if bundle.spec.eval_inputs else trained
    except DataError:
        return None
    if not trained or not judged:
        return None
    logits = np.concatenate([scorer.logits(features) for features in judged])
    return profile_of(bundle.spec.model, trained, logits)


def _sampled(scorer: Scorer, inputs: Sequence[str]) -> list[Features]:
    data = replace(scorer.spec.data, skip_bad_files=True)
    reader = open_rows(inputs, data, scorer.columns, batch_rows=_BATCH_ROWS)
    pieces = reader.sample(_PROFILE_ROWS, seed=0)
    return [
        scorer.encoder.features(piece.slice(start, _BATCH_ROWS))
        for piece in pieces
        for start in range(0, piece.num_rows, _BATCH_ROWS)
    ]


def _checkpoint_to_export(spec: PipelineSpec) -> str:
    return "best" if spec.export.best else "latest"


def _from_model_dir(model_dir: Path, checkpoint: str) -> Bundle:
    if not model_dir.is_dir():
        raise ArtifactError(f"{model_dir}: no such folder; give a bundle, or the model_dir of a training run")
    source = ConfigSource.read(model_dir)
    loaded = CheckpointStore(model_dir).read(checkpoint)
    return Bundle.of(source, loaded.weights(source.lower().spec.export.use_ema), loaded.step)
