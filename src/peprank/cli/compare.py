"""peprank compare: train rivals on the same rows with the same seeds, and say who wins where."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from peprank.cli import options, process
from peprank.cli.terminal import output
from peprank.compare import (
    PAGE,
    RESULTS,
    SINGLE,
    Entry,
    Grid,
    Settings,
    Watcher,
    compare,
    from_base,
    from_files,
    render,
    tuned,
)
from peprank.compare.runs import Outcome, Run
from peprank.errors import SpecError

EPILOG = """example:
  peprank compare examples/kuairand.config --models pepnet,mmoe,ple,shared_bottom,single --seeds 5 --out runs/compare
  peprank compare examples/kuairand.config --models pepnet --out runs/gamma \\
      --variant 'gamma 1' model_config.pepnet.epnet_gamma=1 model_config.pepnet.ppnet_gamma=1
  peprank compare a.config b.config --seeds 3 --out runs/a-or-b

models:
  pepnet (the config's own), epnet, ppnet, pepnet_cross, simple_multi_task, shared_bottom, specific_top, specific_all,
  mmoe, ple, ple_md, star, hmoe, m3oe, deepfm, dcn_v1, dcn_v2, xdeepfm, trees; docs/compare.md says what each is
  mmoe@domain: one net per domain; mmoe@task: one per task; mmoe@domain@task: one per domain and task
  single: simple_multi_task@domain@task, what joining domains and tasks has to beat
"""
_USUAL = f"pepnet,shared_bottom,mmoe,ple,{SINGLE}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank compare`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "configs",
        nargs="+",
        type=Path,
        metavar="CONFIG",
        help="one that rivals are derived from, or several to compare",
    )
    parser.add_argument("--models", metavar="NAME,...", help=f"rivals to derive from one CONFIG (default: {_USUAL})")
    parser.add_argument(
        "--variant",
        dest="variants",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "PATH=VALUE"),
        help="CONFIG's own model with changes as --set takes them; may be repeated",
    )
    parser.add_argument(
        "--seeds", type=_seeds, default=(1, 2, 3, 4, 5), metavar="N|A,B,...", help="seeds 1 to N (default: 5)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for configs, runs and compare.json"
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="runs side by side (default: one per core)",
    )
    parser.add_argument(
        "--match",
        choices=("params", "none"),
        default="none",
        help="params: scale the layers of each net until it has the dense parameters of CONFIG's, within a tenth",
    )
    parser.add_argument(
        "--reference", metavar="NAME", help="what the seesaw is told against (default: single, else the first)"
    )
    parser.add_argument(
        "--pool-below",
        type=_count,
        default=1000,
        metavar="ROWS",
        help="domains with fewer training rows share a net where nets are per domain (default: 1000)",
    )
    parser.add_argument(
        "--mean-over",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="TASK,...",
        help="tasks whose mean ranks the models (default: all with 50 positives and negatives or more)",
    )
    parser.add_argument(
        "--replicates",
        type=_count,
        default=1000,
        metavar="R",
        help="draws of users for intervals and p values (default: 1000)",
    )
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="truth.json of made-up rows: how close each came to it"
    )
    _add_grid(parser)
    options.add_overrides(parser)
    parser.set_defaults(run=run)


def _add_grid(parser: argparse.ArgumentParser) -> None:
    grid = parser.add_argument_group("an equal search for all rivals before, on rows of its own")
    grid.add_argument(
        "--grid",
        type=_grid,
        metavar="PATH=A,B,...",
        help="values of a setting that each rival is tried with, as in"
        " train_config.dense_optimizer.adam_optimizer.lr=0.001,0.004",
    )
    grid.add_argument(
        "--grid-train", metavar="PATHS", help="rows to train on; not those of the comparison's evaluation"
    )
    grid.add_argument("--grid-eval", metavar="PATHS", help="rows to choose by")
    grid.add_argument("--grid-seeds", type=_seeds, default=(1, 2), metavar="N|A,B,...", help="default: 2")


def run(args: argparse.Namespace) -> int:
    """Plan, train, judge, print. A second call takes over what the first has finished."""
    if len(args.configs) > 1:
        _refuse_derivation(args)
    entries = _entries(args)
    names = [entry.name for entry in entries] or [path.stem for path in args.configs]
    settings = Settings(
        config=str(args.configs[0]),
        out=args.out,
        seeds=args.seeds,
        reference=args.reference or (SINGLE if SINGLE in names else names[0]),
        jobs=args.jobs,
        pool_below=args.pool_below,
        num_replicates=args.replicates,
        is_matched=args.match == "params",
        truth=args.truth,
        mean_over=args.mean_over,
    )
    overrides = options.overrides(args)
    with Reporter(Console(stderr=True, highlight=False)) as watcher:
        if entries:
            entries = _tuned(args, entries, settings, watcher)
            made = from_base(args.configs[0], entries, overrides=overrides, match=settings.is_matched)
        else:
            made = from_files(args.configs, overrides)
        comparison = compare(*made, settings, watcher, prepare=process.settle)
    console = output()
    for part in render(comparison):
        console.print(part, soft_wrap=isinstance(part, str), markup=False)
        console.print()
    console.print(f"all numbers: {args.out / RESULTS}; the tables: {args.out / PAGE}", markup=False, soft_wrap=True)
    console.print(f"next: peprank report {args.out} --out report.html", markup=False, soft_wrap=True)
    return 1 if any(standing.failures for standing in comparison.standings) else 0


def _entries(args: argparse.Namespace) -> list[Entry]:
    """What to derive from one CONFIG; [] where there are several."""
    if len(args.configs) > 1:
        return []
    models = [Entry(name=name, model=name) for name in (args.models or _USUAL).split(",")]
    return models + [Entry(name=name, model="pepnet", changes=tuple(changes)) for name, *changes in args.variants]


def _tuned(args: argparse.Namespace, entries: list[Entry], settings: Settings, watcher: Watcher) -> list[Entry]:
    """Each with the best value of the grid, if there is one."""
    if args.grid is None:
        return entries
    if args.grid_train is None or args.grid_eval is None:
        raise SpecError("--grid", args.grid[0], "needs rows to search on: name --grid-train and --grid-eval")
    field, values = args.grid
    grid = Grid(
        field=field, values=values, train_input=args.grid_train, eval_input=args.grid_eval, seeds=args.grid_seeds
    )
    overrides = options.overrides(args)
    return tuned(args.configs[0], entries, grid, settings, watcher, overrides=overrides, prepare=process.settle)


def _refuse_derivation(args: argparse.Namespace) -> None:
    for option in ("models", "variants", "match", "grid"):
        value = getattr(args, option)
        if value and value != "none":
            raise SpecError(
                f"--{option.removesuffix('s')}", value, "derives from one CONFIG: give one, or leave it out"
            )


def _grid(text: str) -> tuple[str, tuple[str, ...]]:
    field, equals, values = text.rpartition("=")
    if not (equals and field and all(values.split(","))):
        raise argparse.ArgumentTypeError(f"{text!r} is not PATH=A,B,...")
    return field, tuple(values.split(","))


def _seeds(text: str) -> tuple[int, ...]:
    if re.fullmatch(r"[1-9]\d*", text):
        return tuple(range(1, int(text) + 1))
    if re.fullmatch(r"\d+(,\d+)+", text) and len(set(text.split(","))) == text.count(",") + 1:
        return tuple(int(seed) for seed in text.split(","))
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of seeds from 1 on, nor a list such as 1,2,3")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


class Reporter:
    """A Watcher that draws a bar over all runs in a terminal, and prints a line per run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shares: dict[Run, float] = {}
        self._num_done, self._num_runs, self._task = 0, 0, TaskID(0)
        self._begun = 0.0  # of these runs: a search before had its own
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> Reporter:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bar.stop()
        if kind is KeyboardInterrupt:
            self._say("what is done is kept; the same command goes on from there")

    def planned(self, runs: Sequence[Run], done: Mapping[Run, Outcome]) -> None:
        """Set the bar; say what an earlier call has finished."""
        self._num_runs, self._num_done, self._begun = len(runs), len(done), perf_counter()
        self._shares = {run: 0.0 for run in runs if run not in done}
        self._restart(sum(run.cost for run in self._shares) or 1.0)
        self._update()
        if done:
            self._say(f"{len(done)} of {len(runs)} runs were done before")

    def advanced(self, run: Run, share: float) -> None:
        """Move the bar."""
        self._shares[run] = share
        self._update()

    def ended(self, run: Run, outcome: Outcome) -> None:
        """Print a line."""
        self._num_done += 1
        self._shares[run] = 1.0
        self._update()
        how = f"{outcome.train_s:.0f} s" if outcome.failure is None else f"FAILED: {outcome.failure}"
        self._say(f"run {self._num_done} of {self._num_runs}: {run.name}: {how}{self._left()}")

    def judged(self, num_done: int, num_scores: int) -> None:
        """Say that the last part has begun; then move a bar of its own."""
        if num_done == 0:
            self._say(f"judging {num_scores} sets of scores")
            self._restart(num_scores)
        self._bar.update(self._task, completed=num_done, description=f"judged {num_done} of {num_scores}")

    def _restart(self, total: float) -> None:
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._task = self._bar.add_task("", total=total)

    def _update(self) -> None:
        self._bar.update(self._task, completed=self._completed(), description=self._where())

    def _completed(self) -> float:
        return sum(run.cost * share for run, share in self._shares.items())

    def _left(self) -> str:
        done, total = self._completed(), sum(run.cost for run in self._shares)
        if not done or done >= total:
            return ""
        return f", about {(perf_counter() - self._begun) * (total / done - 1) / 60:.0f} min left"

    def _where(self) -> str:
        return f"run {min(self._num_done + 1, self._num_runs)} of {self._num_runs}"

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
