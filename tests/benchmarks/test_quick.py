"""`python -m benchmarks --quick`: all parts run and say what they should. Never times."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.workload import ROOT


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a quick run of two benchmarks writes."""
    out = tmp_path_factory.mktemp("results") / "RESULTS.md"
    assert main(["step", "whole_job", "--quick", "--out", str(out)]) == 0
    return out.read_text("utf-8")


def test_the_page_has_the_aims_the_machine_and_every_section_in_order(page: str) -> None:
    assert re.findall("^#+ .*", page, re.MULTILINE) == [
        "# What was measured",
        "## Aims and what was measured",
        "## How it was measured",
        "## Training step, quick.config",
        "## Update of the tables within the step, quick.config",
        "## Peak memory of training steps, quick.config",
        "## Training step, kuairand.config",
        "## The whole job, quick.config",
        "## Evaluation and prediction, quick.config",
    ]
    assert "Its figures mean nothing." in page
    assert re.search(r"\d{4}-\d\d-\d\d, on .* cores, .*Python 3\.\d+", page)


@pytest.mark.parametrize(
    "row",
    [
        "training step, float32: share of the GEMM rate",
        "training step, BF16: rate, scaled to the peer's machine by the GEMM rates",
        "update of the tables, row-wise Adagrad: share of the step",
        "whole job, BF16, scaled to the peer's machine: half the peer's time",
        "peak memory of `peprank train` over tables and optimiser state",
        "time to the first step",
        "evaluate from Parquet, float32, scaled to the peer's machine",
        "predict from Parquet, BF16, scaled to the peer's machine",
        "| `python -m benchmarks step` |",
        "| `python -m benchmarks whole_job` |",
    ],
)
def test_the_page_has_a_row_for(row: str, page: str) -> None:
    assert row in page


def test_every_benchmark_is_listed_and_there() -> None:
    runs = re.compile(r"^def run\(", re.MULTILINE)
    found = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if runs.search(path.read_text("utf-8"))}
    assert found == BENCHMARKS.keys()
    assert all(callable(import_module(f"benchmarks.{name}").run) for name in BENCHMARKS)


def test_help_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in BENCHMARKS)
