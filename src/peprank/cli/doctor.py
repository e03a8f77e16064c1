"""peprank doctor: what this machine and this installation can do, and what to mend."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from peprank.doctor import Finding

EPILOG = """example:
  peprank doctor
  peprank doctor --model-dir runs/first --json > doctor.json
exit code: 1 when there is a problem, else 0
"""
_FORMAT = 1  # of the JSON; raised when an older reader would misread it
_WIDTH = len("problem")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `peprank doctor`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--model-dir",
        type=Path,
        default=Path(tempfile.gettempdir()),
        metavar="DIR",
        help="measure the disk of this folder (default: the folder for temporary files)",
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print each finding as it comes; 1 when one is a problem."""
    findings = []
    console = Console(highlight=False, soft_wrap=True)
    for finding in _findings(args.model_dir):
        findings.append(finding)
        if not args.as_json:
            console.print(_line(finding), markup=False)
    num_problems = sum(finding["level"] == "problem" for finding in findings)
    if args.as_json:
        print(json.dumps({"format": _FORMAT, "problems": num_problems, "findings": findings}, indent=1))
    return 1 if num_problems else 0


def _findings(folder: Path) -> Iterator[dict[str, str]]:
    """What the doctor finds; an installation in which torch cannot even be imported is a finding too."""
    try:
        from peprank.doctor import examine
    except (ImportError, OSError) as error:
        yield {
            "about": "installation",
            "level": "problem",
            "found": f"a package cannot be imported: {error}",
            "remedy": "install again into a fresh virtual environment: pip install peprank",
        }
        return
    finding: Finding
    for finding in examine(folder):
        yield finding.to_json()


def _line(finding: dict[str, str]) -> str:
    said = f"{finding['level']:{_WIDTH}}  {finding['about']}: {finding['found']}"
    return f"{said}\n{'':{_WIDTH}}  -> {finding['remedy']}" if finding["remedy"] else said
