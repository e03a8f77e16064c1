"""peprank predict: score rows with a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from peprank import api
from peprank.cli import options
from peprank.cli.terminal import row_progress, say_drift, say_precision, say_repairs
from peprank.predict import predict_files

EPILOG = """example:
  peprank predict demo/bundle demo/data/val.parquet --out scores.parquet --keep user_id,video_id
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank predict`."""
    parser.epilog = EPILOG
    parser.add_argument("bundle", type=Path, help="from `peprank export`; a model_dir works too")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files, folders, globs or URIs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet", help="appears whole or not at all")
    parser.add_argument("--keep", default="", metavar="COLUMNS", help="input columns to copy, separated by commas")
    options.add_bad_files(parser)
    options.add_precision(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score, then say where the scores are."""
    scorer = api.load(args.bundle, bf16=options.bf16(args))
    say_precision(args.precision, bf16=scorer.bf16)
    keep = [name.strip() for name in args.keep.split(",") if name.strip()]
    with row_progress("predict") as on_rows:
        scored = predict_files(
            scorer, args.inputs, args.out, keep=keep, skip_bad_files=args.bad_files == "skip", on_rows=on_rows
        )
    say_repairs(scored.repairs)
    say_drift(scored.drift)
    Console(highlight=False, soft_wrap=True).print(f"{args.out}: {scored.rows:,} rows", markup=False)
    return 0
