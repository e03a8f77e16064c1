"""The commit that a user's project stood at, asked of the `git` of this machine; no network."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 5.0  # a huge project is not worth a wait
# Nothing that a repository names is run: `git status` would otherwise start the monitor of its config.
_GIT = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false")


@dataclass(frozen=True, slots=True)
class GitState:
    """Where a project stands."""

    commit: str
    has_changes: bool | None  # in files that git knows; None: git took too long to say


def git_state(folder: Path) -> GitState | None:
    """Return where the project around `folder` stands; None: there is no git, no project, or no commit in it."""
    commit = _ask(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changes = _ask(folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
    return GitState(commit, None if changes is None else bool(changes))


def _ask(folder: Path, *question: str) -> str | None:
    try:
        done = subprocess.run(
            [*_GIT, "-C", str(folder), *question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
