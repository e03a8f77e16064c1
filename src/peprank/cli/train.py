"""peprank train: the model of a config, from its files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from peprank import api
from peprank.cli import options
from peprank.cli.terminal import say_repairs
from peprank.evaluation import Results
from peprank.record import RunRecord
from peprank.training import TrainResult

EPILOG = """example:
  peprank train examples/kuairand.config
  peprank train pipeline.config --train-input 'logs/2026-11-*.parquet' --eval-input logs/2026-12-01.parquet \\
      --model-dir runs/a --set train_config.num_epochs=2
  peprank train --from-record runs/a --model-dir runs/a-again
"""
_SECONDS_BETWEEN_LINES = 10.0  # where there is no terminal to draw a bar on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank train`."""
    parser.epilog = EPILOG
    options.add_config(parser, is_required=False)
    parser.add_argument(
        "--from-record",
        type=Path,
        metavar="RECORD",
        help="in place of CONFIG: train what this record.json, or the one of this model_dir, describes, with the same"
        " seed and threads on the same device; says what differs from then",
    )
    parser.add_argument(
        "--resume",
        default="auto",
        metavar="auto|never|PATH",
        help="auto (default): go on from the newest good checkpoint in model_dir; never: move what is there aside"
        " and start afresh; PATH: go on from this checkpoint",
    )
    options.add_bad_files(parser)
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cpu")
    parser.add_argument("--threads", type=_at_least_one, metavar="N", help="processor threads (default: one per core)")
    parser.set_defaults(run=run, refuse=parser.error)


def run(args: argparse.Namespace) -> int:
    """Train with progress on the error stream, then say where the checkpoints are."""
    if (args.config is None) == (args.from_record is None):
        args.refuse("give a CONFIG, or --from-record RECORD")
    if args.from_record is not None and args.model_dir is None:
        args.refuse("--from-record needs --model-dir DIR, a folder of its own for the run")
    console = Console(stderr=True, highlight=False)
    with Reporter(console, time.perf_counter) as listener:
        result = _train(args, listener) if args.from_record is None else _train_again(args, listener)
    for name, repairs in result.repairs.items():
        say_repairs(repairs, name)
    out = Console(highlight=False, soft_wrap=True)
    out.print(f"{result.model_dir}: {result.steps:,} steps, {result.rows:,} rows", markup=False)
    out.print(f"latest checkpoint: {result.latest}", markup=False)
    if result.best is not None:
        out.print(f"best checkpoint: {result.best}", markup=False)
    if args.from_record is not None:
        out.print(_agreement(args.from_record, result), markup=False)
    out.print(f"next: peprank export {result.model_dir} --out BUNDLE", markup=False)
    return 0


def _train(args: argparse.Namespace, listener: Reporter) -> TrainResult:
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    overrides, device = options.overrides(args), args.device or "cpu"
    return api.train(args.config, overrides=overrides, resume=args.resume, device=device, listener=listener)


def _train_again(args: argparse.Namespace, listener: Reporter) -> TrainResult:
    record = RunRecord.read(args.from_record)
    before = record.session.environment
    torch.set_num_threads(args.threads or int(before["threads"]))
    overrides, device = options.overrides(args), args.device or before["device"]
    return api.train_again(record, overrides=overrides, resume=args.resume, device=device, listener=listener)


def _agreement(path: Path, result: TrainResult) -> str:
    """Whether the run ended as the recorded one did, as far as the record can tell."""
    before, now = RunRecord.read(path).latest, RunRecord.read(result.model_dir).latest
    if before is None or now is None or before.step != now.step:
        return "no evaluation of the record to hold this one against"
    is_same = before.results == now.results
    agrees = "is the record's to the last bit" if is_same else "differs from the record's"
    return f"evaluation of step {now.step:,} {agrees}"


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


class Reporter:
    """A TrainListener that draws a bar in a terminal and prints a line now and then elsewhere."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._next_line = clock()
        self._num_steps: int | None = None
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("train"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> Reporter:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def started(self, step: int, num_steps: int | None) -> None:
        """Set the bar to where the run begins."""
        self._num_steps = num_steps
        self._task = self._bar.add_task("train", total=num_steps, completed=step, figures="")

    def step(self, step: int, losses: Mapping[str, float], rows_per_s: float, lr: float) -> None:
        """Move the bar, or print a line when it is time."""
        figures = f"{rows_per_s:,.0f} rows/s, lr {lr:.3g}, {_losses(losses)}"
        if self._task is not None:
            self._bar.update(self._task, completed=step, figures=figures)
        if not self._console.is_terminal and self._clock() >= self._next_line:
            self._next_line = self._clock() + _SECONDS_BETWEEN_LINES
            self._say(f"step {step:,}{f' of {self._num_steps:,}' if self._num_steps else ''}: {figures}")

    def watched(self, step: int, metrics: Mapping[str, float]) -> None:
        """Print the config's train metrics."""
        self._say(f"step {step:,}: {', '.join(f'{name} {value:.4f}' for name, value in metrics.items())}")

    def evaluated(self, step: int, results: Results) -> None:
        """Print one line per evaluation: AUC and GAUC of each task."""
        named = results.named()
        tasks = [f"{task} {_pair(named.get(f'auc_{task}'), named.get(f'gauc_{task}'))}" for task in results.tasks]
        self._say(f"step {step:,}, evaluated on {results.rows:,} rows, AUC/GAUC: {', '.join(tasks)}")

    def saved(self, step: int, path: Path) -> None:
        """Print where the checkpoint is."""
        self._say(f"step {step:,}, saved {path}")

    def note(self, text: str) -> None:
        """Print it."""
        self._say(text)

    def finished(self, result: TrainResult) -> None:
        """The caller says what came of it."""

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def _losses(losses: Mapping[str, float]) -> str:
    """The sum, then each task's; the usual loss goes unnamed."""
    each = ", ".join(f"{name.removeprefix('binary_cross_entropy_')} {value:.4f}" for name, value in losses.items())
    return f"loss {sum(losses.values()):.4f} ({each})"


def _pair(auc: float | None, gauc: float | None) -> str:
    return "/".join("undefined" if value is None else f"{value:.4f}" for value in (auc, gauc))
