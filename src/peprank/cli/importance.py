"""peprank importance: how much a model needs each feature, per task and domain."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from peprank import api
from peprank.cli import options
from peprank.cli.terminal import output, row_progress, say_precision
from peprank.evaluation import MEASURES, render_importance
from peprank.sealed import write_whole

EPILOG = """example:
  peprank importance demo/bundle demo/data/val.parquet --fields user_id,video_id,tab --repeats 1
  peprank importance experiments/kuairand data/kuairand/val*.parquet --measure gauc --rows 20000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank importance`."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="BUNDLE_OR_MODEL_DIR")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="labelled files, folders, globs or URIs")
    parser.add_argument("--fields", default="", metavar="FEATURES", help="separated by commas (default: all)")
    parser.add_argument("--measure", default="auc", choices=MEASURES, help="what the tables show (default: auc)")
    parser.add_argument(
        "--rows",
        type=int,
        default=100_000,
        metavar="N",
        help="with more rows, take all rows of a fair sample of the users; 0: take all rows (default: 100000)",
    )
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="shuffles of each feature (default: 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the shuffles (default: 0)")
    parser.add_argument("--checkpoint", metavar="best|latest|STEP", help="of a model_dir; best if not said")
    parser.add_argument(
        "--out", type=Path, default=Path("importance.json"), metavar="FILE.json", help="default: ./importance.json"
    )
    parser.add_argument("--all", action="store_true", help="print every field and domain")
    options.add_precision(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Shuffle field by field, print the tables, then write importance.json."""
    scorer = api.load(args.model, checkpoint=args.checkpoint, bf16=options.bf16(args))
    say_precision(args.precision, bf16=scorer.bf16)
    with row_progress("importance") as on_rows:
        importance = api.importance(
            scorer,
            args.inputs,
            fields=[name.strip() for name in args.fields.split(",") if name.strip()],
            repeats=args.repeats,
            seed=args.seed,
            most_rows=args.rows or None,
            on_rows=on_rows,
        )
    console = output()
    console.print(
        *render_importance(importance, measure=args.measure, everything=args.all, width=console.width), sep="\n"
    )
    write_whole(args.out, json.dumps(importance.to_json()) + "\n")
    console.print(f"all numbers: {args.out}", markup=False, soft_wrap=True)
    return 0
