"""peprank evaluate: how good a model is, per task and domain."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from peprank import api
from peprank.cli import options
from peprank.cli.terminal import output, row_progress, say_drift, say_precision, say_repairs
from peprank.evaluation import render
from peprank.sealed import write_whole

EPILOG = """example:
  peprank evaluate demo/bundle demo/data/val.parquet
  peprank evaluate experiments/kuairand data/kuairand/val*.parquet --by user_active_degree --out results.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank evaluate`."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="BUNDLE_OR_MODEL_DIR")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="labelled files, folders, globs or URIs")
    parser.add_argument("--by", metavar="COLUMN", help="also split the rows by the values of this column")
    parser.add_argument("--checkpoint", metavar="best|latest|STEP", help="of a model_dir; best if not said")
    parser.add_argument(
        "--out", type=Path, default=Path("results.json"), metavar="FILE.json", help="default: ./results.json"
    )
    parser.add_argument("--all", action="store_true", help="print every domain, small ones too")
    options.add_bad_files(parser)
    options.add_precision(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, then write results.json: a place that cannot be written costs no table."""
    scorer = api.load(args.model, checkpoint=args.checkpoint, bf16=options.bf16(args))
    say_precision(args.precision, bf16=scorer.bf16)
    with row_progress("evaluate") as on_rows:
        results = api.evaluate(
            scorer, args.inputs, by=args.by, skip_bad_files=args.bad_files == "skip", on_rows=on_rows
        )
    if results.repairs is not None:
        say_repairs(results.repairs)
    say_drift(results.drift)
    console = output()
    console.print(*render(results, everything=args.all, width=console.width), sep="\n")
    write_whole(args.out, json.dumps(results.to_json(), indent=1) + "\n")
    console.print(f"all numbers: {args.out}", markup=False, soft_wrap=True)
    return 0
