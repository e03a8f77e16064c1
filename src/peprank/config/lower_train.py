"""`train_config`, `eval_config` and `export_config`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from peprank.config.lower_optimizers import dense_optimizer, sparse_optimizer
from peprank.config.names import Names
from peprank.config.place import Place, listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.scores import Directions, check_metric
from peprank.config.strings import choice
from peprank.config.vocabulary import read_asset
from peprank.spec.feature import IdFeature
from peprank.spec.train import (
    Clipping,
    EarlyStopping,
    EvalSpec,
    ExportSpec,
    GradClipping,
    Precision,
    TrainSpec,
)

SUMMARIES: Final = ("loss", "learning_rate", "gate", "parameter", "global_gradient_norm", "gradient_norm", "gradient")
USER_ID: Final = "user_id"  # the feature whose values form GAUC's groups when the file names none


def training(
    msg: pb.TrainConfig, at: Place, scores: Directions, open_text: Callable[[str], str], assets: dict[str, str]
) -> TrainSpec | None:
    """One training run. `scores` are the names that evaluation gives its results, and whether larger is better."""
    sparse = sparse_optimizer(msg.sparse_optimizer, at["sparse_optimizer"])
    dense = dense_optimizer(msg.dense_optimizer, at["dense_optimizer"])
    _check_length(msg, at)
    _check_falls(msg, at)
    _check_summaries(msg.tensorboard_summaries, at["tensorboard_summaries"])
    names = _fine_tune_names(msg, at, open_text, assets)
    precision = _precision(msg.mixed_precision, at["mixed_precision"])
    clipping = _clipping(msg.grad_clipping, at["grad_clipping"])
    stopping = _early_stopping(msg.early_stopping, at["early_stopping"], scores)
    if sparse is None or dense is None or bool(msg.num_steps) == bool(msg.num_epochs):
        return None
    return TrainSpec(
        sparse=sparse,
        dense=dense,
        num_steps=msg.num_steps or None,
        num_epochs=msg.num_epochs or None,
        checkpoint_every_steps=None if msg.save_checkpoints_epochs else msg.save_checkpoints_steps or None,
        checkpoint_every_epochs=msg.save_checkpoints_epochs or None,
        keep_checkpoints=msg.keep_checkpoint_max,
        log_every_steps=msg.log_step_count_steps,
        fine_tune_checkpoint=msg.fine_tune_checkpoint or None,
        fine_tune_names=names,
        use_tensorboard=msg.use_tensorboard,
        tensorboard_summaries=tuple(msg.tensorboard_summaries),
        is_profiling=msg.is_profiling,
        precision=precision,
        accumulate_steps=max(msg.gradient_accumulation_steps, 1),
        clipping=clipping,
        early_stopping=stopping,
        seed=msg.seed,
    )


def _check_falls(msg: pb.TrainConfig, at: Place) -> None:
    """A rate that falls by epochs up to the end of the run needs a run that is counted in epochs."""
    parts = at["dense_optimizer"]["part_optimizers"]
    num_parts = len(msg.dense_optimizer.part_optimizers)
    holders = [at["sparse_optimizer"], at["dense_optimizer"], *(parts[k] for k in range(num_parts))]
    for holder in holders:
        place = holder["cosine_annealing_learning_rate"]
        if place.is_set and place["by_epoch"].node and not place["T_max"].is_set and msg.num_steps:
            place["T_max"].error("is missing: how many epochs num_steps comes to is not known; write T_max, in epochs")


def _check_length(msg: pb.TrainConfig, at: Place) -> None:
    if msg.num_steps and msg.num_epochs:
        at["num_steps"].error(f"num_epochs = {msg.num_epochs} is set too; keep one of the two")
    elif at.is_set and not msg.num_steps and not msg.num_epochs:
        at["num_epochs"].error("the length of the run is missing; write num_epochs: 1, or num_steps")
    if msg.log_step_count_steps < 1:
        at["log_step_count_steps"].error("must be at least 1")


def _check_summaries(summaries: Sequence[str], at: Place) -> None:
    for index, name in enumerate(summaries):
        if name not in SUMMARIES:
            at[index].error(f"is not a summary{meant(name, SUMMARIES)}; write one of {listing(SUMMARIES)}")


def _precision(text: str, at: Place) -> Precision:
    if not at.is_set:
        return Precision.AUTO
    if text == "FP16":
        at.error('is not supported yet; write "BF16", which has the range of float32 and needs no gradient scaling')
        return Precision.AUTO
    return choice(Precision, text, at) or Precision.AUTO


def _clipping(msg: pb.GradClipping, at: Place) -> GradClipping:
    kind = choice(Clipping, msg.clipping_type, at["clipping_type"]) or Clipping.NONE
    if not msg.max_gradient > 0:
        at["max_gradient"].error("must be > 0")
    if not msg.norm_type > 0:
        at["norm_type"].error("must be > 0; 2 is the Euclidean norm")
    return GradClipping(kind=kind, max_gradient=msg.max_gradient, norm_type=msg.norm_type)


def _fine_tune_names(
    msg: pb.TrainConfig, at: Place, open_text: Callable[[str], str], assets: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    """Lines `new_name old_name` of fine_tune_ckpt_param_map."""
    place = at["fine_tune_ckpt_param_map"]
    if not msg.fine_tune_ckpt_param_map:
        return ()
    if not msg.fine_tune_checkpoint:
        place.error("maps names of a checkpoint, but fine_tune_checkpoint is not set; set it, or remove this")
        return ()
    text = read_asset(msg.fine_tune_ckpt_param_map, place, open_text, assets)
    lines = [line.split() for line in (text or "").splitlines() if line.strip()]
    for line in lines:
        if len(line) != 2:
            place.error(f"has the line '{' '.join(line)}'; write lines of the form 'new_name old_name'")
            return ()
    return tuple((new, old) for new, old in lines)


def _early_stopping(msg: pb.EarlyStopping, at: Place, scores: Directions) -> EarlyStopping | None:
    if not at.is_set:
        return None
    if not msg.HasField("metric"):
        at["metric"].error('is missing; write metric: "auc", say, which is the mean over tasks')
    else:
        check_metric(at["metric"], at["larger_is_better"], scores)
    if msg.patience < 1:
        at["patience"].error("must be at least 1 evaluation")
    if not msg.min_delta >= 0:
        at["min_delta"].error("must be >= 0")
    return EarlyStopping(
        metric=msg.metric,
        patience=msg.patience,
        larger_is_better=msg.larger_is_better,
        min_delta=msg.min_delta,
    )


def evaluation(
    msg: pb.EvalConfig, at: Place, asked: Sequence[pb.MetricConfig], names: Names, *, has_ema: bool
) -> EvalSpec:
    """How the model is judged; `asked` are the metrics of all tasks."""
    if msg.HasField("gauc_feature"):
        names.check_id_feature(msg.gauc_feature, at["gauc_feature"])
    return EvalSpec(
        num_steps=msg.num_steps or None,
        gauc_feature=_gauc_feature(msg, asked, names),
        use_ema=_use_ema(msg, at, has_ema=has_ema),
    )


def _gauc_feature(msg: pb.EvalConfig, asked: Sequence[pb.MetricConfig], names: Names) -> str | None:
    """gauc_feature, else the first grouping key of a grouped_auc, else `user_id` if there is such an id feature."""
    keys = [metric.grouped_auc.grouping_key for metric in asked]
    for name in filter(None, (msg.gauc_feature, *keys, USER_ID)):
        if name in names.features and isinstance(names.features[name].spec, IdFeature):
            return name
    return None


def export(msg: pb.ExportConfig, at: Place, scores: Directions, *, has_ema: bool) -> ExportSpec:
    """Which checkpoint becomes the bundle."""
    kinds = ("latest", "best")
    if msg.exporter_type not in kinds:
        at["exporter_type"].error(f'is not known{meant(msg.exporter_type, kinds)}; write "latest" or "best"')
    best = msg.exporter_type == "best"
    is_judged = best or msg.HasField("best_exporter_metric")
    if is_judged:
        check_metric(at["best_exporter_metric"], at["metric_larger_is_better"], scores)
    return ExportSpec(
        best=best,
        best_metric=msg.best_exporter_metric if is_judged else None,
        larger_is_better=msg.metric_larger_is_better,
        use_ema=_use_ema(msg, at, has_ema=has_ema),
    )


def _use_ema(msg: pb.EvalConfig | pb.ExportConfig, at: Place, *, has_ema: bool) -> bool:
    """The moving average is used wherever there is one, unless the file says no."""
    if msg.use_dense_ema and not has_ema:
        at["use_dense_ema"].error("there is no moving average; write ema {} in train_config.dense_optimizer")
    return msg.use_dense_ema if msg.HasField("use_dense_ema") else has_ema
