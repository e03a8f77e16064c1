"""Whole runs of the command line on files as people have them: either they work alike, or one line says why not."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank.cli.main import main
from tests import tiny

ROWS = tiny.rows(200, seed=1)
USERS, ITEMS = ROWS["user"].to_pylist(), ROWS["item"].to_pylist()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config whose training file each test writes anew."""
    return tiny.write(tmp_path_factory.mktemp("rows"), val_rows=50)


def swapped(name: str, values: pa.Array) -> pa.Table:
    """ROWS with another column in the place of one."""
    return ROWS.set_column(ROWS.column_names.index(name), name, values)


def train(config: Path, rows: pa.Table) -> int:
    pq.write_table(rows, config.with_name("train.parquet"), row_group_size=70)
    return main(["train", str(config), "--resume", "never", "--set", "train_config.num_epochs=1"])


def weights(config: Path, rows: pa.Table) -> bytes:
    assert train(config, rows) == 0
    return (config.parent / "model" / "checkpoints" / "step-4" / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def plain(config: Path) -> bytes:
    """The weights that ROWS train."""
    return weights(config, ROWS)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS.select(ROWS.column_names[::-1]),
        ROWS.append_column("extra", pa.array([{"a": 1}] * 200)),
        swapped("user", pa.array(USERS, pa.uint64())),
        swapped("user", pa.array(USERS, pa.float64())),
        swapped("user", pa.array([str(user) for user in USERS])),
        swapped("user", pa.array([[user] for user in USERS], pa.large_list(pa.int16()))),
        swapped("item", pa.array(ITEMS, pa.large_string())),
        swapped("item", pa.array(ITEMS).dictionary_encode()),
        swapped("click", pa.array(ROWS["click"].to_numpy().astype(bool))),
        swapped("tags", pa.array([[tags[:1], tags[1:]] for tags in ROWS["tags"].to_pylist()])),
    ],
    ids=["reordered", "extra", "uint64", "float", "text", "lists", "large", "dictionary", "bool", "lists of lists"],
)
def test_the_same_values_in_other_types_train_the_same_bits(config: Path, rows: pa.Table, plain: bytes) -> None:
    assert weights(config, rows) == plain


