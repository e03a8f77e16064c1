"""peprank report: one page that says how good a run is, which of several is ahead, or who wins a comparison."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from rich.console import Console

from peprank.cli.extra import extra
from peprank.cli.terminal import row_progress

EPILOG = """example:
  peprank report experiments/kuairand --out report.html
  peprank report experiments/kuairand --checkpoint latest --user user_id --item author_id
  peprank report runs/base runs/wide runs/deep --out three.html
  peprank report runs/compare --out compare.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank report`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "directories",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="the model_dir of a training run; several, to see them side by side; or the --out of `peprank compare`",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE.html", help="default: ./report.html"
    )
    parser.add_argument("--user", metavar="COLUMN", help="says whose row it is (default: the config's gauc_feature)")
    parser.add_argument("--item", metavar="COLUMN", help="says what was shown (default: the first id on the item side)")
    run_only = parser.add_argument_group("for training runs only")
    run_only.add_argument("--checkpoint", metavar="best|latest|STEP", help="best if not said")
    run_only.add_argument("--train-input", nargs="+", metavar="INPUT", help="count these in place of train_input_path")
    run_only.add_argument("--eval-input", nargs="+", metavar="INPUT", help="judge on these in place of eval_input_path")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge, count, write the page."""
    with extra("report"):
        from peprank import report
    made_at, who = datetime.now().astimezone(), {"user": args.user, "item": args.item}
    choices = {"checkpoint": args.checkpoint, "train_inputs": args.train_input, "eval_inputs": args.eval_input}
    comparisons = [directory for directory in args.directories if report.is_comparison(directory)]
    if comparisons and len(args.directories) > 1:
        raise SystemExit(
            f"peprank report: {comparisons[0]} is a comparison, which has a page of its own; name it alone, or name "
            "training runs only"
        )
    if comparisons and any(choices.values()):
        raise SystemExit("peprank report: a comparison has judged already; leave out --checkpoint and the inputs")
    with row_progress("report") as on_rows:
        if comparisons:
            report.write_comparison(comparisons[0], args.out, made_at=made_at, on_rows=on_rows, **who)
        else:
            report.write_runs(args.directories, args.out, made_at=made_at, on_rows=on_rows, **who, **choices)
    size_mb = args.out.stat().st_size / 1e6
    Console(highlight=False, soft_wrap=True).print(f"{args.out}: {size_mb:.1f} MB, open it in a browser", markup=False)
    return 0
