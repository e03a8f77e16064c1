"""Sealed directories are whole or absent, and any change to them is named."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.errors import ArtifactError
from peprank.sealed import MANIFEST, sealing, verify, write_whole


def seal(path: Path, files: dict[str, bytes]) -> Path:
    with sealing(path) as directory:
        for name, content in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
    return path


def test_a_sealed_directory_verifies_and_holds_what_was_written(tmp_path: Path) -> None:
    path = seal(tmp_path / "model", {"a.bin": b"one", "deep/b.bin": b"two"})
    verify(path)
    assert (path / "deep" / "b.bin").read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_sealing_again_replaces_the_old_directory(tmp_path: Path) -> None:
    seal(tmp_path / "model", {"old": b"1"})
    path = seal(tmp_path / "model", {"new": b"2"})
    verify(path)
    assert sorted(entry.name for entry in path.iterdir()) == sorted([MANIFEST, "new"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_an_error_while_filling_leaves_the_old_directory_whole(tmp_path: Path) -> None:
    path = seal(tmp_path / "model", {"old": b"1"})
    with contextlib.suppress(RuntimeError), sealing(path) as directory:
        (directory / "new").write_bytes(b"2")
        raise RuntimeError("disk full")
    verify(path)
    assert (path / "old").read_bytes() == b"1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_foreign_directory_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    with pytest.raises(ArtifactError) as caught:
        seal(tmp_path / "precious", {"a": b"1"})
    assert str(caught.value) == (
        f"{tmp_path / 'precious'}: exists and is nothing that peprank wrote; choose another place or remove it"
    )
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years"


@given(content=st.binary(min_size=1, max_size=64), data=st.data())
def test_every_flipped_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    path = seal(tmp_path_factory.mktemp("sealed") / "model", {"weights": content})
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << (bit % 8)
    (path / "weights").write_bytes(bytes(damaged))
    with pytest.raises(ArtifactError, match=r"weights: its SHA-256 differs from the manifest's; it is damaged$"):
        verify(path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: (path / "a").unlink(), "a: is missing; the directory is not whole"),
        (lambda path: (path / "a").write_bytes(b"o"), "a: has 1 bytes, the manifest says 3; it is damaged"),
        (lambda path: (path / "b").touch(), "b: is not in the manifest; remove it or write the directory again"),
        (
            lambda path: (path / "b").symlink_to("/etc/passwd"),
            "b: is a symbolic link; sealed directories hold",
        ),
        (lambda path: (path / MANIFEST).unlink(), "cannot be read (No such file or directory)"),
        (lambda path: (path / MANIFEST).write_text("{"), "manifest.json: cannot be read"),
        (lambda path: (path / MANIFEST).write_text("[]"), "manifest.json: cannot be read"),
    ],
    ids=["deleted", "truncated", "added", "link", "no manifest", "half a manifest", "odd manifest"],
)
def test_harm_is_named(tmp_path: Path, harm: object, message: str) -> None:
    path = seal(tmp_path / "model", {"a": b"one"})
    assert callable(harm)
    harm(path)
    with pytest.raises(ArtifactError) as caught:
        verify(path)
    assert message in str(caught.value)


def test_a_whole_file_replaces_the_old_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.txt", "one")
    write_whole(tmp_path / "new" / "a.txt", "two")
    assert (tmp_path / "new" / "a.txt").read_text() == "two"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="Is a directory") as caught:
        write_whole(tmp_path / "folder", "one")
    assert caught.value.filename == str(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    write_whole(tmp_path / "file", "one")
    with pytest.raises(OSError, match="File exists") as caught:
        write_whole(tmp_path / "file" / "below", "two")
    assert caught.value.filename == str(tmp_path / "file" / "below")
