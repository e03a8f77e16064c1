"""The command line: exit codes, what each verb prints, and what a mistake looks like."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from peprank.cli.main import main
from tests import tiny
from tests.shared import SHARED, needs_shared

DOC_CONFIG = SHARED / "fixtures" / "configs" / "pepnet_doc_full.config"
TAOBAO_CONFIG = SHARED / "fixtures" / "configs" / "pepnet_taobao.config"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, trained and exported from the command line."""
    folder = tmp_path_factory.mktemp("cli")
    config = tiny.write(folder)
    assert main(["train", str(config)]) == 0
    assert main(["export", str(folder / "model"), "--out", str(folder / "bundle")]) == 0
    return folder


def test_check_says_that_a_config_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny.write(tmp_path)
    assert main(["check", str(config), "--data"]) == 0
    assert f"{config}: fine. 6 features, 5 tables, tasks ctr, cvr" in capsys.readouterr().out


def test_check_lists_every_mistake_with_its_place_and_leaves_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny.write(
        tmp_path, config=tiny.CONFIG.replace("num_buckets", "num_bucket").replace('"buy"]', '"bought"]')
    )
    assert main(["check", str(config)]) == 2
    err = capsys.readouterr().err
    assert (
        f"{config}:20:77  feature_configs[0].id_feature.num_bucket = 50: no such field; did you mean num_buckets?"
        in err
    )
    assert 'task_towers[1].label_name = "buy": is not in data_config.label_fields; add it there' in err


def test_check_needs_neither_torch_nor_two_seconds_of_patience(tmp_path: Path) -> None:
    config = tiny.write(tmp_path)
    code = (
        "import sys; from peprank.cli.main import main; "
        f"code = main(['check', {str(config)!r}]); print('torch' in sys.modules, code)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out.splitlines()[-1] == "False 0"


def test_check_finds_what_the_files_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny.write(tmp_path)
    table = tiny.rows(50).drop_columns(["item"]).append_column("extra", pa.array([0] * 50))
    pq.write_table(table.set_column(6, "buy", pa.array([2] * 50)), tmp_path / "train.parquet")
    assert main(["check", str(config), "--data"]) == 2
    out = capsys.readouterr().out
    assert f"{tmp_path / 'train.parquet'}: column 'item' is missing" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "nowhere.config"], 2),
        (["export", "nowhere", "--out", "bundle"], 1),
        (["predict", "nowhere", "rows.parquet", "--out", "scores.parquet"], 1),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_what_is_not_there_is_one_line_and_no_traceback(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    err = capsys.readouterr().err
    assert "nowhere" in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_unknown_flags_and_verbs_stop_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["check", "a.config", "--fast"], ["fly"], []):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    assert "usage: peprank" in capsys.readouterr().err


