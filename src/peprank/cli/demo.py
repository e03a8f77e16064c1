"""peprank demo: every verb once, on made-up rows whose best possible AUC is known."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Iterator
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from rich.table import Table

from peprank.cli.main import main
from peprank.cli.terminal import output
from peprank.datasets import gap_closed
from peprank.evaluation import Results
from peprank.sealed import write_whole

EPILOG = """example:
  peprank demo
  peprank demo --out /tmp/demo --rows 50000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank demo`."""
    parser.epilog = EPILOG
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="folder for all it makes")
    parser.add_argument("--rows", type=int, default=200_000, help="impressions to make up (default: 200000)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the verbs as a user would type them, then say how close the model came to the truth."""
    console = output()
    started = time.perf_counter()
    config = args.out / "kuairand.config"
    with as_file(files("peprank.datasets") / "kuairand.config") as packaged:
        write_whole(config, packaged.read_text("utf-8"))
    for command in _commands(args.out, config, args.rows):
        console.print(f"\n[bold]$ peprank {shlex.join(command)}[/bold]", soft_wrap=True)
        if code := main(command):
            return code
    console.print()
    console.print(_verdict(args.out))
    console.print(f"\nAll of it is in {args.out}/, made in {time.perf_counter() - started:.0f} s:", soft_wrap=True)
    for name, what in ((name, what) for name, what in _CONTENTS.items() if (args.out / name).exists()):
        console.print(f"  {args.out / name}  {what}", markup=False, soft_wrap=True)
    return 0


_CONTENTS = {
    "kuairand.config": "the config; change it and train again",
    "data": "train.parquet, val.parquet, truth.json",
    "model": "checkpoints, metrics.jsonl",
    "results.json": "every metric by task and domain",
    "bundle": "the model, ready to score: peprank.load",
    "scores.parquet": "probabilities of the validation rows",
    "compare": "PEPNet and two rivals on the same rows: compare.md, compare.json",
    "report.html": "the same as a page: open it in a browser",
}


def _commands(out: Path, config: Path, rows: int) -> Iterator[list[str]]:
    data, model, bundle = out / "data", out / "model", out / "bundle"
    train, val = data / "train.parquet", data / "val.parquet"
    paths = ["--train-input", str(train), "--eval-input", str(val), "--model-dir", str(model)]
    yield ["datasets", "synthetic", "--out", str(data), "--rows", str(rows)]
    yield ["check", str(config), "--data", *paths]
    yield ["train", str(config), *paths, "--resume", "never"]
    yield ["export", str(model), "--out", str(bundle)]
    yield ["evaluate", str(bundle), str(val), "--out", str(out / "results.json")]
    yield ["predict", str(bundle), str(val), "--out", str(out / "scores.parquet"), "--keep", "user_id,video_id"]
    rivals = ["--models", "pepnet,mmoe,shared_bottom", "--seeds", "1", "--replicates", "200"]
    truth = ["--truth", str(data / "truth.json"), "--out", str(out / "compare")]
    yield ["compare", str(config), *rivals, *truth, "--train-input", str(train), "--eval-input", str(val)]
    if find_spec("plotly") and find_spec("jinja2"):  # else the page is left out; the extra `report` has them
        yield ["report", str(out / "compare"), "--out", str(out / "report.html")]


def _verdict(out: Path) -> Table:
    """AUC of each task between a guess per domain and the truth."""
    truth = json.loads((out / "data" / "truth.json").read_text("utf-8"))["tasks"]
    results = Results.from_json(json.loads((out / "results.json").read_text("utf-8")))
    table = Table(title="How close to the truth, by task", title_justify="left", title_style="bold", box=None)
    for column in ("task", "positives", "guess per domain", "peprank", "best possible", "gap closed"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for task, parts in truth.items():
        bounds = parts["all"]
        auc = next(iter(results.select(task=task))).measures["auc"].value
        closed = gap_closed(auc, bounds["constant_auc"], bounds["oracle_auc"])
        numbers = (bounds["constant_auc"], auc, bounds["oracle_auc"])
        table.add_row(
            task,
            f"{bounds['positives']:,}",
            *("undefined" if value is None else f"{value:.4f}" for value in numbers),
            "undefined" if closed is None else f"{closed:.0%}",
        )
    return table
