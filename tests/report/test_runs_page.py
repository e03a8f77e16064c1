"""What the page of several runs says, held against the results it stands on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import peprank
from peprank import api
from peprank.cli.main import main
from peprank.compare import RESULTS
from peprank.report import write_runs
from peprank.report.counts import Counts
from peprank.report.html import render
from peprank.report.runs import page_of
from tests.report import world
from tests.report.parsed import Parsed
from tests.report.several import cell, number, results, run, three

_OPTIONS = ["--set", "train_config.log_step_count_steps=5", "--set", "train_config.save_checkpoints_steps=10"]
_SHARED_BOTTOM = """  shared_bottom {
    bottom_mlp { hidden_units: [8] }"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in folders of the same name; the second has other layers and no gates."""
    folder = tmp_path_factory.mktemp("several")
    world.trained(folder)
    (folder / "wide").mkdir()
    config = (folder / "tiny.config").read_text("utf-8")
    start, end = config.index("  pepnet {"), config.index("    task_towers")
    (folder / "wide.config").write_text(f"{config[:start]}{_SHARED_BOTTOM}\n{config[end:]}")
    changes = ["--set", "train_config.seed=8", "--model-dir", str(folder / "wide" / "model")]
    assert main(["train", str(folder / "wide.config"), *_OPTIONS, *changes]) == 0
    (folder / "base").mkdir()
    (folder / "model").rename(folder / "base" / "model")
    return folder


@pytest.fixture(scope="module")
def model_dirs(folder: Path) -> list[Path]:
    return [folder / name / "model" for name in ("base", "wide")]


@pytest.fixture(scope="module")
def html(folder: Path, model_dirs: list[Path]) -> str:
    assert main(["report", *map(str, model_dirs), "--out", str(folder / "two.html")]) == 0
    return (folder / "two.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Parsed:
    return Parsed(html)


@pytest.fixture(scope="module")
def found(folder: Path, model_dirs: list[Path]) -> list[peprank.Results]:
    return [peprank.evaluate(api.load(model_dir), folder / "val.parquet") for model_dir in model_dirs]


def parsed(*runs: object) -> Parsed:
    return Parsed(render(page_of(runs)))  # type: ignore[arg-type]


def test_the_parts_come_in_the_order_of_their_weight(page: Parsed) -> None:
    parts = ["verdict", "tasks", "differences", "curves", "gates", "training", "data", "model", "config"]
    assert page.sections == parts


def test_runs_in_folders_of_one_name_are_told_apart(page: Parsed) -> None:
    assert "2 runs: base, wide" in page.text
    assert "Judged on 300 rows, differences told against base. Made by peprank" in page.text


def test_numbers_are_those_of_the_results_beside_their_differences(page: Parsed, found: list[peprank.Results]) -> None:
    base, wide = (next(each.select(task="ctr")).measures for each in found)
    for name, title in (("auc", "AUC"), ("gauc", "GAUC"), ("logloss", "Logloss")):
        heading, *rows = page.table(f"{title} over all rows, and the difference to base")
        assert [row[0] for row in rows] == ["base", "wide"]
        old, new = base[name].value, wide[name].value
        assert old is not None
        assert new is not None
        column = heading.index("ctr")
        assert [row[column] for row in rows] == [f"{old:.4f}", f"{new:.4f}{new - old:+.4f}"]


def test_every_domain_of_every_run_has_its_numbers(page: Parsed, found: list[peprank.Results]) -> None:
    heading, *rows = page.table("ctr by domain and run")
    assert [row[:2] for row in rows[:4]] == [["base", "all"], ["wide", "all"], ["base", "search"], ["wide", "search"]]
    wide = {each.segment: each for each in found[1].select(task="ctr", column="tab")}
    assert rows[3][heading.index("Positives")] == str(wide["search"].positives)
    assert rows[-1][1] == world.NASTY
    assert rows[-1][heading.index("AUC")].startswith("–")


def test_the_map_holds_the_gains_on_the_first(page: Parsed, found: list[peprank.Results]) -> None:
    trace = next(plot["data"][0] for plot in page.plots if plot["data"][0]["type"] == "heatmap")
    gauc = [next(each.select(task="ctr", column="tab")).measures["gauc"].value for each in found]
    place = [line[0].split("<br>")[0] for line in trace["customdata"]].index("<b>ctr · tab search, wide</b>")
    assert trace["z"][place] == [pytest.approx((gauc[1] or 0) - (gauc[0] or 0))]
    assert f"GAUC {gauc[1]:.4f}, base {gauc[0]:.4f}: gain " in trace["customdata"][place][0]
    assert not any(world.NASTY in line[0] for line in trace["customdata"])  # five rows


def test_curves_have_a_line_per_run(page: Parsed) -> None:
    named = [[trace.get("name") for trace in plot["data"]] for plot in page.plots]
    assert ["base", "wide", "right"] in named
    assert ["base", "wide", "a guess"] in named
    losses = [plot for plot in page.plots if plot["layout"].get("xaxis", {}).get("title", {}).get("text") == "step"]
    assert [trace["name"] for trace in losses[0]["data"]] == ["base", "wide"]
    assert losses[0]["data"][0]["x"] == [5, 10, 15, 20]
    assert len(losses) > 2 * (1 + 4)  # of each task: the loss, and every measure that is drawn


def test_what_all_runs_share_is_told_once(page: Parsed) -> None:
    assert sum(caption.startswith("Training rows: ") for caption in page.captions) == 1
    assert "Without gates: wide." in page.paragraphs
    assert page.captions.count("Dense parts") == 2


def test_configs_are_told_by_what_differs(page: Parsed, html: str) -> None:
    heading, *rows = page.table("Settings that differ from those of base")
    assert heading == ["Setting", "base", "wide", "Where"]
    assert ["seed", "7", "8", "train_config"] in rows
    assert ["hidden_units", "not set", "[8]", "model_config.shared_bottom.bottom_mlp"] in rows
    assert not any(row[0] in ("model_dir", "batch_size") for row in rows)
    assert html.count("&lt;b&gt;&amp; a comment") == 2  # the text of each


def test_nothing_the_user_named_runs(html: str, page: Parsed) -> None:
    assert world.NASTY not in html
    assert len([kind for kind, _ in page.scripts if kind is None]) == 2


def test_other_rows_are_warned_of_and_shown_for_each(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder / "wide", tmp_path / "other"))
    config = other / "model" / "pipeline.config"
    pq.write_table(world.rows(200, 3), tmp_path / "val.parquet")
    text = config.read_text("utf-8").replace(str(folder / "val.parquet"), str(tmp_path / "val.parquet"))
    config.write_text(text)
    write_runs([folder / "base" / "model", other / "model"], tmp_path / "page.html", made_at=world.MADE_AT)
    page = Parsed((tmp_path / "page.html").read_text("utf-8"))
    problem = "they were judged on different rows ("
    assert sum(problem in paragraph for paragraph in page.paragraphs) == 2  # in the verdict and beside the data
    assert "differences" not in page.sections
    assert sum(caption.startswith("Judged rows: ") for caption in page.captions) == 2
    assert "AUC over all rows" in page.captions


def test_rows_that_runs_share_are_counted_once(folder: Path, model_dirs: list[Path]) -> None:
    counts, inputs = Counts(), [str(folder / "val.parquet")]
    one, other = (api.load(model_dir).spec for model_dir in model_dirs)
    who = {"users": "user", "items": "item"}
    first = counts.of("Judged rows", inputs, one, who)
    assert counts.of("Judged rows", inputs, other, who) is first
    assert counts.of("Judged rows", inputs, other, {**who, "items": None}) is not first
    fewer = replace(one, model=replace(one.model, tasks=one.model.tasks[:1]))
    assert set(counts.of("Judged rows", inputs, fewer, who).census.whole.tasks) == {"ctr"}  # type: ignore[union-attr]


def test_progress_counts_the_rows_of_all_runs(model_dirs: list[Path], tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    write_runs(
        model_dirs,
        tmp_path / "page.html",
        made_at=world.MADE_AT,
        on_rows=lambda rows, total: told.append((rows, total)),
    )
    assert sum(rows for rows, _ in told) == 600
    assert {total for _, total in told} == {600}


def refused(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["report", *arguments, "--out", str(tmp_path / "page.html")]) == 1
    assert not (tmp_path / "page.html").exists()
    return capsys.readouterr().err


def test_a_run_that_is_named_twice_is_refused(
    model_dirs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = model_dirs[0].parent / "." / "model"
    said = refused([str(model_dirs[0]), f"{again}/"], tmp_path, capsys)
    assert f"{model_dirs[0]}: is named 2 times; name each run once" in said


def test_what_is_no_run_is_refused_before_any_is_judged(
    model_dirs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: object, **__: object) -> None:
        pytest.fail("a run was judged")

    monkeypatch.setattr("peprank.report.write.gather_run", judge)
    said = refused([str(model_dirs[0]), str(tmp_path / "nothing")], tmp_path, capsys)
    assert f"{tmp_path / 'nothing'}: holds no model of peprank" in said


@pytest.mark.parametrize("others", [1, 2], ids=["a run and a comparison", "two comparisons"])
def test_a_comparison_is_refused_beside_anything_else(model_dirs: list[Path], tmp_path: Path, others: int) -> None:
    comparisons = [tmp_path / f"compare{k}" for k in range(others)]
    for each in comparisons:
        each.mkdir()
        (each / RESULTS).write_text("{}")
    named = [*model_dirs[: 2 - others], *comparisons]
    with pytest.raises(SystemExit, match="compare0 is a comparison, which has a page of its own"):
        main(["report", *map(str, named), "--out", str(tmp_path / "page.html")])


def test_tasks_that_a_run_lacks_have_the_reason() -> None:
    one, other = run("a", results(cell("click", 0.7), cell("like", 0.8))), run("b", results(cell("click", 0.72)))
    page = parsed(one, other)
    heading, first, second = page.table("AUC over all rows, and the difference to a")
    assert heading == ["Run", "click", "like"]
    assert (first[1:], second[1:]) == (["0.7000", "0.8000"], ["0.7200+0.0200", "–1"])
    assert "not a task of this run" in page.text


def test_tasks_of_every_kind_have_tables_and_maps() -> None:
    page = parsed(*(run(n, results(cell("click", v), number("price", v))) for n, v in (("a", 0.6), ("b", 0.7))))
    assert page.table("MAE over all rows, and the difference to a")[2] == ["b", "0.7000+0.1000"]
    maps = {plot["data"][0]["customdata"][0][0] for plot in page.plots if plot["data"][0]["type"] == "heatmap"}
    assert any("MAE 0.7000, a 0.6000: gain -0.1000" in each for each in maps)


def test_the_same_settings_and_no_history_are_said() -> None:
    base, _, deep = three()
    none = replace(deep, training=replace(deep.training, history=()))
    page = parsed(base, none)
    assert "All runs have the same settings." in page.paragraphs
    assert page.table("How far each run has come")[2] == ["deep", "3", "–1", "–1", "0"]


def test_a_long_value_is_cut_and_says_how_long_it_is() -> None:
    base, wide, _ = three()
    config = replace(wide.config, settings={"feature_configs[x].id_feature.vocab_list": f"[{'a' * 998}]"})
    rows = parsed(base, replace(wide, config=config)).table("Settings that differ from those of base")
    assert ["vocab_list", "not set", f"[{'a' * 59}… (1,000 characters)", "feature_configs[x].id_feature"] in rows


def test_one_run_alone_has_its_own_page() -> None:
    base, *_ = three()
    assert "domains" in [section.id for section in page_of([base]).sections]
