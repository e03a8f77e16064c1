"""peprank datasets: public logs made trainable, and made-up rows with a known truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from peprank.datasets import (
    ConvertReport,
    DayRange,
    Portions,
    convert,
    convert_aliccp,
    convert_movielens,
    convert_portions,
    make,
)

EPILOG = """example:
  peprank datasets synthetic --out data/made-up --rows 200000 --domains 3 --tasks 6 --seed 42
  peprank datasets kuairand --source KuaiRand-Pure --out data/kuairand \\
      --train 20220425:20220504 --val 20220505:20220506
  peprank datasets kuairand --source KuaiRand-1K --out data/kuairand-1k --split 8:1:1 --order random --tabs 0,1,2,4,6
  peprank datasets movielens --source ml-1m --out data/movielens
  peprank datasets aliccp --source Ali-CCP --out data/aliccp
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank datasets`."""
    parser.epilog = EPILOG
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    _add_kuairand(kinds)
    _add_movielens(kinds)
    _add_aliccp(kinds)
    _add_synthetic(kinds)


def _add_kuairand(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "KuaiRand (Gao et al., CIKM 2022): split by days, with statistics of earlier days; or by shares, without."
    parser = _add(kinds, "kuairand", what, "the unpacked archive")
    for split in ("train", "val", "test"):
        parser.add_argument(f"--{split}", metavar="FROM:TO", help="days, as in 20220425:20220504")
    _add_portions(parser, default=None)
    parser.add_argument("--tabs", type=_numbers, default=(), metavar="TAB,TAB", help="rows of these tabs only")
    parser.set_defaults(run=_kuairand, parser=parser)


def _add_movielens(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "MovieLens-1M: three groups of age as domains, ratings above 3 and above 4 as tasks."
    parser = _add(kinds, "movielens", what, "the unpacked ml-1m archive")
    _add_portions(parser, default="8:1:1")
    parser.set_defaults(run=_movielens)


def _add_aliccp(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "Ali-CCP (Ma et al., SIGIR 2018): click and conversion in three scenarios; half of the test file validates."
    parser = _add(kinds, "aliccp", what, "the four unpacked files")
    parser.add_argument("--min-count", type=int, default=10, help="rows that an id must have in training (default: 10)")
    parser.add_argument("--seed", type=int, default=42, help="of the halves of the test file (default: 42)")
    parser.set_defaults(run=_aliccp)


def _add_synthetic(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    what = "Made-up rows of KuaiRand's columns whose true probabilities are known."
    parser = _add(kinds, "synthetic", what)
    parser.add_argument("--rows", type=int, default=200_000, help="impressions in all (default: 200000)")
    parser.add_argument("--domains", type=int, default=3, help="values of tab (default: 3)")
    parser.add_argument("--tasks", type=int, default=6, help="actions that happen (default: 6)")
    parser.add_argument("--seed", type=int, default=42, help="same seed, same files (default: 42)")
    parser.set_defaults(run=_synthetic)


def _add(
    kinds: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str, source: str | None = None
) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=what, description=what)
    if source:
        parser.add_argument("--source", type=Path, required=True, metavar="DIR", help=source)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the Parquet files")
    return parser


def _add_portions(parser: argparse.ArgumentParser, default: str | None) -> None:
    usual = f" (default: {default})" if default else ""
    parser.add_argument("--split", default=default, metavar="8:1:1", help=f"shares of train, val and test{usual}")
    parser.add_argument(
        "--order", choices=("file", "random"), default="file", help="which rows a share takes (default: file)"
    )
    parser.add_argument("--seed", type=int, default=42, help="of --order random (default: 42)")


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}': not of the form 1,0,4")
    return tuple(map(int, parts))


def _kuairand(args: argparse.Namespace) -> int:
    days = {split: DayRange.parse(text) for split in ("train", "val", "test") if (text := getattr(args, split))}
    if args.split and not days:
        _print(convert_portions(args.source, args.out, _portions(args), tabs=args.tabs, on_progress=_tell))
    elif not args.split and {"train", "val"} <= days.keys():
        _print(convert(args.source, args.out, **days, tabs=args.tabs, on_progress=_tell))
    else:
        args.parser.error("give either --split, or --train and --val")
    return 0


def _movielens(args: argparse.Namespace) -> int:
    _print(convert_movielens(args.source, args.out, _portions(args), on_progress=_tell))
    return 0


def _aliccp(args: argparse.Namespace) -> int:
    report = convert_aliccp(args.source, args.out, min_count=args.min_count, seed=args.seed, on_progress=_tell)
    _print(report.splits)
    if report.left_out:
        _say(f"left out: {report.left_out:,} rows with a conversion and no click")
    _say(f"ids known from training: {', '.join(f'{name} {num:,}' for name, num in report.num_ids.items())}")
    return 0


def _synthetic(args: argparse.Namespace) -> int:
    report = make(args.out, rows=args.rows, domains=args.domains, tasks=args.tasks, seed=args.seed)
    for path, rows in zip((report.train, report.val), report.rows.values(), strict=True):
        _say(f"{path}: {rows:,} rows")
    _say(f"{report.truth}: the best possible AUC per task and domain")
    return 0


def _portions(args: argparse.Namespace) -> Portions:
    return Portions.parse(args.split, order=args.order, seed=args.seed)


def _print(report: ConvertReport) -> None:
    for path, (split, rows) in zip(report.paths, report.rows.items(), strict=True):
        shares = ", ".join(f"{label} {n / max(rows, 1):.2%}" for label, n in report.positives[split].items())
        _say(f"{path}: {rows:,} rows; {shares}")


def _tell(step: str) -> None:
    Console(stderr=True, highlight=False).print(step, markup=False, soft_wrap=True)


def _say(line: str) -> None:
    Console(highlight=False).print(line, markup=False, soft_wrap=True)
