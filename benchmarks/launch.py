"""Start a program and report its time and peak memory: launch.py REPORT PROGRAM ARGUMENTS...

Linux counts into a child's peak the memory of the process that forked it, up to the moment of `exec`. So the child's
parent must be small, and this script is.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run the program; returns its exit code."""
    report, *argv = sys.argv[1:]
    started = time.monotonic()  # one clock for all processes of a machine
    pid = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(pid, 0)
    ended = time.monotonic()
    unit = 1 if sys.platform == "darwin" else 1024
    with open(report, "w", encoding="utf-8") as stream:  # noqa: PTH123  pathlib alone is as large as all of this
        json.dump({"started": started, "ended": ended, "peak_bytes": usage.ru_maxrss * unit}, stream)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
