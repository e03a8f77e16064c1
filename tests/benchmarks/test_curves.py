"""The curves: one quantity changes at a time, the law finds what made the figures, and the page takes them."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib", reason="pictures need the extra [bench]")

from benchmarks import curves, made_up, page, pictures
from benchmarks.law import Law, Rates, Work, fit, work_of
from benchmarks.made_up import DOMAIN, Shape
from peprank.training.learner import Learner
from tests.models.taobao import TAOBAO

SMALL = Shape(batch_rows=32, num_features=4, embedding_dim=2, table_rows=90, hidden_dims=(6,), tower_dims=(3,))


@pytest.mark.parametrize("curve", curves.curves(SMALL, SMALL), ids=lambda curve: curve.name)
def test_along_a_curve_one_quantity_changes(curve: curves.Curve) -> None:
    shapes = [shape for _, shape in curve.points]
    changing = {field.name for field in fields(Shape) if len({getattr(shape, field.name) for shape in shapes}) > 1}
    if curve.num_threads:
        assert (changing, curve.num_threads) == (set(), tuple(x for x, _ in curve.points))
    else:
        (changed,) = changing
        assert [getattr(shape, changed) for shape in shapes] == [x for x, _ in curve.points]


def test_the_made_up_plan_is_shaped_like_the_workload() -> None:
    model = made_up.plan(Shape()).model
    assert [group.dim for group in model.groups] == [group.dim for group in TAOBAO.groups]
    assert model.trunk == TAOBAO.trunk
    assert [task.tower for task in model.tasks] == [task.tower for task in TAOBAO.tasks]
    assert model.domain is not None
    assert TAOBAO.domain is not None
    assert model.domain.num_towers == TAOBAO.domain.num_towers


def test_made_up_batches_fit_their_plan_and_come_again() -> None:
    one, two = made_up.batches(SMALL, 2)
    assert not torch.equal(one.features.ids["f1"].values, two.features.ids["f1"].values)
    assert torch.equal(one.features.ids["f1"].values, made_up.batches(SMALL, 1)[0].features.ids["f1"].values)
    assert torch.equal(one.features.ids[DOMAIN].values, one.features.domain)
    learner = Learner(made_up.plan(SMALL), torch.device("cpu"))
    losses = [learner.update([batch], step=k, epoch=0) for k, batch in enumerate((one, two))]
    assert all(np.isfinite(list(loss.values())).all() for loss in losses)


def test_the_work_of_a_step_by_hand() -> None:
    shape = Shape(
        batch_rows=8, num_features=3, embedding_dim=2, table_rows=2, num_domains=2, hidden_dims=(5,), tower_dims=(4,)
    )
    work = work_of(made_up.plan(shape), made_up.batches(shape, 1)[0])
    epnet, gate, layer, tower = (2 + 6, 6, 6), (2 + 6, 5, 5), (6, 5), (5, 4, 1)  # widths, input to output
    one_task = _weights(gate) + _weights(layer)
    dense = _weights(epnet) + 2 * (one_task + 2 * _weights(tower))  # two tasks, two domains
    assert work.adam_bytes == 7 * 4 * dense
    inputs = 6 + 2 + 2  # all, domain, uia
    outputs = sum(epnet[1:]) + 2 * sum((*gate[1:], *layer[1:], *tower[1:]))
    assert work.activation_bytes == 4 * 8 * (inputs + outputs)
    assert work.lookups == 8 * 3
    assert work.distinct_rows == 2 + 1 + 1  # two domains, and two tables of one row
    # EPNet's, the first of all gates; and of each task: its gate's second, a layer, the towers of two domains.
    assert work.linear_maps == 2 + 1 + 2 * (1 + 1 + 2 * 2)


def _weights(widths: tuple[int, ...]) -> int:
    """Values of linear maps with biases."""
    return sum(i * o + o for i, o in pairwise(widths))


def test_the_fit_finds_the_constants_that_made_the_figures() -> None:
    draw = np.random.default_rng(1)
    law, rates = Law(passes=20.0, lookup_s=5e-8, row_s=2e-7, map_s=1e-4), Rates(gemm=1e11, bandwidth=1e10)
    works = [
        Work(
            rows=1000,
            flop=draw.uniform(1e9, 1e10),
            adam_bytes=1e7,
            activation_bytes=draw.uniform(1e6, 1e8),
            lookups=int(draw.integers(10_000, 1_000_000)),
            distinct_rows=int(draw.integers(1000, 100_000)),
            linear_maps=int(draw.integers(10, 1000)),
        )
        for _ in range(20)
    ]
    found = fit([(work, rates, law.seconds(work, rates)) for work in works])
    for field in fields(Law):
        assert getattr(found, field.name) == pytest.approx(getattr(law, field.name), rel=1e-6)


def test_no_constant_is_negative_where_steps_are_faster_than_their_arithmetic() -> None:
    work = Work(rows=10, flop=1e9, adam_bytes=0, activation_bytes=1e6, lookups=100, distinct_rows=50, linear_maps=9)
    law = fit([(work, Rates(gemm=1e10, bandwidth=1e10), 0.05)])
    assert law == Law(passes=0.0, lookup_s=0.0, row_s=0.0, map_s=0.0)


def test_a_picture_is_small_and_the_same_for_the_same_figures(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        pictures.draw(
            tmp_path / name,
            "tasks",
            [1, 2, 4],
            measured=[[90.0, 100.0, 110.0], [50.0], [25.0]],
            law=[105.0, 52.0, 26.0],
            arithmetic=[120.0, 60.0, 30.0],
        )
    text = (tmp_path / "one.svg").read_text("utf-8")
    assert text == (tmp_path / "two.svg").read_text("utf-8")
    assert len(text) < 50_000
    assert "training, rows/s" in text


def test_the_page_of_the_docs_has_a_place_for_every_figure() -> None:
    text = curves.PAGE.read_text("utf-8")
    names = [curve.name for curve in curves.curves(curves.BASE, curves.NARROW)]
    figures = {name: f"| {name} |" for name in (*names, "law", "machine")}
    filled = page.filled(text, figures)
    for name, figure in figures.items():
        assert f"<!-- figures: {name} -->\n{figure}\n<!-- end of figures -->" in filled
    assert page.filled(filled, figures) == filled
    for name in names:
        assert f"(pictures/speed-{name}.svg)" in text
        assert (curves.PICTURES / f"speed-{name}.svg").is_file()
    with pytest.raises(ValueError, match="must be"):
        page.filled(text, {"law": ""})


def test_the_quick_form_measures_every_curve_and_writes_nothing() -> None:
    before = curves.PAGE.read_bytes()
    (section,) = curves.run(quick=True)
    assert [row[0] for row in section.rows[::2]] == [curve.name for curve in curves.curves(SMALL, SMALL)]
    assert len(section.aims) == 2
    assert curves.PAGE.read_bytes() == before
