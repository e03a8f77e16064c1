"""Importance of fields, on made-up rows whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import peprank
from peprank.batch import MISSING, Features, Ids
from peprank.evaluation import Drop, FieldImportance, Importance, render_importance, sample_users
from peprank.evaluation.permutation import _order
from peprank.evaluation.shuffle import shuffled
from tests import tiny
from tests.contract.models import some_features, take_rows
from tests.evaluation.plan import BUY, CLICK, judged, plan

FIELDS = ["user", "item", "tags", "tab", "price", "age"]


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> peprank.Scorer:
    return peprank.load(peprank.train(tiny.write(tmp_path_factory.mktemp("importance"))).model_dir)


@pytest.fixture(scope="module")
def found(ranker: peprank.Scorer) -> peprank.Importance:
    return peprank.importance(ranker, tiny.rows(3000, seed=9))


def test_the_planted_field_comes_first_and_noise_is_worth_nothing(found: peprank.Importance) -> None:
    assert found.fields == tuple(FIELDS)
    (first, most), *others = found.ranked("auc", task="ctr")
    assert first == "user"  # whether the row is clicked depends on it alone
    assert most > 0.2
    assert max(abs(drop) for _, drop in others) < 0.03
    assert found.ranked("logloss", task="ctr")[0][0] == "user"


def test_without_the_planted_field_the_model_guesses(found: peprank.Importance) -> None:
    named = found.baseline.named()
    (cell,) = (cell for cell in found.select(field="user") if cell.task == "ctr")
    assert named["auc_ctr"] is not None
    assert named["auc_ctr"] - cell.drops["auc"].mean == pytest.approx(0.5, abs=0.04)


def test_it_is_what_evaluating_rows_with_a_shuffled_column_gives(ranker: peprank.Scorer) -> None:
    table = tiny.rows(300, seed=4)
    importance = peprank.importance(ranker, table, repeats=2, seed=5)
    base = peprank.evaluate(ranker, table).named()
    checked = 0
    for field in set(FIELDS) - {"tab"}:  # shuffling it would also shuffle how the rows are split
        drops = []
        for repeat in range(2):
            order = pa.array(_order(300, 5, field, repeat).numpy())
            column = table.column_names.index(field)
            other = peprank.evaluate(ranker, table.set_column(column, field, table[field].take(order)))
            drops.append([base[name] - other.named()[name] for name in ("auc_ctr", "auc_cvr")])  # type: ignore[operator]
        for task, expected in zip(("ctr", "cvr"), np.mean(drops, axis=0), strict=True):
            (cell,) = (cell for cell in importance.select(field=field) if cell.task == task)
            assert cell.drops["auc"].mean == pytest.approx(expected, abs=1e-9)
            assert cell.drops["auc"].std == pytest.approx(np.std([each[task == "cvr"] for each in drops]), abs=1e-9)
            checked += 1
    assert checked == 2 * (len(FIELDS) - 1)


def test_each_field_is_the_same_alone_and_among_others_and_the_seed_decides(ranker: peprank.Scorer) -> None:
    table = tiny.rows(200, seed=4)
    alone = peprank.importance(ranker, table, fields=["item"], repeats=1)
    among = peprank.importance(ranker, table, fields=["user", "item"], repeats=1)
    assert list(alone.select(field="item")) == list(among.select(field="item"))
    assert alone != peprank.importance(ranker, table, fields=["item"], repeats=1, seed=1)


def test_domains_are_told_apart_and_gates_say_how_far_they_move_a_field(
    ranker: peprank.Scorer, found: peprank.Importance
) -> None:
    epnet, *of_tasks = peprank.gates(ranker, tiny.rows(3000, seed=9)).gates
    inputs = {gate.task: gate for gate in of_tasks if gate.layer == "input"}
    checked = 0
    for cell in found.cells:
        by_domain, by_task = epnet.cell(cell.field, cell.domain), inputs[cell.task].cell(cell.field, cell.domain)
        assert by_domain is not None
        assert by_task is not None
        assert cell.rows == by_domain.rows
        assert cell.moved == pytest.approx(abs(by_domain.mean * by_task.mean - 1))
        checked += 1
    assert checked == len(FIELDS) * 2 * 3
    assert {cell.domain for cell in found.cells} == {None, "home", "search"}


def test_a_model_without_gates_moves_nothing(tmp_path: Path) -> None:
    config = tiny.CONFIG.replace("wiring: PAPER", "").replace("pepnet {", "simple_multi_task {")
    config = config.replace("ppnet_hidden_units: [8, 4]", "")
    ranker = peprank.load(peprank.train(tiny.write(tmp_path, config=config)).model_dir)
    importance = peprank.importance(ranker, tiny.rows(100), fields=["user"], repeats=1)
    assert all(cell.moved is None for cell in importance.cells)


@given(seed=st.integers(0, 10**6), num_rows=st.integers(1, 30), num_batches=st.integers(1, 4))
def test_a_shuffled_feature_is_taken_by_rows_and_nothing_else_moves(seed: int, num_rows: int, num_batches: int) -> None:
    whole = some_features(num_rows, seed=seed)
    order = np.random.default_rng(seed).permutation(num_rows)
    parts = [part.tolist() for part in np.array_split(np.arange(num_rows), num_batches)]
    batches = [take_rows(whole, part) for part in parts]
    for feature in (*whole.ids, *whole.numbers):
        found = list(shuffled(batches, feature, torch.from_numpy(order), is_domain=feature == "tab"))
        for part, before, after in zip(parts, batches, found, strict=True):
            moved = take_rows(whole, order[part].tolist())
            for name in whole.ids:
                expected = moved.ids[name] if name == feature else before.ids[name]
                assert rows_of(after.ids[name]) == rows_of(expected), (feature, name)
            for name in whole.numbers:
                expected_numbers = moved.numbers[name] if name == feature else before.numbers[name]
                assert torch.equal(after.numbers[name], expected_numbers)
            assert torch.equal(after.domain, moved.domain if feature == "tab" else before.domain)


def rows_of(ids: Ids) -> list[list[tuple[int, float | None]]]:
    """Ids and weights of each row."""
    weights = [None] * len(ids.values) if ids.weights is None else ids.weights.tolist()
    pairs = list(zip(ids.values.tolist(), weights, strict=True))
    if ids.offsets is None:
        return [[pair] for pair in pairs]
    ends = ids.offsets.tolist()
    return [pairs[start:end] for start, end in pairwise(ends)]


def test_batches_with_one_id_per_row_join_those_with_many() -> None:
    def batch(ids: Ids, num_rows: int) -> Features:
        return Features(num_rows, {"tags": ids}, {}, torch.zeros(num_rows, dtype=torch.int64))

    single = batch(Ids(torch.tensor([3, MISSING, 5])), 3)
    ragged = batch(Ids(torch.tensor([1, 2, 4]), torch.tensor([0, 2, 3])), 2)
    first, second = shuffled([single, ragged], "tags", torch.tensor([3, 4, 0, 1, 2]), is_domain=False)
    assert [[k for k, _ in row] for row in rows_of(first.ids["tags"])] == [[1, 2], [4], [3]]
    assert [[k for k, _ in row] for row in rows_of(second.ids["tags"])] == [[], [5]]


def users_of(batches: list[pa.RecordBatch]) -> list[int | None]:
    return [user for batch in batches for user in batch.column("user").to_pylist()]


@pytest.mark.parametrize("most", [100, 1000, 10**6])
def test_a_sample_has_all_rows_of_its_users_and_not_more_than_asked_for(most: int) -> None:
    users = np.random.default_rng(0).integers(0, 700, 5000)
    rows = pa.RecordBatch.from_pydict({"user": users, "row": np.arange(5000)})
    sample = sample_users((rows.slice(k, 300) for k in range(0, 5000, 300)), "user", most, batch_rows=400)
    kept = users_of(sample)
    assert len(kept) == sum((users == user).sum() for user in set(kept))
    assert min(most, 5000) / 3 < len(kept) <= most
    numbers = [row for batch in sample for row in batch.column("row").to_pylist()]
    assert numbers == sorted(numbers)
    assert max(batch.num_rows for batch in sample) <= 400


def test_a_row_without_a_user_stands_for_itself_and_one_user_is_never_cut() -> None:
    nobody = pa.RecordBatch.from_pydict({"user": pa.array([None] * 1000, pa.int64())})
    assert 100 < len(users_of(sample_users([nobody], "user", 400, batch_rows=100))) <= 400
    assert 100 < len(users_of(sample_users([nobody], None, 400, batch_rows=100))) <= 400
    one = pa.RecordBatch.from_pydict({"user": [5] * 1000})
    assert len(users_of(sample_users([one], "user", 400, batch_rows=100))) == 1000
    assert sample_users([], "user", 400, batch_rows=100) == []


def test_importance_of_a_sample_stands_on_fewer_rows(ranker: peprank.Scorer) -> None:
    told: list[tuple[int, int]] = []
    importance = peprank.importance(
        ranker,
        tiny.rows(400),
        fields=["user"],
        repeats=2,
        most_rows=200,
        on_rows=lambda rows, total: told.append((rows, total)),
    )
    rows = importance.baseline.rows
    assert 50 < rows <= 200
    assert sum(done for done, _ in told) == told[0][1] == 3 * rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"fields": ["user", "usr"]},
            "fields = 'usr': this model reads no such feature; it reads " + ", ".join(FIELDS),
        ),
        ({"repeats": 0}, "repeats = 0: must be at least 1"),
    ],
)
def test_what_cannot_be_shuffled_is_named(ranker: peprank.Scorer, options: dict[str, object], message: str) -> None:
    with pytest.raises(peprank.SpecError) as refused:
        peprank.importance(ranker, tiny.rows(3), **options)  # type: ignore[arg-type]
    assert str(refused.value) == message


def test_no_rows_is_an_error(ranker: peprank.Scorer) -> None:
    with pytest.raises(peprank.DataError, match=r"^there are no rows, so there is nothing to shuffle$"):
        peprank.importance(ranker, tiny.rows(0))


def test_json_gives_the_same_importance_back_to_the_last_bit(found: peprank.Importance) -> None:
    assert Importance.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def printed(importance: Importance, **options: object) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(*render_importance(importance, **options), sep="\n")  # type: ignore[arg-type]
    return [line.rstrip() for line in captured.get().splitlines()]


def by_hand() -> Importance:
    """The importance of two fields, in round numbers."""
    logits, labels = [[1, 1], [0, 0], [2, 0], [-1, 1]], [[1, 0], [0, 0], [0, 0], [1, 1]]
    baseline = judged(plan(CLICK, replace(BUY, space=None)), logits, labels, tab=[0, 0, 0, 1])
    cells = [
        FieldImportance(
            field=field,
            task=task,
            domain=domain,
            rows=rows,
            drops={"auc": Drop(mean=mean * (1 if task == "ctr" else 0.5), std=std)} if domain != "1" else {},
            moved=0.5,
        )
        for field, mean, std in (("item", 0.004, 0.003), ("user", 0.25, 0.01))
        for task in ("ctr", "cvr")
        for domain, rows in ((None, 4), ("0", 3), ("1", 1))
    ]
    return Importance(repeats=3, seed=0, baseline=baseline, cells=tuple(cells))


def test_the_whole_page() -> None:
    assert (
        printed(by_hand())
        == """\
