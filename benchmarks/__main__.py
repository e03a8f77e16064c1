"""python -m benchmarks [NAME ...] [--quick] [--out FILE]: run benchmarks and write what they measured.

Each runs in a process of its own, so that none finds the threads and the memory of another. What a full run measured
is kept in `build/bench/results`; `benchmarks/RESULTS.md` is written anew from all that this machine has measured with
these versions, so one benchmark can be repeated alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import machine
from benchmarks.machine import Machine
from benchmarks.section import Section, number, table
from benchmarks.timing import measured_process
from benchmarks.workload import CACHE, ROOT
from peprank.cli.process import settle
from peprank.sealed import write_whole

BENCHMARKS: Mapping[str, str] = {
    "step": "the training step against the processor's own rate, the plain network and fbgemm's tables",
    "whole_job": "training from start to checkpoint and evaluation, then evaluation and prediction, as processes",
    "data_path": "from files to encoded batches",
    "memory": "how the memory of training grows with its rows",
    "judging": "metrics of many rows, tasks and domains",
    "processes": "one process per core against threads",
    "curves": "how the step's cost grows, with pictures",
    "precision": "whether BF16 costs quality",
    "serving": "requests over HTTP, and the serving engine against the processor's own rate",
}
_RESULTS = ROOT / "benchmarks" / "RESULTS.md"
_KEPT = CACHE / "results"


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark's sections, and how they came about."""

    name: str
    machine: Machine
    seconds: float
    peak_bytes: int  # of its process, or of the largest one that it started
    rulers: Mapping[str, float]  # name with unit -> rate
    sections: tuple[Section, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts."""
        return {
            "name": self.name,
            "machine": self.machine.to_json(),
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
            "rulers": dict(self.rulers),
            "sections": [section.to_json() for section in self.sections],
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Result:
        """The inverse of `to_json`."""
        sections = tuple(Section.from_json(section) for section in kept["sections"])
        return cls(**{**kept, "machine": Machine.from_json(kept["machine"]), "sections": sections})


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is named, print it, and write the results."""
    settle()  # as `peprank` does for itself
    args = _parser().parse_args(argv)
    if args.here is not None:
        return _run_here(args.names[0], args.quick, args.here)
    done = []
    for name in args.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]} ...", file=sys.stderr, flush=True)
        result = _run_apart(name, args.quick)
        print("\n".join(section.markdown() for section in result.sections), flush=True)
        done.append(result)
        if not args.quick:
            write_whole(_KEPT / f"{name}.json", json.dumps(result.to_json(), indent=1) + "\n")
    if args.out is not None or not args.quick:
        write_whole(args.out or _RESULTS, page(done, quick=True) if args.quick else page(_kept(done[-1].machine)))
    return 0


def page(results: Sequence[Result], *, quick: bool = False) -> str:
    """RESULTS.md: the aims, how they were measured, and every section."""
    aims = [aim.cells for result in results for section in result.sections for aim in section.aims]
    sections = [section for result in results for section in result.sections]
    fullest = max((result.machine for result in results), key=lambda machine: len(machine.versions))
    dates = sorted({result.machine.date for result in results})
    blocks = [
        "# What was measured",
        *(["**A quick run, on little data: it shows that all parts run. Its figures mean nothing.**"] if quick else []),
        "Written by `python -m benchmarks`; do not edit. "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}, on {fullest.describe()}.",
        "Unless a table says otherwise a figure is the median of three rounds, with the least and the greatest in "
        "brackets; what is compared ran in turn within a round. Figures in seconds and rows/s belong to this machine; "
        "ratios and shares travel further. GEMM is the rate of one large matrix product (8192 x 512 by 512 x 512) in "
        "the same arithmetic with the same threads, measured beside what is compared with it.",
        "## Aims and what was measured",
        table(("what", "aim", "measured, median of the rounds", "verdict"), aims),
        "## How it was measured",
        _runs(results),
    ]
    return "\n\n".join([*blocks, *(section.markdown().rstrip("\n") for section in sections)]) + "\n"


def _runs(results: Sequence[Result]) -> str:
    """One line per benchmark: command, day, time, memory and the rulers just before it."""
    rulers = list(results[0].rulers)
    columns = ("command", "day", "took, min", "peak of its processes, MB", *rulers)
    rows = [
        [
            f"`python -m benchmarks {result.name}`",
            result.machine.date,
            f"{result.seconds / 60:.1f}",
            number(result.peak_bytes / 1e6),
            *(number(result.rulers[name]) for name in rulers),
        ]
        for result in results
    ]
    return table(columns, rows)


def _run_apart(name: str, quick: bool) -> Result:
    """Run one benchmark in a process of its own."""
    with TemporaryDirectory() as folder:
        here = Path(folder) / "sections.json"
        form = ["--quick"] if quick else []
        process = measured_process(
            [sys.executable, "-m", "benchmarks", name, *form, "--here", str(here)],
            cwd=ROOT,
        )
        kept = json.loads(here.read_text("utf-8"))
    return Result.from_json({**kept, "name": name, "seconds": process.seconds, "peak_bytes": process.peak_bytes})


def _run_here(name: str, quick: bool, out: Path) -> int:
    """Run one benchmark in this process."""
    rulers = _rulers(repeats=1 if quick else 9)
    sections: list[Section] = import_module(f"benchmarks.{name}").run(quick)
    kept = {
        "machine": machine.describe().to_json(),
        "rulers": rulers,
        "sections": [section.to_json() for section in sections],
    }
    write_whole(out, json.dumps(kept))
    return 0


def _rulers(repeats: int) -> dict[str, float]:
    """This machine's own rates on all cores."""
    cores = machine.num_cores()
    return {
        "GEMM float32, GFLOP/s": machine.gemm_flops(torch.float32, cores, repeats=repeats) / 1e9,
        "GEMM BF16, GFLOP/s": machine.gemm_flops(torch.bfloat16, cores, repeats=repeats) / 1e9,
        "memory, GB/s": machine.memory_bandwidth(cores, repeats=repeats) / 1e9,
    }


def _kept(machine: Machine) -> list[Result]:
    """What was measured on this machine with these versions, on whatever day."""
    paths = [_KEPT / f"{name}.json" for name in BENCHMARKS]
    results = [Result.from_json(json.loads(path.read_text("utf-8"))) for path in paths if path.is_file()]
    return [result for result in results if result.machine.is_like(machine)]


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<10} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(__doc__ or "").partition(":")[2].strip(),
        epilog=f"benchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--quick", action="store_true", help="a few seconds each, on little data; times mean nothing")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="default: benchmarks/RESULTS.md; a quick run only prints",
    )
    parser.add_argument("--here", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
