"""peprank gates: what the gates of a model do, by field, layer, domain and task."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from peprank import api
from peprank.cli import options
from peprank.cli.terminal import output, row_progress, say_precision
from peprank.evaluation import draw_heat_maps, heat_maps, render_gates, require_matplotlib
from peprank.sealed import write_whole

EPILOG = """example:
  peprank gates demo/bundle demo/data/val.parquet
  peprank gates experiments/kuairand data/kuairand/val*.parquet --plots pictures --by-user-feature author_id
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank gates`."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="BUNDLE_OR_MODEL_DIR")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files, folders, globs or URIs; labels not needed")
    parser.add_argument(
        "--by-user-feature", metavar="FEATURE", help="whose values the users are (default: the config's gauc_feature)"
    )
    parser.add_argument("--checkpoint", metavar="best|latest|STEP", help="of a model_dir; best if not said")
    parser.add_argument(
        "--out", type=Path, default=Path("gates.json"), metavar="FILE.json", help="default: ./gates.json"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also draw heat maps there, as PNG")
    parser.add_argument("--all", action="store_true", help="print every field and domain")
    options.add_precision(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, print the tables, then write gates.json and the pictures."""
    if args.plots:
        require_matplotlib()  # before the work
    scorer = api.load(args.model, checkpoint=args.checkpoint, bf16=options.bf16(args))
    say_precision(args.precision, bf16=scorer.bf16)
    with row_progress("gates") as on_rows:
        gates = api.gates(scorer, args.inputs, by_user=args.by_user_feature, on_rows=on_rows)
    console = output()
    console.print(*render_gates(gates, everything=args.all, width=console.width), sep="\n")
    write_whole(args.out, json.dumps(gates.to_json()) + "\n")
    for path in draw_heat_maps(heat_maps(gates), args.plots) if args.plots else ():
        console.print(f"picture: {path}", markup=False, soft_wrap=True)
    console.print(f"all numbers: {args.out}", markup=False, soft_wrap=True)
    return 0