@pytest.mark.promise("R-14", "trainings that tell of further columns")
def test_columns_that_the_config_does_not_read_are_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ROWS
    for k in range(9):
        rows = rows.append_column(f"more {k}", ROWS["note"])
    assert train(config, rows) == 0
    said = "train_input_path: columns that the config does not read: " + ", ".join(f"more {k}" for k in range(8))
    assert f"{said} and 2 more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("user", pa.array([decimal.Decimal(user) for user in USERS]), "is decimal128(2, 0); ids must be"),
        ("user", pa.array([datetime.datetime(2026, 1, 1)] * 200), "is timestamp[us]; ids must be"),
        ("user", pa.array([b"7"] * 200), "is binary; ids must be"),
        ("user", pa.array([{"a": 1}] * 200), "is struct<a: int64>; ids must be"),
        ("user", pa.array([2**64 - 1] * 200, pa.uint64()), "store it as strings, or as numbers that fit"),
        ("user", pa.array(np.array(USERS) + 0.5), "store it as strings, or as numbers that fit"),
        ("price", pa.array(["cheap"] * 200), "'cheap' is not a number; write one, or leave the cell empty"),
        ("price", pa.array([[1.0, 2.0]] * 200), "the first of them has 2; give each row 1, or none"),
        ("tab", pa.array([["home", "search"]] * 200), "rows have more than one value; give each row one"),
        ("click", pa.array([2] + [0] * 199), "is out of bounds in 1 of 70 rows, such as 2; must be 0 or 1"),
        ("click", pa.array([None] + [0] * 199), "is missing in 1 of 70 rows; fill it in or drop those rows"),
        ("click", pa.array([float("nan")] * 200), "such as nan; must be 0 or 1"),
        ("click", pa.array(["1"] * 200), "is string; labels must be ints, floats or bools"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_column_that_does_not_fit_is_named_in_one_line(
    config: Path, name: str, values: pa.Array, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config.with_name("train.parquet")
    assert train(config, swapped(name, values)) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("peprank: "))
    assert line.startswith((f"peprank: {path}: ", f"peprank: {path}, row group "))
    assert f"'{name}'" in line
    assert says in line


@pytest.mark.parametrize(
    "values",
    [
        pa.array([-1, 2**63 - 1] * 100),
        pa.array(["x" * 10_000, "\u00fc\u6f22\U0001f389\0"] * 100),
        pa.array([""] * 200),
        pa.nulls(200),
    ],
    ids=["far outside", "long and odd", "empty", "nulls"],
)
def test_ids_of_any_kind_train_and_score(config: Path, values: pa.Array, tmp_path: Path) -> None:
    rows = swapped("user", values).set_column(1, "item", values)
    assert train(config, rows) == 0
    model, scores = str(config.parent / "model"), tmp_path / "scores.parquet"
    assert main(["predict", model, str(config.with_name("train.parquet")), "--out", str(scores)]) == 0
    assert np.isfinite(pq.read_table(scores)["logits_ctr"].to_numpy()).all()


def _break_magic(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _harm(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200:260] = b"\xff" * 60
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", [_break_magic, _cut, _harm], ids=["empty", "cut", "overwritten"])
def test_a_damaged_file_is_named(
    config: Path, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path = config.with_name("train.parquet")
    pq.write_table(ROWS, path)
    harm(path)
    assert main(["train", str(config), "--resume", "never"]) == 1
    assert f"peprank: {path}" in capsys.readouterr().err


@pytest.mark.promise("R-13", "verbs that leave out bad files and count them")
def test_bad_files_are_left_out_on_request_and_counted_at_the_end(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(2):
        pq.write_table(ROWS, tmp_path / f"good-{k}.parquet")
    half, inputs = tmp_path / "half.parquet", str(tmp_path / "*.parquet")
    half.write_bytes((tmp_path / "good-0.parquet").read_bytes()[:3000])
    model, results, scores = tmp_path / "model", tmp_path / "results.json", tmp_path / "scores"
    train = ["train", str(config), "--train-input", inputs, "--model-dir", str(model)]
    for arguments in (
        [*train, "--set", "train_config.num_epochs=1"],
        ["evaluate", str(model), inputs, "--out", str(results)],
        ["predict", str(model), inputs, "--out", str(scores)],
    ):
        assert main(arguments) == 1
        assert f"peprank: {half}: not a Parquet file, or cut short (3000 bytes)" in said(capsys)
        assert main([*arguments, "--bad-files", "skip"]) == 0
        assert f"left out: {half}: not a Parquet file, or cut short (3000 bytes)" in said(capsys)
    record = json.loads((model / "record.json").read_text())
    assert list(record["sessions"][-1]["repairs"]["train_input_path"]["bad_files"]) == [str(half)]
    assert list(json.loads(results.read_text())["repairs"]["bad_files"]) == [str(half)]
    assert json.loads(results.read_text())["rows"] == 400


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_no_rows_to_train_on_is_an_error_and_no_rows_to_judge_is_none(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.parquet"
    pq.write_table(ROWS.slice(0, 0), empty)
    pq.write_table(ROWS, config.with_name("train.parquet"))
    arguments = [str(config), "--model-dir", str(tmp_path / "model")]
    assert main(["train", *arguments, "--train-input", str(empty)]) == 1
    assert f"peprank: {empty}: has no rows to train on" in capsys.readouterr().err
    assert main(["train", *arguments, "--eval-input", str(empty)]) == 0
    assert "evaluated on 0 rows, AUC/GAUC: ctr undefined/undefined" in capsys.readouterr().err
    assert main(["check", *arguments, "--data", "--eval-input", str(empty)]) == 2
    assert capsys.readouterr().out == f"{empty}: has no rows\n"
    assert main(["predict", str(tmp_path / "model"), str(empty), "--out", str(tmp_path / "scores.parquet")]) == 1
    assert capsys.readouterr().err == f"peprank: {empty}: has no rows to score\n"
