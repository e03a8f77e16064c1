"""Places that cannot be written, or hold something else: one line names them, and nothing is lost or left behind."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peprank.cli import main as command_line
from peprank.cli.main import main
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and exported tiny model."""
    folder = tmp_path_factory.mktemp("places")
    large = tiny.CONFIG.replace("hash_bucket_size: 30", "hash_bucket_size: 20000")
    assert main(["train", str(tiny.write(folder, config=large, val_rows=3000))]) == 0
    assert main(["export", str(folder / "model"), "--out", str(folder / "bundle")]) == 0
    return folder


@contextmanager
def full_disk(num_bytes: int) -> Iterator[None]:
    """No file can grow beyond `num_bytes`, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("verb", ["train", "export", "predict", "evaluate"])
def test_a_full_disk_is_told_in_one_line_and_leaves_no_half_file(
    verb: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = {
        "train": [str(folder / "tiny.config"), "--model-dir", str(out)],
        "export": [str(folder / "model"), "--out", str(out)],
        "predict": [str(folder / "bundle"), str(folder / "val.parquet"), "--out", str(out)],
        "evaluate": [str(folder / "bundle"), str(folder / "val.parquet"), "--out", str(out)],
    }
    with full_disk(0 if verb == "evaluate" else 20_000):
        assert main([verb, *arguments[verb]]) == 1
    told = capsys.readouterr()
    (line,) = (line for line in told.err.splitlines() if line.startswith("peprank: "))
    assert line.startswith(f"peprank: {out}")
    assert "File too large" in line
    if verb == "train":
        assert names(out / "checkpoints") == set()
    else:
        assert names(tmp_path) == set()
    assert ("ctr by tab" in told.out) == (verb == "evaluate")  # what was measured is not lost


def test_export_replaces_a_bundle_and_nothing_else(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    checkpoint = folder / "model" / "checkpoints" / "step-20"
    for place in (tmp_path / "notes", tmp_path / "file", checkpoint):
        assert main(["export", str(folder / "model"), "--out", str(place)]) == 1
        expected = f"peprank: {place}: exists and is no bundle; choose another place or remove it\n"
        assert capsys.readouterr().err == expected
    for _ in range(2):
        assert main(["export", str(folder / "model"), "--out", str(tmp_path / "bundle")]) == 0
    assert names(tmp_path) == {"notes", "file", "bundle"}


def test_a_model_dir_that_is_no_folder_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(folder / "tiny.config")
    (tmp_path / "file").write_text("mine")
    assert main(["train", config, "--model-dir", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == (
        f"peprank: {tmp_path / 'file'}: cannot be written (Not a directory); choose another model_dir\n"
    )
    assert main(["train", config, "--model-dir", ""]) == 2
    assert '--set  model_dir = "": names no folder' in capsys.readouterr().err


def test_ctrl_c_is_heard_while_a_verb_is_being_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt(name)

    monkeypatch.setattr(command_line, "import_module", interrupted)
    assert main(["check", "a.config"]) == 130
    assert capsys.readouterr().err == "peprank: stopped by ctrl-C\n"


def test_threads_are_counted_from_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("0", "-3", "many"):
        with pytest.raises(SystemExit) as stopped:
            main(["train", str(folder / "tiny.config"), f"--threads={text}"])
        assert stopped.value.code == 2
        assert f"argument --threads: '{text}' is not a whole number from 1 on" in capsys.readouterr().err
