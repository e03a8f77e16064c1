"""What can be compared between runs, and the sentences about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.compare import MEAN, Place
from peprank.report.gather import names_of
from peprank.report.leads import leads
from peprank.report.lineup import Lineup
from peprank.report.run import Run
from tests.report.several import by_tab, cell, number, results, run, three

PARTS = st.lists(st.sampled_from(["a", "b", "model", "runs"]), min_size=1, max_size=4)


def said(*runs: Run) -> list[str]:
    return [text.text for text in leads(Lineup(runs))]


@given(st.lists(PARTS, min_size=1, max_size=5, unique_by=tuple))
def test_different_folders_have_different_names_that_are_parts_of_their_paths(paths: list[list[str]]) -> None:
    names = names_of([Path(*parts) for parts in paths])
    assert len(set(names)) == len(paths)
    for name, parts in zip(names, paths, strict=True):
        assert name
        assert f"/{name}/" in f"{Path(*parts).absolute()}/"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/base"], ["base"]),
        (["runs/base", "runs/wide"], ["base", "wide"]),
        (["base/model", "wide/model/"], ["base", "wide"]),
        (["runs/base", "runs/wide/model"], ["base", "wide/model"]),
        (["runs", "runs/wide"], ["runs", "runs/wide"]),
        (["."], [Path.cwd().name]),
    ],
)
def test_shared_ends_of_paths_are_left_out_of_names(paths: list[str], names: list[str]) -> None:
    assert names_of([Path(path) for path in paths]) == names


def test_gains_are_differences_to_the_first_and_turn_where_less_is_better() -> None:
    base, wide, _ = runs = three()
    lineup = Lineup(runs)
    assert lineup.gain(wide, Place("click", None, "gauc")) == pytest.approx(0.03)
    assert lineup.gain(wide, Place("click", "2", "gauc")) == pytest.approx(-0.01)
    assert lineup.gain(wide, Place("click", None, "logloss")) == pytest.approx(0.03)
    assert lineup.difference(wide, Place("click", None, "logloss")) == pytest.approx(-0.03)
    assert lineup.gain(wide, Place(MEAN, None, "gauc")) == pytest.approx(0.01)  # 0.76 - 0.75
    assert lineup.gain(base, Place(MEAN, None, "gauc")) == 0
    assert lineup.gain(wide, Place("click", None, "calibration")) is None
    assert lineup.difference(wide, Place("click", None, "calibration")) == 0


def test_the_leader_is_named_with_its_distance_by_task_and_domain() -> None:
    first, noise, click, like, *rest = said(*three())
    assert (
        first
        == "wide leads with a mean GAUC over click and like of 0.7600, 0.0100 ahead of base and 0.0600 ahead of deep."
    )
    assert "`peprank compare` with these configs and several seeds tests it" in noise
    assert click == (
        "click: wide leads with GAUC 0.7300, 0.0300 ahead of base and 0.0800 ahead of deep. By tab, wide leads in 1 of "
        "2; it is furthest behind in tab 2, where base is 0.0100 ahead."
    )
    assert like == (
        "like: base leads with GAUC 0.8000, 0.0100 ahead of wide and 0.0500 ahead of deep. By tab, base leads in 2 of "
        "2."
    )
    assert rest == []


def test_runs_whose_numbers_look_the_same_are_level() -> None:
    same = [run(name, results(cell("click", value))) for name, value in (("a", 0.7), ("b", 0.70004), ("c", 0.6))]
    assert said(*same)[0] == "click: b and a are level with GAUC 0.7000, 0.1000 ahead of c."
    assert said(*same[:2])[0] == "click: b and a are level with GAUC 0.7000."


def test_of_errors_the_smallest_leads() -> None:
    runs = [run(name, results(number("price", error))) for name, error in (("a", 0.5), ("b", 0.4))]
    assert said(*runs)[0] == "price: b leads with MAE 0.4000, 0.1000 ahead of a."


def test_cells_with_few_rows_of_a_class_are_not_compared() -> None:
    few = [
        run(name, results(cell("click", value), cell("hate", value, positives=49)))
        for name, value in (("a", 0.6), ("b", 0.7))
    ]
    assert said(*few)[0].startswith("click: b leads")
    assert said(*few)[2] == "Not compared, for they have fewer than 50 rows of a class or no number: hate."
    assert Lineup(few).averaged(None) == ["click"]
    assert Lineup(few).gain(few[1], Place("hate", None, "auc")) is None


def test_runs_judged_on_other_rows_have_no_leader() -> None:
    one, other = (run(name, results(cell("click", 0.7, rows=rows))) for name, rows in (("a", 1000), ("b", 1200)))
    assert said(one, other) == [
        "Which run is better cannot be said: they were judged on different rows (a: 1,000 rows, b: 1,200 rows); "
        "--eval-input judges all on the same."
    ]
    assert Lineup([one, other]).gain(other, Place("click", None, "auc")) is None
    label = run("c", results(cell("click", 0.7, positives=501)))
    assert "rows or labels (click has a: 500 positives, c: 501 positives)" in said(one, label)[0]


def test_runs_without_a_task_in_common_have_no_leader() -> None:
    one, other = run("a", results(cell("click", 0.7))), run("b", results(cell("like", 0.7)))
    assert said(one, other) == ["Which run is better cannot be said: there is no task that all have."]
    kinds = run("c", results(number("click", 0.7)))
    assert said(one, kinds) == ["Which run is better cannot be said: there is no task that all have."]


def test_a_domain_with_other_rows_in_one_run_is_left_out_alone() -> None:
    base, wide, _ = three()
    cells = [replace(each, rows=501) if each.segment == "2" else each for each in wide.results.cells]
    other = replace(wide, results=replace(wide.results, cells=tuple(cells)))
    lineup = Lineup([base, other])
    assert lineup.gain(other, Place("click", "2", "auc")) is None
    assert lineup.gain(other, Place("click", "1", "auc")) == pytest.approx(0.05)
    assert "By tab, wide leads in 1 of 1." in said(base, other)[2]


def test_gauc_is_not_compared_where_the_runs_group_rows_by_other_columns() -> None:
    one = run("a", results(cell("click", 0.6)))
    other = run("b", results(cell("click", 0.7), group_feature="session"))
    assert said(one, other)[0].startswith("click: b leads with AUC 0.7000")
    assert said(one, other)[-1] == "Their GAUC cannot be compared, for gauc_feature differs (a: user, b: session)."
    assert Lineup([one, other]).gain(other, Place("click", None, "gauc")) is None


def test_a_run_that_tells_no_domains_apart_is_compared_over_all_rows() -> None:
    plain = run("plain", results(cell("click", 0.72)))
    tabs = run("tabs", results(*by_tab("click", 0.7, (0.6, 0.8))))
    for runs in ([plain, tabs], [tabs, plain]):
        lineup = Lineup(runs)
        assert lineup.domains == ["1", "2"]
        assert said(*runs)[0] == "click: plain leads with GAUC 0.7200, 0.0200 ahead of tabs."


def test_what_is_off_about_each_run_is_told_in_short() -> None:
    off = cell("click", -0.1)  # its normalised entropy is 1.1
    calibration = replace(off.measures["calibration"], value=1.5)
    off = replace(off, measures={**off.measures, "calibration": calibration})
    assert said(run("a", results(off)), run("b", results(cell("click", 0.7))))[-1] == (
        "a: no better than the mean rate for click; predicts click 1.50 times as often as it happens."
    )


def test_other_training_files_are_told() -> None:
    one, other, _ = three()
    trained = replace(other.data.trained, paths=("more.parquet",))
    other = replace(other, data=replace(other.data, trained=trained))
    assert said(one, other)[-1] == "They were trained on different files, so a difference may be that of their rows."
