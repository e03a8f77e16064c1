"""What the doctor says of a machine: each finding with its remedy, and an exit code that a script can read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from peprank.cli.main import main
from peprank.doctor import Finding, Level, installation, machine, repeat

LOOKED_AT = [
    "versions",
    "torch build",
    "extras",
    "processor",
    "bfloat16",
    "GPU",
    "threads",
    "memory",
    "disk",
    "same seed, same bits",
]


@pytest.fixture
def sick(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let one of the doctor's looks find a problem."""

    def make(look: str) -> None:
        monkeypatch.setattr(sys.modules["peprank.doctor.examine"], look, lambda: Finding("x", Level.PROBLEM, "y", "z"))

    return make


def test_a_healthy_machine_leaves_with_0_and_every_look_has_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--model-dir", str(tmp_path / "model"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["problems"]) == (1, 0)
    assert [finding["about"] for finding in told["findings"]] == LOOKED_AT
    assert all(finding["remedy"] for finding in told["findings"] if finding["level"] != "ok")
    said = {finding["about"]: finding["found"] for finding in told["findings"]}
    assert f"torch {torch.__version__}" in said["versions"]
    assert torch.backends.cpu.get_cpu_capability() in said["processor"]
    assert said["disk"].startswith(f"{tmp_path / 'model'}: writes ")
    assert "are equal in weights and optimiser" in said["same seed, same bits"]
    assert list((tmp_path / "model").iterdir()) == []


def test_a_problem_leaves_with_1_and_says_what_to_do(
    sick: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sick("repeats")
    assert main(["doctor", "--model-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == ["problem  x: y", "         -> z"]


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = machine.disk(tmp_path / "file")
    assert (found.level, found.remedy) == (Level.PROBLEM, "choose another model_dir")
    assert "cannot be written" in found.found


def test_an_installation_that_cannot_be_imported_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "peprank.doctor", None)
    assert main(["doctor"]) == 1
    assert "problem  installation: a package cannot be imported: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("has_gpu", "level", "says"),
    [(False, Level.NOTE, "and no GPU here that it can use"), (True, Level.OK, "CUDA 13.0")],
)
def test_gigabytes_of_cuda_without_a_gpu_are_noted(
    has_gpu: bool, level: Level, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    found = installation.torch_build()
    assert found.level is level
    assert says in found.found
    assert ("constraints-cpu.txt" in found.remedy) is (level is Level.NOTE)


def test_a_gpu_that_torch_cannot_use_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi")
    assert machine.gpu().level is Level.NOTE
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert machine.gpu().level is Level.OK


@pytest.mark.parametrize(
    ("cores", "started", "allowed", "level", "says"),
    [
        (4, 4, None, Level.OK, "4 cores, 4 threads"),
        (4, 8, None, Level.NOTE, "set OMP_NUM_THREADS=4"),
        (4, 1, None, Level.NOTE, "train with --threads 4"),
        (4, 4, 1.5, Level.NOTE, "train with --threads 1"),
    ],
)
def test_threads_are_held_against_cores(
    cores: int, started: int, allowed: float | None, level: Level, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "num_cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: started)
    monkeypatch.setattr(machine, "_allowed_cores", lambda: allowed)
    found = machine.threads()
    assert found.level is level
    assert says in f"{found.found} {found.remedy}"


def test_limits_of_a_container_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.memory().level in (Level.OK, Level.NOTE)  # no limit there
    for name, text in {"cpu.max": "150000 100000", "memory.max": str(1 << 30), "memory.current": str(1 << 29)}.items():
        (tmp_path / name).write_text(text)
    assert machine._allowed_cores() == 1.5
    found = machine.memory()
    assert (found.level, found.found) == (Level.NOTE, "0.5 of 1.0 GiB free")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        installation,
        "requires",
        lambda _: [
            "torch>=2",
            "nowhere-at-all",
            "rich; extra == 'report'",
            "nor-this ; extra == 'serve'",
            "x; extra == 'test'",
        ],
    )
    found = installation.versions()
    assert (found.level, found.remedy) == (Level.PROBLEM, "pip install nowhere-at-all")
    assert "missing: nowhere-at-all" in found.found
    assert installation.extras().found == "installed: report; not: serve (pip install 'peprank[serve]')"


def test_runs_that_differ_or_fail_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "_saved", lambda _, name: {"weights": name.encode()})
    assert repeat.repeats().level is Level.PROBLEM
    assert "--threads 1" in repeat.repeats().remedy

    def fails(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(repeat, "_saved", fails)
    assert repeat.repeats().found == "a short run failed: no room"
