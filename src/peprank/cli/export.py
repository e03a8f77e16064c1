"""peprank export: a checkpoint becomes a bundle, an ONNX graph, or both."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from peprank import api
from peprank.errors import PeprankError
from peprank.onnx import OPSET, OnnxScorer, require

EPILOG = """example:
  peprank export experiments/kuairand --out bundle
  peprank export experiments/kuairand --out bundle --checkpoint best
  peprank export bundle --onnx graph
  peprank export bundle --onnx models/kuairand --target triton
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank export`."""
    parser.epilog = EPILOG
    parser.add_argument("model_dir", type=Path, help="folder that `peprank train` filled; for --onnx a bundle will do")
    parser.add_argument("--out", type=Path, metavar="BUNDLE", help="folder to write; a bundle is replaced")
    parser.add_argument(
        "--onnx",
        type=Path,
        metavar="DIR",
        help="folder to write model.onnx and model.json to, from encoded inputs to probabilities; an earlier export is"
        " replaced; needs peprank[onnx]",
    )
    parser.add_argument(
        "--target",
        choices=("onnx", "triton"),
        default="onnx",
        help="triton: DIR becomes a model of a Triton model repository, with config.pbtxt and 1/model.onnx",
    )
    parser.add_argument(
        "--opset", type=int, default=OPSET, metavar="N", help=f"of ONNX's operators (default: {OPSET}, the oldest)"
    )
    parser.add_argument("--checkpoint", metavar="best|latest|STEP", help="default: what exporter_type says")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, then say what was written."""
    if args.out is None and args.onnx is None:
        raise PeprankError("nothing to write: give --out BUNDLE, --onnx DIR or both")
    if args.onnx is None and (args.target, args.opset) != ("onnx", OPSET):
        raise PeprankError("--target and --opset are for a graph: give --onnx DIR as well")
    if args.onnx is not None:
        require()  # before a bundle is written
    if args.out is not None:
        scorer = api.export(args.model_dir, args.out, checkpoint=args.checkpoint)
        tasks = ", ".join(task.name for task in scorer.spec.model.tasks)
        _say(args.out, f"step {scorer.step}, tasks {tasks}")
        if scorer.profile is None:
            note = "no profile, so nobody will tell of drift: the training rows cannot be read any more"
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"{args.out}: {note}", markup=False)
    if args.onnx is not None:
        about = _export_onnx(args).signature
        _say(args.onnx, f"step {about.step}, ONNX opset {about.opset}, {len(about.inputs)} inputs")
    return 0


def _export_onnx(args: argparse.Namespace) -> OnnxScorer:
    """From the bundle that was just written, if one was."""
    source, checkpoint = (args.model_dir, args.checkpoint) if args.out is None else (args.out, None)
    return api.export_onnx(source, args.onnx, checkpoint=checkpoint, target=args.target, opset=args.opset)


def _say(folder: Path, what: str) -> None:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    Console(highlight=False, soft_wrap=True).print(
        f"{folder}: {what}, {size / 2**20:.1f} MiB; golden rows replayed", markup=False
    )