auc lost by task               ctr     cvr  moved
as it is                    0.2500  0.8333
user                        0.2500  0.1250   0.50
item                        0.0040  0.0020   0.50

auc lost by tab             rows  needed most
0                              3  user 0.2083, item 0.0033
1                              1  – undefined here

What auc loses when the values of a field are shuffled among 4 rows: mean of 3 shuffles, dim where
two standard deviations reach zero.
moved: |δ - 1| of the gates on the field's way, for the task that they move it most for.""".splitlines()
    )


def test_a_task_with_few_positives_says_little_in_the_ranking() -> None:
    drops = dict(by_hand().ranked("auc"))  # of 4 rows, click has 2 positives and buy 1
    assert drops == {"user": pytest.approx((2 * 0.25 + 0.125) / 3), "item": pytest.approx((2 * 0.004 + 0.002) / 3)}
    assert list(drops) == ["user", "item"]


def test_a_measure_that_no_task_has_says_so(found: Importance) -> None:
    assert printed(found, measure="xauc") == ["xauc is undefined for every task on these rows; choose another measure"]


def test_fields_are_folded_until_everything_is_asked_for(found: Importance) -> None:
    (like, *_) = found.cells
    many = replace(
        found, cells=tuple(replace(like, field=f"field {k}", task=t) for k in range(30) for t in ("ctr", "cvr"))
    )
    assert "... 10 fields matter less" in printed(many)
    assert len([line for line in printed(many, everything=True) if line.startswith("field")]) == 30
