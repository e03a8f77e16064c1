"""What the page of a comparison says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from peprank.cli.main import main
from peprank.compare import RESULTS, Comparison
from peprank.report import write_comparison
from peprank.report.comparison import comparison_page
from peprank.report.html import render
from tests import tiny
from tests.report import world
from tests.report.contest import DOMAINS, NASTY, contest
from tests.report.parsed import Parsed


def page_of(comparison: Comparison) -> str:
    return render(comparison_page(comparison, None, name="by hand", made_at=world.MADE_AT, version="1"))


@pytest.fixture(scope="module")
def html() -> str:
    return page_of(contest())


@pytest.fixture(scope="module")
def page(html: str) -> Parsed:
    return Parsed(html)


def test_the_parts_come_in_the_order_of_their_weight(page: Parsed) -> None:
    assert page.sections == ["verdict", "ranking", "seesaw", "differences", "tasks", "curves"]


def test_the_verdict_tells_of_each_model(page: Parsed) -> None:
    said = [line for line in page.paragraphs if ": " in line]
    assert "pepnet is first with a mean GAUC over click, like of 0.6210, +0.0200" in page.text
    assert any(line.startswith("pepnet: no seesaw against single. Better") for line in said)
    assert any(
        line.startswith(f"{NASTY}: domain seesaw, worse in tab {DOMAINS[1]}; task seesaw, worse in") for line in said
    )
    assert "2 runs failed; they are listed below the ranking." in page.paragraphs


def test_the_ranking_has_means_leads_and_costs(page: Parsed) -> None:
    heading, *rows = page.table("Contenders, best first")
    assert heading[:6] == ["Model", "Mean GAUC", "Lead", "p", "Worse domains", "Worse tasks"]
    pepnet, single, nasty, star = rows
    assert pepnet[:6] == ["pepnet", "0.6210± 0.0014", "+0.0200[+0.0100, +0.0300]", "0.001", "0 of 2", "0 of 2"]
    assert pepnet[6:] == ["15 s", "4,321", "1,234", "56,789", "1", "network of pepnet"]
    assert single[2:6] == ["-0.0200[-0.0300, -0.0100]", "0.001", "–1", "–1"]
    assert nasty[4:6] == ["1 of 2", "1 of 2"]
    assert star[:2] == ["star", "–2"]


def test_failed_runs_are_shown_with_their_reason(page: Parsed) -> None:
    _, *rows = page.table("Failed runs; their seeds are left out of the numbers")
    assert rows == [["star, seed 1", "the loss is not finite"], ["star, seed 2", "the loss is not finite"]]


def test_the_seesaw_is_told_in_words_and_signs(page: Parsed) -> None:
    heading, *rows = page.table("The seesaw")
    assert heading == ["Model", "tab 1", f"tab {DOMAINS[1]}", "click", "like"]
    assert rows[0] == ["pepnet", *["= same+0.0050"] * 4]
    assert rows[1] == [NASTY, "= same+0.0050", "▼ worse-0.0300", "= same+0.0050", "▼ worse-0.0200"]


def test_a_map_colours_what_is_beyond_noise_only(page: Parsed) -> None:
    trace = page.plots[0]["data"][0]
    assert len(trace["z"]) == 9  # the mean and two tasks, over all rows and two domains
    assert trace["z"][2] == [0.0, -0.03]
    assert trace["text"][2] == ["+0.005", "-0.030*"]
    assert "p = 0.004, corrected 0.008: worse" in trace["customdata"][2][1]
    assert "95 &#37; [-0.0050, +0.0150]" in trace["customdata"][2][0]


def test_intervals_of_logloss_turn_with_its_sign(page: Parsed) -> None:
    _, *rows = page.table("Logloss: gain on single, its 95 % interval and p values")
    assert rows[0][2] == "+0.0050[-0.0050, +0.0150]"


def test_error_bars_are_the_deviation_over_seeds(page: Parsed) -> None:
    (mean, *_) = [plot["data"][0] for plot in page.plots if plot["data"][0]["type"] == "scatter"]
    assert mean["x"] == [pytest.approx(0.621), pytest.approx(0.601), pytest.approx(0.591), None]
    assert mean["error_x"]["array"][0] == pytest.approx(0.001 * 2**0.5)
    assert "seeds 0.6200, 0.6220" in mean["customdata"][0]


def test_means_that_differ_from_the_first_have_a_star(page: Parsed) -> None:
    heading, pepnet, single, *_ = page.table("GAUC over all rows; * differs from pepnet, p < 0.05")
    assert heading == ["Model", "mean", "click", "like"]
    assert pepnet[1:] == ["0.6210± 0.0014"] * 3
    assert single[1:] == ["0.6010*± 0.0014", "0.6010*± 0.0014", "0.6010± 0.0014"]


def test_a_number_that_one_seed_lacks_is_undefined_with_its_reason(page: Parsed) -> None:
    heading, *rows = page.table("like by domain and model")
    (row,) = (row for row in rows if row[:2] == ["pepnet", DOMAINS[1]])
    assert row[heading.index("GAUC")].startswith("–")
    assert "undefined with at least one seed" in page.text


def test_each_model_has_its_line_in_the_curves(page: Parsed) -> None:
    names = [[trace.get("name") for trace in plot["data"]] for plot in page.plots]
    assert ["pepnet", "single", "&lt;img src=x onerro…", "right"] in names
    assert ["pepnet", "single", "&lt;img src=x onerro…", "a guess"] in names


def test_curves_say_that_they_are_of_one_seed(page: Parsed) -> None:
    assert "of the first seed of each model only (1, or the next one that has not failed)" in page.text


def test_the_diagonal_of_a_calibration_curve_ends_a_little_above_its_points(page: Parsed) -> None:
    (plot, *_) = [plot for plot in page.plots if plot["data"][-1].get("name") == "right"]
    assert plot["data"][-1]["x"] == plot["data"][-1]["y"] == [0.0, pytest.approx(1.1 * 0.6)]


def test_no_name_runs(html: str) -> None:
    assert "<img" not in html.replace("<img>", "")
    assert html.count("<script>") == 2


def test_one_seed_and_nothing_but_failures_make_pages_too() -> None:
    comparison = contest()
    one = replace(comparison, seeds=(1,), reference="pepnet", standings=comparison.standings[:1])
    text = Parsed(page_of(one)).text
    assert "One seed, so no spread is known." in text
    assert "There is nothing to compare with the reference." in text
    assert "of the first seed of each model" not in text
    failed = Parsed(page_of(replace(comparison, standings=comparison.standings[3:])))
    assert "No contender has scores for a whole seed." in failed.text


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    config = tiny.write(folder, config=world.CONFIG, train_rows=300, val_rows=400)
    options = ["--models", "shared_bottom,single", "--seeds", "1", "--out", str(folder / "out"), "--jobs", "1"]
    assert main(["compare", str(config), *options, "--replicates", "20"]) == 0
    return folder / "out"


def test_the_command_looks_into_the_best_joint_model(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(compared), "--out", str(tmp_path / "page.html")]) == 0
    assert "page.html: " in capsys.readouterr().out
    page = Parsed((tmp_path / "page.html").read_text("utf-8"))
    assert page.sections[-5:] == ["inside", "training", "data", "model", "config"]
    assert "What follows is told of shared_bottom with seed 1" in page.text
    assert "judged on 400 rows" in page.text
    assert page.table("ctr: the calibration curve as numbers")[1][0] in ("shared_bottom", "single")


def test_a_comparison_without_its_runs_still_has_a_page(compared: Path, tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_bytes((compared / RESULTS).read_bytes())
    write_comparison(tmp_path, tmp_path / "page.html", made_at=world.MADE_AT)
    assert "inside" not in Parsed((tmp_path / "page.html").read_text("utf-8")).sections


def test_a_run_that_cannot_be_looked_into_says_why(compared: Path, tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_bytes((compared / RESULTS).read_bytes())
    (tmp_path / "runs" / "shared_bottom" / "all" / "seed-1" / "model" / "checkpoints").mkdir(parents=True)
    write_comparison(tmp_path, tmp_path / "page.html", made_at=world.MADE_AT)
    text = Parsed((tmp_path / "page.html").read_text("utf-8")).text
    assert "It cannot be looked into." in text
    assert "holds no model of peprank" in text


def test_damaged_results_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / RESULTS).write_text(json.dumps({"format": 1}))
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "page.html")]) == 1
    assert f"{tmp_path / RESULTS}: holds no comparison of this peprank" in capsys.readouterr().err


def test_options_of_a_run_are_refused_for_a_comparison(compared: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="a comparison has judged already"):
        main(["report", str(compared), "--out", str(tmp_path / "page.html"), "--checkpoint", "best"])
