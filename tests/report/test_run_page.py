"""What the page of a run says, held against the results it stands on."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import peprank
from peprank import api
from peprank.cli.main import main
from peprank.data import Repairs
from peprank.record import RunRecord
from peprank.report import write_runs
from peprank.report.blocks import Table, Text
from peprank.report.origin import origin
from tests.report import world
from tests.report.parsed import Parsed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    world.page_of_run(folder)
    return folder


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Parsed:
    return Parsed(html)


@pytest.fixture(scope="module")
def results(folder: Path) -> peprank.Results:
    return peprank.evaluate(api.load(folder / "model"), folder / "val.parquet")


def test_the_verdict_comes_first_and_every_part_is_there(page: Parsed) -> None:
    assert page.sections == [
        "verdict",
        "tasks",
        "domains",
        "curves",
        "gates",
        "training",
        "data",
        "model",
        "config",
    ]
    for part in page.sections:
        assert f"#{part}" in page.addresses


def test_numbers_of_the_tables_are_those_of_the_results(page: Parsed, results: peprank.Results) -> None:
    heading, *rows = page.table("Tasks, over all judged rows")
    assert heading == ["Task", "AUC", "GAUC", "Logloss", "NE", "Calibration", "Rows", "Positives", "Rate", "Groups"]
    assert [row[0] for row in rows] == ["ctr", "cvr", "cvr where click > 0"]
    cells = [cell for cell in results.cells if cell.column is None]
    for row, cell in zip(rows, cells, strict=True):
        found = {name: row[heading.index(name)] for name in ("AUC", "GAUC", "Logloss")}
        assert found == {name: f"{cell.measures[name.lower()].value:.4f}" for name in found}
        assert row[heading.index("Rows")] == str(cell.rows)
        assert row[heading.index("Positives")] == str(cell.positives)


def test_each_domain_has_its_numbers_or_the_reason_why_not(page: Parsed, results: peprank.Results) -> None:
    _, *rows = page.table("ctr by tab")
    cells = list(results.select(task="ctr", column="tab"))
    assert [row[0] for row in rows] == [cell.segment for cell in cells]
    (nasty,) = (row for row in rows if row[0] == world.NASTY)
    assert nasty[1] == "–1"
    assert "no positive" in page.text


def test_counts_are_those_of_the_files(page: Parsed, folder: Path) -> None:
    for name, title in (("train", "Training rows"), ("val", "Judged rows")):
        table = pq.read_table(folder / f"{name}.parquet")
        (caption,) = (c for c in page.captions if c.startswith(f"{title}: "))
        whole = page.table(caption)[1]
        assert whole[:5] == [
            "all",
            str(table.num_rows),
            "100.0 %",
            str(len(set(table["user"].to_pylist()))),
            str(len(set(table["item"].to_pylist()))),
        ]
        clicks = sum(table["click"].to_pylist())
        assert whole[5].startswith(f"{clicks}{100 * clicks / table.num_rows:.2f} %")


def test_plots_hold_the_numbers(page: Parsed, results: peprank.Results) -> None:
    maps = [plot["data"][0] for plot in page.plots if plot["data"][0]["type"] == "heatmap"]
    auc = next(results.select(task="ctr", column="tab")).measures["auc"].value
    assert maps[0]["z"][0][0] == auc
    assert f"AUC {auc:.4f}" in maps[0]["customdata"][0][0]
    lines = [trace for plot in page.plots for trace in plot["data"] if trace["type"] == "scatter"]
    steps = [line["x"] for line in lines if line["name"] == "ctr"]
    assert steps[0] == [5, 10, 15, 20]  # the losses, every fifth step


def test_nothing_the_user_named_runs(html: str, page: Parsed) -> None:
    assert world.NASTY not in html
    assert "&lt;b&gt;&amp; a comment" in html
    runs = [text for kind, text in page.scripts if kind is None]
    assert len(runs) == 2  # plotly's script and ours
    assert not any("alert(1)" in text for text in runs)


def test_the_page_loads_nothing_and_runs_its_own_scripts_only(html: str, page: Parsed) -> None:
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    policy = policy.replace("&#39;", "'")
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for kind, text in page.scripts
        if kind is None
    ]
    assert policy.startswith(f"default-src 'none'; script-src {' '.join(hashes)};")


def test_the_page_says_what_it_stands_on(page: Parsed, html: str) -> None:
    assert "PEPNet, PAPER wiring, step 20. Made by peprank" in page.text
    assert "2026-11-22 07:30 UTC" in page.text
    assert "Judged on 300 rows in 3 domains (tab), 2 tasks, with the weights of step" in page.text
    assert f"One file of {len(html.encode()) / 1e6:.1f} MB" in page.text
    assert "train_config.save_checkpoints_steps=10" in page.text


def test_what_is_gone_is_said(folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(folder / "model", tmp_path / "model"))
    (model / "metrics.jsonl").unlink()
    write_runs([model], tmp_path / "page.html", made_at=world.MADE_AT, train_inputs=[str(tmp_path / "gone.parquet")])
    text = Parsed((tmp_path / "page.html").read_text("utf-8")).text
    assert "Training rows could not be counted." in text
    assert "gone.parquet" in text
    assert "metrics.jsonl is missing or empty, so there is nothing to draw." in text


def test_the_command_writes_the_page_and_says_where(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    command = ["report", str(folder / "model"), "--out", str(out), "--checkpoint", "latest", "--item", "tags"]
    assert main(command) == 0
    assert f"{out}: {out.stat().st_size / 1e6:.1f} MB, open it in a browser" in capsys.readouterr().out
    assert "items are told apart by column tags" in out.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--user", "nobody"], "column 'nobody' is missing"),
        (["--checkpoint", "999"], "999"),
        (["--eval-input", "nothing-here.parquet"], "nothing-here.parquet"),
    ],
    ids=["a column", "a checkpoint", "a file"],
)
def test_what_is_not_there_is_refused_by_name(
    folder: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder / "model"), "--out", str(tmp_path / "page.html"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_missing_package_is_named_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['jinja2'] = None; from peprank.cli.main import main; sys.exit(main(['report', '.']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "peprank: jinja2 is not installed; pip install 'peprank[report]'\n")


def test_the_page_says_where_the_run_was_trained_and_not_where_the_page_is_made(page: Parsed, folder: Path) -> None:
    record = RunRecord.read(folder / "model")
    shown = {row[0]: row[1] for row in page.table("Where it was trained")[1:]}
    assert shown == {**record.session.environment, "seed": "7"}
    _, session = page.table("When it was trained, a row for each time that it was started")
    assert session[:3] == [record.session.started_at[:19], "0", "20"]
    assert session[-1] == "finished"
    (files,) = (caption for caption in page.captions if caption.startswith("Files of the last session"))
    assert [row[0] for row in page.table(files)[1:]] == [str(folder / "train.parquet"), str(folder / "val.parquet")]
    assert "Where this page was made" not in page.captions


def test_a_run_without_a_record_says_where_the_page_is_made() -> None:
    (facts,) = origin(None, {"torch": "2.13.0"})
    assert isinstance(facts, Table)
    assert (facts.caption, [cell.text for cell in facts.rows[0]]) == ("Where this page was made", ["torch", "2.13.0"])


def test_a_killed_session_is_called_killed(folder: Path) -> None:
    record = RunRecord.read(folder / "model")
    killed = replace(record.session, ended_at=None, last_step=None, outcome="running", seconds={})
    tables = origin(replace(record, sessions=(killed, record.session)), {})
    (sessions,) = (block for block in tables if isinstance(block, Table) and block.caption.startswith("When"))
    assert [row[-1].text for row in sessions.rows] == ["killed", "finished"]
    assert sessions.reasons == ("it ended without a word", "nothing was told")


def test_rows_that_were_left_out_or_mended_are_told(folder: Path) -> None:
    record = RunRecord.read(folder / "model")
    repairs = Repairs(num_files=3, dropped_rows={"price": 12}, replaced={"age": 1234})
    told = origin(record.with_session(repairs={"train_input_path": repairs.to_json()}), {})
    assert [block.text for block in told if isinstance(block, Text)] == [
        "train_input_path: column 'price': 12 rows with a bad value dropped.",
        "train_input_path: column 'age': 1,234 bad values replaced.",
    ]
