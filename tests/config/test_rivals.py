"""Configs of rivals: they check, they keep what is not the model, and their widths grow as asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peprank.config import lower, parse
from peprank.config.rivals import RIVALS, Base, derive
from peprank.errors import SpecError
from peprank.models import describe
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.single_task import CrossSpec
from peprank.spec.trunk import GeneralInput, PEPNetSpec
from tests import tiny

BASE = Base(
    file=parse(tiny.CONFIG, "tiny.config"),
    domain_feature="tab",
    num_domains=4,
    embedded=("user", "item", "tags", "tab", "price"),
    linear_init="XAVIER",
)


def plan(model: str, width: float = 1.0, tasks: tuple[str, ...] | None = None) -> PipelineSpec:
    return lower(parse(derive(BASE, model, width=width, tasks=tasks), model)).spec


@pytest.mark.parametrize("model", RIVALS)
def test_a_rival_differs_in_its_model_only(model: str) -> None:
    base, rival = plan("base"), plan(model)
    assert (rival.data, rival.train, rival.train_inputs, rival.eval_inputs) == (
        base.data, base.train, base.train_inputs, base.eval_inputs
    )  # fmt: skip
    assert rival.features == base.features
    assert [(task.name, task.label, task.losses) for task in rival.model.tasks] == [
        (task.name, task.label, task.losses) for task in base.model.tasks
    ]
    assert rival.model.linear_init is base.model.linear_init is not None


@pytest.mark.parametrize("model", RIVALS)
def test_a_rival_reads_every_feature_that_the_base_reads(model: str) -> None:
    read = {item.feature for group in plan(model).model.groups for item in group.inputs}
    assert read == {"user", "item", "tags", "tab", "price", "age"}


def test_half_a_pepnet_keeps_the_ablations_that_it_can_have() -> None:
    text = tiny.CONFIG.replace("wiring: PAPER", "wiring: PAPER general_input: ATTACHED detached_priors: true")
    base = replace(BASE, file=parse(text, "tiny.config"))
    for model, has_priors in (("epnet", False), ("ppnet", True)):
        lowered = lower(parse(derive(base, model), model))
        trunk = lowered.spec.model.trunk
        assert isinstance(trunk, PEPNetSpec)
        assert trunk.general_input is GeneralInput.ATTACHED
        assert (trunk.ppnet is not None and trunk.ppnet.detached_priors) == has_priors
        assert lowered.warnings == ()


@pytest.mark.parametrize("model", [name for name in RIVALS if name != "base"])
def test_a_wider_rival_has_more_parameters(model: str) -> None:
    small, large = (describe(plan(model, width).model).dense_parameters for width in (1.0, 4.0))
    assert large > 1.2 * small


@pytest.mark.parametrize("model", RIVALS)
def test_a_rival_may_have_some_of_the_tasks(model: str) -> None:
    assert [task.name for task in plan(model, tasks=("cvr",)).model.tasks] == ["cvr"]


def test_no_checkpoint_is_picked_by_the_judged_rows() -> None:
    text = tiny.CONFIG + 'export_config { exporter_type: "best" best_exporter_metric: "auc_ctr" }'
    base = Base(file=parse(text, "c"), domain_feature="tab", num_domains=4, embedded=(), linear_init="TORCH")
    assert not lower(parse(derive(base, "base"), "c")).spec.export.best


def test_crosses_keep_the_rest_of_pepnet_and_those_that_it_has() -> None:
    base, crossed = plan("base").model.trunk, plan("pepnet_cross").model.trunk
    assert isinstance(base, PEPNetSpec)
    assert crossed == replace(base, cross=CrossSpec(num_layers=3, rank=32))
    own = replace(BASE, file=parse(tiny.CONFIG.replace("pepnet {", "pepnet { cross { low_rank: 4 }"), "tiny.config"))
    trunk = lower(parse(derive(own, "pepnet_cross"), "c")).spec.model.trunk
    assert trunk == replace(base, cross=CrossSpec(num_layers=3, rank=4))


def test_without_ppnet_the_towers_beside_crosses_are_scaled() -> None:
    half = replace(BASE, file=parse(derive(BASE, "epnet"), "epnet.config"))
    towers = [
        task.tower.hidden_dims for task in lower(parse(derive(half, "pepnet_cross", width=2.0), "c")).spec.model.tasks
    ]
    assert towers == [tuple(2 * dim for dim in half.hidden_dims)] * 2


def test_halves_of_pepnet_need_a_pepnet() -> None:
    base = Base(
        file=parse(derive(BASE, "mmoe"), "c"), domain_feature="tab", num_domains=4, embedded=(), linear_init="TORCH"
    )
    assert lower(parse(derive(base, "ple"), "c")).spec.model.trunk
    for model in ("epnet", "pepnet_cross"):
        with pytest.raises(SpecError, match="needs a base config with pepnet"):
            derive(base, model)