def test_evaluate_prints_a_table_and_writes_every_number(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    assert main(["evaluate", str(folder / "bundle"), str(folder / "val.parquet"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "ctr" in printed
    assert "home" in printed
    named = json.loads(out.read_text())["named"]
    assert {"auc_ctr", "gauc_ctr", "logloss_cvr", "calibration_cvr", "auc"} <= named.keys()


def test_gates_prints_tables_and_writes_every_number_and_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plots = tmp_path / "gates.json", tmp_path / "plots"
    arguments = ["gates", str(folder / "bundle"), str(folder / "val.parquet"), "--out", str(out)]
    assert main([*arguments, "--plots", str(plots), "--by-user-feature", "item"]) == 0
    printed = capsys.readouterr().out
    assert "EPNet by field" in printed
    assert "PPNet ctr layer 1" in printed
    assert json.loads(out.read_text())["user_feature"] == "item"
    assert {path.name for path in plots.iterdir()} == {"epnet.png", "epnet-apart.png", "ppnet.png", "ppnet-input.png"}


def test_gates_of_a_model_without_any_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny.CONFIG.replace("wiring: PAPER", "").replace("pepnet {", "simple_multi_task {")
    config = config.replace("ppnet_hidden_units: [8, 4]", "")
    assert main(["train", str(tiny.write(tmp_path, config=config))]) == 0
    assert main(["gates", str(tmp_path / "model"), str(tmp_path / "val.parquet")]) == 1
    assert "has no gates to look at; PEPNet and mixtures of experts have" in capsys.readouterr().err


def test_importance_prints_a_table_and_writes_every_number(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "importance.json"
    arguments = ["importance", str(folder / "bundle"), str(folder / "val.parquet"), "--out", str(out)]
    assert main([*arguments, "--fields", "user, item", "--repeats", "1", "--measure", "logloss", "--rows", "0"]) == 0
    assert "logloss lost by task" in capsys.readouterr().out
    assert {cell["field"] for cell in json.loads(out.read_text())["cells"]} == {"user", "item"}


def test_predict_keeps_columns_and_row_order(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    arguments = ["predict", str(folder / "bundle"), str(folder / "val.parquet"), "--out", str(out)]
    assert main([*arguments, "--keep", "note,user"]) == 0
    scores = pq.read_table(out)
    assert scores.column_names == ["note", "user", "probs_ctr", "logits_ctr", "probs_cvr", "logits_cvr"]
    assert scores["note"].to_pylist() == pq.read_table(folder / "val.parquet")["note"].to_pylist()


@pytest.mark.parametrize("has_bf16", [False, True])
def test_auto_scores_in_what_the_processor_has_and_says_which(
    folder: Path, tmp_path: Path, has_bf16: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("peprank.api.has_bf16", lambda _: has_bf16)
    arguments = ["predict", str(folder / "bundle"), str(folder / "val.parquet"), "--out"]
    for name, choice in (("auto", "auto"), ("named", "bf16" if has_bf16 else "float32")):
        assert main([*arguments, str(tmp_path / name), "--precision", choice]) == 0
    assert pq.read_table(tmp_path / "auto").equals(pq.read_table(tmp_path / "named"))
    said = f"precision auto: {'bf16' if has_bf16 else 'float32'}\n"
    assert capsys.readouterr().err == said


def test_bf16_is_short_for_a_precision(folder: Path, tmp_path: Path) -> None:
    arguments = ["predict", str(folder / "bundle"), str(folder / "val.parquet"), "--out"]
    for name, choice in (("float32", []), ("long", ["--precision", "bf16"]), ("short", ["--bf16"])):
        assert main([*arguments, str(tmp_path / name), *choice]) == 0
    scores = {name: pq.read_table(tmp_path / name) for name in ("float32", "long", "short")}
    assert scores["short"].equals(scores["long"])
    assert not scores["short"].equals(scores["float32"])


def test_predict_into_a_folder_that_cannot_be_written_leaves_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "scores.parquet"
    assert main(["predict", str(folder / "bundle"), str(folder / "val.parquet"), "--out", str(out)]) == 1
    assert f"{out}: cannot be written" in capsys.readouterr().err


def test_predict_of_a_broken_file_leaves_the_old_scores(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    out.write_text("old")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    assert main(["predict", str(folder / "bundle"), str(tmp_path / "broken.parquet"), "--out", str(out)]) == 1
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.parquet", "scores.parquet"]


def test_explain_prints_groups_tables_gates_and_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(tiny.write(tmp_path))]) == 0
    out = capsys.readouterr().out
    for part in (
        "Feature groups",
        "Embedding tables",
        "Gates",
        "PEPNet, PAPER wiring: the equations in force",
        "Dense parts",
        "sg(O_ep)",
        "Multiply-adds",
    ):
        assert part in out


@needs_shared
def test_explain_counts_the_peers_example_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["explain", str(TAOBAO_CONFIG), "--train-input", "a.parquet", "--eval-input", "b.parquet"]
    assert main(arguments) == 0
    assert "Embedding parameters: 50,281,232; dense parameters: 2,674,694" in capsys.readouterr().out


@needs_shared
def test_the_config_of_the_peers_model_page_checks_explains_and_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train", "eval"):
        (tmp_path / "data" / name).mkdir(parents=True)
        pq.write_table(_doc_rows(300), tmp_path / "data" / name / "0.parquet")
    monkeypatch.chdir(tmp_path)
    small = [f"--set=feature_configs[id_feature.feature_name={name}].id_feature.num_buckets=1000" for name in _LARGE]
    config = [str(DOC_CONFIG), *small, "--set", "train_config.use_tensorboard=false"]
    assert main(["check", *config, "--data"]) == 0
    out = capsys.readouterr().out
    assert out.count("wide_deep") == 3
    assert "group_type" in out
    assert main(["explain", *config]) == 0
    assert main(["train", *config]) == 0
    assert (tmp_path / "experiments" / "pepnet_doc" / "checkpoints").is_dir()
    results = ["evaluate", "experiments/pepnet_doc", "data/eval", "--out", "results.json"]
    assert main(results) == 0
    assert "auc_cvr" in json.loads((tmp_path / "results.json").read_text())["named"]


_LARGE = ("user_id", "adgroup_id", "cate_id", "campaign_id", "customer", "brand")


def _doc_rows(num: int) -> pa.Table:
    """Rows of the schema of the peer's model page: tags as one string with `|` between them."""
    ids = ("cms_segid", "cms_group_id", "age_level", "pvalue_level", "shopping_level", "occupation")
    names = (*_LARGE, *ids, "new_user_class_level")
    columns: dict[str, list[object]] = {name: [k * 7 % 3 for k in range(num)] for name in names}
    columns["pid"] = [f"430548_{k % 2}" for k in range(num)]
    columns["tag_category_list"] = [["a|b", "c", "", None][k % 4] for k in range(num)]
    columns["tag_brand_list"] = [["x", "x|y|z"][k % 2] for k in range(num)]
    columns["price"] = [float(k % 200) for k in range(num)]
    columns["clk"] = [int(k % 3 == 0) for k in range(num)]
    columns["buy"] = [int(k % 12 == 0) for k in range(num)]
    return pa.table(columns)


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    config = tiny.write(tmp_path, train_rows=5_000)
    command = [
        sys.executable,
        "-m",
        "peprank",
        "train",
        str(config),
        "--threads",
        "1",
        "--set",
        "train_config.num_epochs=500",
    ]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    _wait_for(tmp_path / "model" / "metrics.jsonl", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    saved = sorted((tmp_path / "model" / "checkpoints").glob("step-*"))
    assert len(saved) >= 1
    step = max(int(path.name.removeprefix("step-")) for path in saved)
    assert main(["train", str(config), "--set", f"train_config.num_epochs={step // 79 + 1}"]) == 0


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (path.exists() and path.stat().st_size):
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)
