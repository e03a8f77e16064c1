"""A config file -> the plan of a run. All mistakes are found at once; only a file without any becomes a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from peprank.config import lower_data, lower_train
from peprank.config.lower_bad_values import bad_values
from peprank.config.lower_features import EmbeddedFeature, features
from peprank.config.lower_model import aims, model
from peprank.config.names import Names
from peprank.config.place import Place
from peprank.config.read import ConfigFile, read
from peprank.config.scores import directions
from peprank.config.support import review
from peprank.errors import ConfigError, Problem
from peprank.spec.feature import FeatureSpec
from peprank.spec.model import JRC, ModelSpec
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import EvalSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """What a config file means."""

    spec: PipelineSpec
    warnings: tuple[Problem, ...]  # old names, fields without effect, features that nothing reads
    assets: dict[str, str]  # path as written -> text of each file that the config names


def read_text_file(path: str) -> str:
    """The text of a file on this machine.

    Raises:
        OSError: it is missing or cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return Path(path).read_text(encoding="utf-8")


def load(path: str | Path, overrides: Sequence[str] = ()) -> Lowered:
    """Read a config file and turn it into the plan of a run.

    Args:
        overrides: changes such as `train_config.num_epochs=2`, checked like the file.

    Raises:
        ConfigError: the file cannot be used; lists every mistake in it.
    """
    return lower(read(path, overrides))


def lower(file: ConfigFile, *, open_text: Callable[[str], str] = read_text_file) -> Lowered:
    """Turn a parsed config into the plan of a run.

    Args:
        open_text: gives the text of a file that the config names, such as a vocab_file.

    Raises:
        ConfigError: the config cannot be used; lists every mistake in it, in file order.
    """
    at = Place(file, file.message)
    review(at)
    spec, assets = _pipeline(file, at, open_text)
    mistakes = [*file.errors, *(problem for problem in at.found if not problem.is_warning)]
    if mistakes or spec is None:
        raise ConfigError(_in_file_order(mistakes))
    warnings = [*file.warnings, *(problem for problem in at.found if problem.is_warning)]
    return Lowered(spec=spec, warnings=_in_file_order(warnings), assets=assets)


def _in_file_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """By line and column; what an override brings in has neither and comes last."""
    return tuple(sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0, problem.column or 0)))


def _pipeline(
    file: ConfigFile, at: Place, open_text: Callable[[str], str]
) -> tuple[PipelineSpec | None, dict[str, str]]:
    msg = file.message
    train_inputs = lower_data.paths(msg.train_input_path, at["train_input_path"], "--train-input")
    eval_inputs = lower_data.paths(msg.eval_input_path, at["eval_input_path"], "--eval-input")
    if at["train_input_path"].is_set and not train_inputs:
        at["train_input_path"].error("names no file; name Parquet or CSV files")
    if at["model_dir"].is_set and not msg.model_dir.strip():
        at["model_dir"].error('names no folder; write model_dir: "runs/first", say, or give --model-dir')
    if not eval_inputs:
        _note_no_evaluation(at)
    data = lower_data.data(msg.data_config, at["data_config"], (*train_inputs, *eval_inputs))
    inputs = lower_data.feature_inputs(msg.data_config, at["data_config"], open_text)
    embedded, broken = features(list(msg.feature_configs), at["feature_configs"], inputs)
    names = Names(
        labels=msg.data_config.label_fields,
        weights=msg.data_config.sample_weight_fields,
        features=embedded,
        broken=broken,
    )
    _note_missing_sections(at)
    network = model(msg.model_config, at["model_config"], names) if at["model_config"].is_set else None
    has_ema = msg.train_config.dense_optimizer.HasField("ema")
    asked = [metric for aim in aims(msg.model_config) for metric in aim.metrics]
    judging = lower_train.evaluation(msg.eval_config, at["eval_config"], asked, names, has_ema=has_ema)
    scores = directions(network.tasks if network else (), has_groups=judging.gauc_feature is not None)
    training = lower_train.training(msg.train_config, at["train_config"], scores, open_text, inputs.assets)
    export = lower_train.export(msg.export_config, at["export_config"], scores, has_ema=has_ema)
    if network is None or training is None:
        return None, inputs.assets
    used = _used(embedded, network, judging)
    policies = bad_values(msg.data_config.bad_values, at["data_config"]["bad_values"], used, network.tasks)
    spec = PipelineSpec(
        train_inputs=train_inputs,
        eval_inputs=eval_inputs,
        model_dir=msg.model_dir,
        data=replace(data, bad_values=policies),
        features=used,
        model=network,
        train=training,
        evaluation=judging,
        export=export,
    )
    return spec, inputs.assets


def _note_no_evaluation(at: Place) -> None:
    at["eval_input_path"].warn("is empty: the model is not evaluated while it trains")
    lack = "needs evaluations, but eval_input_path names no rows; name some, or"
    exporter, stopping = at["export_config"]["exporter_type"], at["train_config"]["early_stopping"]
    if exporter.node == "best":
        exporter.error(f'{lack} write exporter_type: "latest"')
    if stopping.is_set:
        stopping.error(f"{lack} remove this")


def _note_missing_sections(at: Place) -> None:
    for name in ("train_config", "data_config", "model_config", "feature_configs"):
        if not at[name].is_set:
            at[name].error(f"is missing; write {name} {{ ... }}")


def _used(embedded: dict[str, EmbeddedFeature], network: ModelSpec, judging: EvalSpec) -> tuple[FeatureSpec, ...]:
    """Features that some group, metric, loss or the domain reads; a warning names each of the others."""
    read = {judging.gauc_feature, network.domain.feature if network.domain else None}
    read |= {item.feature for group in network.groups for item in group.inputs}
    for task in network.tasks:
        read |= {metric.grouping_key for metric in task.metrics}
        read |= {loss.session for loss in task.losses if isinstance(loss, JRC)}
    for name, feature in embedded.items():
        if name not in read:
            feature.at["feature_name"].warn(
                "no feature group, metric, loss or domain reads this feature; it is left out"
            )
    return tuple(feature.spec for name, feature in embedded.items() if name in read)
