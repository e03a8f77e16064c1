"""peprank report: one page that says how good a run is, and where."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console

from peprank.cli.terminal import row_progress
from peprank.errors import PeprankError

EPILOG = """example:
  peprank report experiments/kuairand --out report.html
  peprank report experiments/kuairand --checkpoint latest --user user_id --item author_id
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank report`."""
    parser.epilog = EPILOG
    parser.add_argument("model_dir", type=Path, metavar="DIR", help="the model_dir of a training run")
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE.html", help="default: ./report.html"
    )
    parser.add_argument("--checkpoint", metavar="best|latest|STEP", help="best if not said")
    parser.add_argument("--train-input", nargs="+", metavar="INPUT", help="count these in place of train_input_path")
    parser.add_argument("--eval-input", nargs="+", metavar="INPUT", help="judge on these in place of eval_input_path")
    parser.add_argument("--user", metavar="COLUMN", help="says whose row it is (default: the config's gauc_feature)")
    parser.add_argument("--item", metavar="COLUMN", help="says what was shown (default: the first id on the item side)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge, count, write the page."""
    with _extra("report"):
        from peprank.report import write_run
    with row_progress("report") as on_rows:
        write_run(
            args.model_dir,
            args.out,
            made_at=datetime.now().astimezone(),
            checkpoint=args.checkpoint,
            train_inputs=args.train_input,
            eval_inputs=args.eval_input,
            user=args.user,
            item=args.item,
            on_rows=on_rows,
        )
    size_mb = args.out.stat().st_size / 1e6
    Console(highlight=False, soft_wrap=True).print(f"{args.out}: {size_mb:.1f} MB, open it in a browser", markup=False)
    return 0


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Import a room that needs packages which the other verbs do without."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise PeprankError(f"{error.name} is not installed; pip install 'peprank[{name}]'") from error
