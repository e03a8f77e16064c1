"""peprank datasets: public logs made trainable, and made-up rows with a known truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from peprank.datasets import DayRange, convert, make

EPILOG = """example:
  peprank datasets synthetic --out data/made-up --rows 200000 --domains 3 --tasks 6 --seed 42
  peprank datasets kuairand --source KuaiRand-Pure --out data/kuairand \\
      --train 20220425:20220504 --val 20220505:20220506
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank datasets`."""
    parser.epilog = EPILOG
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    _add_kuairand(kinds)
    _add_synthetic(kinds)


def _add_kuairand(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "KuaiRand (Gao et al., CIKM 2022) from its official files, with statistics of earlier days."
    parser = kinds.add_parser("kuairand", help=what, description=what)
    parser.add_argument("--source", type=Path, required=True, metavar="DIR", help="the unpacked archive")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the Parquet files")
    for split, needed in (("train", True), ("val", True), ("test", False)):
        parser.add_argument(f"--{split}", required=needed, metavar="FROM:TO", help="days, as in 20220425:20220504")
    parser.set_defaults(run=_kuairand)


def _add_synthetic(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "Made-up rows of the same columns whose true probabilities are known."
    parser = kinds.add_parser("synthetic", help=what, description=what)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the Parquet files")
    parser.add_argument("--rows", type=int, default=200_000, help="impressions in all (default: 200000)")
    parser.add_argument("--domains", type=int, default=3, help="values of tab (default: 3)")
    parser.add_argument("--tasks", type=int, default=6, help="actions that happen (default: 6)")
    parser.add_argument("--seed", type=int, default=42, help="same seed, same files (default: 42)")
    parser.set_defaults(run=_synthetic)


def _kuairand(args: argparse.Namespace) -> int:
    days = {split: DayRange.parse(text) for split in ("train", "val", "test") if (text := getattr(args, split))}
    progress = Console(stderr=True, highlight=False)
    report = convert(
        args.source,
        args.out,
        train=days["train"],
        val=days["val"],
        test=days.get("test"),
        on_progress=lambda step: progress.print(step, markup=False, soft_wrap=True),
    )
    console = Console(highlight=False)
    for path, (split, rows) in zip(report.paths, report.rows.items(), strict=True):
        shares = ", ".join(f"{label} {n / rows:.2%}" for label, n in report.positives[split].items())
        console.print(f"{path}: {rows:,} rows; {shares}", markup=False, soft_wrap=True)
    return 0


def _synthetic(args: argparse.Namespace) -> int:
    report = make(args.out, rows=args.rows, domains=args.domains, tasks=args.tasks, seed=args.seed)
    console = Console(highlight=False)
    for path, rows in zip((report.train, report.val), report.rows.values(), strict=True):
        console.print(f"{path}: {rows:,} rows", markup=False, soft_wrap=True)
    console.print(f"{report.truth}: the best possible AUC per task and domain", markup=False, soft_wrap=True)
    return 0
