"""What the census counts, against sets in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.data import conform
from peprank.report.census import Census, Counter, item_column, user_column
from peprank.spec.feature import Identity, IdFeature, Side
from peprank.spec.pipeline import PipelineSpec
from tests.evaluation.plan import BUY, CLICK, plan

SPEC = plan(CLICK, BUY)
Row = tuple[int, int, str | None, int, int]  # tab, user, item, click, buy

ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 5),
        st.sampled_from(["a", "b", "c", None]),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=40,
)


def census(rows: list[Row], *, spec: PipelineSpec = SPEC, size: int = 7, item: str | None = "item") -> Census:
    counter = Counter(spec, user="user", item=item)
    columns = dict(zip(("tab", "user", "item", "click", "buy"), zip(*rows, strict=True), strict=True))
    table = pa.table({**columns, "item": pa.array(columns["item"], pa.string())})
    for batch in table.to_batches(max_chunksize=size):
        counter.add(conform(batch, counter.columns, "made up"))
    return counter.result()


def distinct(values: list[Any]) -> int:
    return len({value for value in values if value is not None})


@given(ROWS, st.integers(1, 50))
def test_counts_are_those_of_sets(rows: list[Row], size: int) -> None:
    counted = census(rows, size=size)
    assert sum(domain.rows for domain in counted.domains) == len(rows) == counted.whole.rows
    for count in (*counted.domains, counted.whole):
        part = [row for row in rows if count.domain in ("all", str(row[0]))]
        assert count.rows == len(part)
        assert (count.users, count.items) == (distinct([r[1] for r in part]), distinct([r[2] for r in part]))
        clicked, bought = [r for r in part if r[3]], [r for r in part if r[3] and r[4]]
        click, buy = count.tasks["ctr"], count.tasks["cvr"]
        assert (click.rows, click.positives) == (len(part), len(clicked))
        assert (click.users, click.items) == (distinct([r[1] for r in clicked]), distinct([r[2] for r in clicked]))
        assert (buy.rows, buy.positives, buy.users) == (len(clicked), len(bought), distinct([r[1] for r in bought]))


@given(ROWS)
def test_overlaps_are_those_of_sets(rows: list[Row]) -> None:
    counted = census(rows)
    if len(counted.domains) < 2:
        assert not counted.overlaps
        return
    for name, place in (("users", 1), ("items", 2)):
        overlap = counted.overlaps[name]
        sets = [{r[place] for r in rows if str(r[0]) == tab} - {None} for tab in overlap.domains]
        expected = [[len(one & other) for other in sets] for one in sets]
        np.testing.assert_array_equal(overlap.shared, expected)
        shares = [[len(one & other) / max(len(one), 1) for other in sets] for one in sets]
        np.testing.assert_allclose(overlap.share, shares)


def test_domains_are_told_by_falling_rows() -> None:
    rows: list[Row] = [(2, 0, "a", 0, 0), (1, 0, "a", 1, 0), (1, 1, "b", 0, 0)]
    assert [(count.domain, count.rows) for count in census(rows).domains] == [("1", 2), ("2", 1)]


def test_without_a_domain_and_an_item_column_the_rest_is_counted() -> None:
    counted = census([(0, 3, "a", 1, 0), (0, 4, "a", 0, 0)], spec=plan(CLICK, domain=None), item=None)
    assert (counted.domains, dict(counted.overlaps)) == ((), {})
    assert (counted.whole.rows, counted.whole.users, counted.whole.items) == (2, 2, None)
    assert counted.whole.tasks["ctr"].items is None


def test_merging_on_the_way_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    rows: list[Row] = [(int(t), int(u), "ab"[t % 2], int(u % 2), 0) for t, u in draw.integers(0, 6, (200, 2))]
    expected = census(rows, size=200)
    monkeypatch.setattr("peprank.report.census._MERGE_ROWS", 10)
    merged = census(rows, size=3)
    assert (merged.whole, merged.domains) == (expected.whole, expected.domains)


def test_users_are_the_groups_of_gauc_and_items_the_first_id_of_their_side() -> None:
    assert (user_column(SPEC), item_column(SPEC)) == ("user", None)
    author = IdFeature(name="author", column="author_id", side=Side.ITEM, rule=Identity(rows=3))
    assert item_column(plan(CLICK, domain=author)) == "author_id"
    assert user_column(plan(CLICK, gauc_feature=None)) == "user"
