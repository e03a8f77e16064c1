from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import torch

from peprank.data import columns_of, conform
from peprank.encode import Encoder
from peprank.errors import DataError
from peprank.evaluation import Results, evaluate
from peprank.models import build, score
from peprank.spec.pipeline import PipelineSpec
from tests.evaluation.plan import BUY, CLICK, plan

N = 500


def made_up_rows(spec: PipelineSpec, seed: int = 0) -> pa.RecordBatch:
    draw = np.random.default_rng(seed)
    click = draw.integers(0, 2, N)
    columns = {
        "user": draw.integers(0, 40, N),
        "tab": draw.integers(0, 3, N),
        "click": click,
        "buy": click * draw.integers(0, 2, N),
        "age": pa.array(["old", "young"]).take(pa.array(draw.integers(0, 2, N))),
    }
    rows = pa.RecordBatch.from_pydict(columns)
    return conform(rows, columns_of(spec, with_targets=True, keep=["age"]), "made up")


def batches(rows: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    return (rows.slice(start, size) for start in range(0, rows.num_rows, size))


def run(spec: PipelineSpec, size: int = 64, **options: object) -> Results:
    ranker = build(spec.model, seed=1)
    return evaluate(ranker, Encoder(spec), batches(made_up_rows(spec), size), spec, **options)  # type: ignore[arg-type]


def test_a_model_is_judged_by_the_scores_it_gives() -> None:
    spec = plan(CLICK, BUY)
    results = run(spec, by="age")
    rows = made_up_rows(spec)
    logits = score(build(spec.model, seed=1), Encoder(spec).features(rows)).numpy()
    click = rows.column("click").to_numpy()
    (cell,) = results.select(task="ctr")
    won = (logits[click == 1, :1] > logits[click == 0, 0]).mean() + (
        logits[click == 1, :1] == logits[click == 0, 0]
    ).mean() / 2
    assert cell.measures["auc"].value == pytest.approx(won, abs=1e-12)
    assert (cell.rows, cell.positives, results.columns) == (N, click.sum(), ("tab", "age"))
    (inside,) = results.select(task="cvr", in_space=True)
    assert inside.rows == click.sum()


def test_batches_of_any_size_give_the_same_results() -> None:
    one, other = run(plan(CLICK, BUY), 500), run(plan(CLICK, BUY), 33)
    exact = {name: value for name, value in other.named().items() if "auc" not in name}
    assert {name: one.named()[name] for name in exact} == pytest.approx(exact, abs=1e-6)
    assert one.named() == pytest.approx(other.named(), abs=0.01)  # the last bit of a score may break a tie
    assert [(cell.segment, cell.rows) for cell in one.cells] == [(cell.segment, cell.rows) for cell in other.cells]


def test_progress_counts_every_row() -> None:
    seen: list[int] = []
    run(plan(), 150, on_rows=seen.append)
    assert seen == [150, 150, 150, 50]


def test_num_steps_of_the_config_ends_it_early() -> None:
    assert run(plan(num_steps=3), 50).rows == 150


def test_bf16_moves_scores_a_little() -> None:
    exact, rounded = run(plan()).named(), run(plan(), bf16=True).named()
    assert exact != rounded
    assert rounded["logloss_ctr"] == pytest.approx(exact["logloss_ctr"], abs=1e-2)


def test_the_model_stays_in_the_mode_it_was_in() -> None:
    spec = plan()
    ranker = build(spec.model, seed=1)
    ranker.train()
    evaluate(ranker, Encoder(spec), batches(made_up_rows(spec), 100), spec)
    assert ranker.training
    assert all(parameter.grad is None for parameter in ranker.parameters())


@pytest.mark.promise("R-18", "an evaluation of no rows")
def test_no_rows_give_results_without_numbers() -> None:
    spec = plan(CLICK, BUY)
    results = evaluate(build(spec.model, seed=1), Encoder(spec), iter(()), spec)
    assert results.rows == 0
    assert set(results.named().values()) == {None}


def test_an_error_in_the_rows_comes_through() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield made_up_rows(plan())
        raise DataError("day2.parquet: damaged")

    spec = plan()
    with pytest.raises(DataError, match=r"^day2\.parquet: damaged$"):
        evaluate(build(spec.model, seed=1), Encoder(spec), broken(), spec)


def test_a_diverged_model_is_named_by_its_tower() -> None:
    spec = plan()
    ranker = build(spec.model, seed=1)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(DataError, match=r"^tower 'ctr': the logits of 100 of 100 rows are not finite; "):
        evaluate(ranker, Encoder(spec), batches(made_up_rows(spec), 100), spec)


def test_a_row_of_an_unknown_domain_is_judged_in_the_default_one_as_when_serving() -> None:
    columns = {"user": [1, 1], "tab": [None, 99], "click": [0, 1]}
    spec = plan(num_towers=10, default_domain="2")
    rows = conform(pa.RecordBatch.from_pydict(columns), columns_of(spec, with_targets=True), "made up")
    ranker, encoder = build(spec.model, seed=1), Encoder(spec, serving=True)
    results = evaluate(ranker, encoder, [rows], spec)
    moved = rows.set_column(rows.schema.get_field_index("tab"), "tab", pa.array([2, 2]))
    prob = score(ranker, Encoder(spec).features(moved)).sigmoid()
    assert results.cells[0].measures["mean_prob"].value == pytest.approx(prob.mean().item(), abs=1e-6)
    assert [cell.segment for cell in results.select(column="tab")] == ["99", "missing"]


def test_a_row_of_an_unknown_domain_is_refused_when_each_domain_has_towers_and_none_is_the_default() -> None:
    spec = plan(num_towers=10)
    columns = {"user": [1, 1], "tab": [99, 3], "click": [0, 1]}
    rows = conform(pa.RecordBatch.from_pydict(columns), columns_of(spec, with_targets=True), "made up")
    with pytest.raises(DataError) as refused:
        evaluate(build(spec.model, seed=1), Encoder(spec), [rows], spec)
    assert str(refused.value) == (
        "made up: column 'tab': 1 of 2 rows are of an unknown domain, such as 99, but the domain picks parts of the "
        "model; correct them, or, to score them all the same, set model_config.default_domain"
    )
