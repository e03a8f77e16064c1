"""Each recipe under examples/protocols, on made-up files of the official layout: its own command, check, two steps."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from peprank.cli.main import main
from tests.datasets.aliccp_archive import many, write_aliccp
from tests.datasets.archive import Impression, write_archive
from tests.datasets.movielens_files import many_ratings, write_movielens

PROTOCOLS = Path(__file__).resolve().parents[2] / "examples" / "protocols"
ROWS = 60
IMPRESSIONS = [
    Impression(k % 2, k // 2 % 2, 20220429, click=k // 3 % 2, tab=(1, 0, 4, 2, 6)[k % 5], time_ms=k)
    for k in range(ROWS)
]
ARCHIVES: dict[str, Callable[[Path], Path]] = {  # config -> what writes its archive
    "kuairand_pure": lambda root: write_archive(root, IMPRESSIONS),
    "kuairand_1k": lambda root: write_archive(root, IMPRESSIONS, logs=2, suffix="1k"),
    "movielens": lambda root: write_movielens(root, many_ratings(ROWS)),
    "aliccp": lambda root: write_aliccp(root, many(ROWS)),
}
DOMAINS = {  # config -> domain column, values
    "kuairand_pure": ("tab", {0, 1, 4}),
    "kuairand_1k": ("tab", {0, 1, 2, 4, 6}),
    "movielens": ("age_group", {0, 1, 2}),
    "aliccp": ("scenario", {1, 2, 3}),
}
LARGE = {  # config -> tables that would take seconds to fill and to save
    "kuairand_1k": ("video_id.num_buckets", "author_id.hash_bucket_size", "music_id.hash_bucket_size"),
    "aliccp": ("item_id.num_buckets", "shop.num_buckets", "user_id.num_buckets", "history_shop.num_buckets"),
}


def commands(config: Path) -> list[list[str]]:
    """What the head of a config tells the reader to type, in order: datasets, train, evaluate."""
    return [shlex.split(line) for line in re.findall(r"^#   peprank (.+)$", config.read_text("utf-8"), re.MULTILINE)]


def test_every_config_has_an_archive_here() -> None:
    assert sorted(path.stem for path in PROTOCOLS.glob("*.config")) == sorted(ARCHIVES)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_recipe_runs_from_the_official_files_to_the_test_rows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(PROTOCOLS.parent)
    config = PROTOCOLS / f"{name}.config"
    datasets, train, evaluate = commands(config)
    ARCHIVES[name](tmp_path / datasets[datasets.index("--source") + 1])
    assert main([*datasets, *(("--min-count", "1") if name == "aliccp" else ())]) == 0
    assert main(["check", str(config), "--data"]) == 0
    assert f"{config}: fine." in capsys.readouterr().out
    rows = ROWS if name == "aliccp" else ROWS * 8 // 10  # the test rows of Ali-CCP are in a file of their own
    smaller = [table.split(".") for table in LARGE.get(name, ())]
    changes = [
        f"data_config.batch_size={rows // 2}",
        *(f"feature_configs[id_feature.feature_name={feature}].id_feature.{size}=100" for feature, size in smaller),
    ]
    assert main([*train, *(f"--set={change}" for change in changes)]) == 0
    assert "2 steps" in capsys.readouterr().out
    assert main([*evaluate, "--out", "results.json"]) == 0
    column, values = DOMAINS[name]
    folder = tmp_path / datasets[datasets.index("--out") + 1]
    assert set(pq.read_table(folder / "train.parquet")[column].to_pylist()) == values
    assert {cell["column"] for cell in json.loads((tmp_path / "results.json").read_text())["cells"]} == {None, column}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --split, or --train and --val"),
        (["--train", "20220425"], "give either --split, or --train and --val"),
        (["--split", "8:1:1", "--test", "20220425"], "give either --split, or --train and --val"),
        (["--split", "8:1:1", "--tabs", "home"], "argument --tabs: 'home': not of the form 1,0,4"),
        (["--split", "8:1:1", "--order", "time"], "argument --order: invalid choice: 'time'"),
    ],
)
def test_options_of_kuairand_that_do_not_fit_leave_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["datasets", "kuairand", "--source", "in", "--out", "out", *arguments])
    assert message in capsys.readouterr().err
