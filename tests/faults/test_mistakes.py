"""Mistakes in config files, told by the command as its user sees it: exit code, place, path, words, no traceback."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.config.base import BASE, changed
from tests.config.test_check_mistakes import EVERY_MISTAKE
from tests.promises import Reached, Times

SEED = 20
CHECK_MANY = Path(__file__).with_name("check_many.py")
PATIENCE_S = 40.0  # 2 s and what a busy machine adds
PROBLEM = re.compile(r".+\.config(:(?P<line>\d+):\d+)?  [\w.\[\]]+( = .+?)?: (?P<message>.+)")
NAME = re.compile(r"(\w{4,})(?=: | \{)")  # a field's name where it is set; of shorter ones little is left to guess by


@pytest.mark.promise("R-20", "mistakes in configs: the kinds of the table, and misspelt names")
def test_every_mistake_has_its_line_path_words_and_exit_code_2(tmp_path: Path, times: Times, reached: Reached) -> None:
    rng = random.Random(SEED)
    kinds = rng.sample(EVERY_MISTAKE, times(100, len(EVERY_MISTAKE)))
    slips = [misspelt(rng) for _ in range(times(50, 1000))]
    wanted = {f"k{k:04}.config": (changed(m.old, m.new), m.at, m.says) for k, m in enumerate(kinds)}
    wanted |= {f"s{k:04}.config": slip for k, slip in enumerate(slips)}
    for name, (text, _, _) in wanted.items():
        (tmp_path / name).write_text(text, "utf-8")
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, str(CHECK_MANY), str(tmp_path)], capture_output=True, text=True, check=True)
    whole_s = time.perf_counter() - begun
    told = json.loads(done.stdout)
    assert not told["has_torch"]
    assert len(told["found"]) == len(wanted)
    num_alone = 0
    for name, (code, said, seconds) in told["found"].items():
        text, at, says = wanted[name]
        assert code == 2, name
        problems = [PROBLEM.fullmatch(line) for line in said.splitlines()]
        assert all(problems), said
        found = [problem for problem in problems if problem and says in problem["message"]]
        assert found, (says, said)
        assert not at or at in text.splitlines()[int(found[0]["line"]) - 1], said
        assert seconds < PATIENCE_S
        num_alone += len(problems) == 1
    slowest = max(seconds for _, _, seconds in told["found"].values())
    start_s = whole_s - sum(seconds for _, _, seconds in told["found"].values())
    reached(
        f"{len(kinds)} kinds of mistakes and {len(slips):,} misspelt names: each with its line, path, remedy and exit "
        f"code 2, {num_alone:,} of them with no word on anything else; the slowest took {slowest:.2f} s after "
        f"{start_s:.2f} s of starting, without torch"
    )


def misspelt(rng: random.Random) -> tuple[str, str, str]:
    """BASE with one letter of one field's name doubled, dropped or changed; its line, and what is to be said."""
    lines = BASE.splitlines()
    while True:
        row = rng.randrange(len(lines))
        names = list(NAME.finditer(lines[row]))
        if not names:
            continue
        name = rng.choice(names)
        at = rng.randrange(name.start(), name.end())
        letter = rng.choice([lines[row][at] * 2, "", "x"])
        if lines[row][at] == "x":
            continue
        line = lines[row][:at] + letter + lines[row][at + 1 :]
        return "\n".join([*lines[:row], line, *lines[row + 1 :]]) + "\n", line, f"did you mean {name[1]}?"
