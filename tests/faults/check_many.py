"""Run in a process of its own: `peprank check` on every config of a folder, as many processes would do one by one.

Prints JSON: per config its exit code, what was printed and the seconds; then whether torch was imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path

from peprank.cli.main import main


def check(path: Path) -> tuple[int, str, float]:
    """Exit code, error stream and seconds of `peprank check`."""
    begun, told = time.perf_counter(), io.StringIO()
    with contextlib.redirect_stderr(told):
        code = main(["check", str(path)])
    return code, told.getvalue(), time.perf_counter() - begun


if __name__ == "__main__":
    found = {path.name: check(path) for path in sorted(Path(sys.argv[1]).iterdir())}
    print(json.dumps({"found": found, "has_torch": "torch" in sys.modules}))
