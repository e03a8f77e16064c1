"""A bundle proves itself: whatever is changed in it, or in what scores it, is noticed at loading."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from peprank import bundle as bundles
from peprank import config
from peprank.bundle import Bundle, ConfigSource, golden
from peprank.errors import ArtifactError, ConfigError, DataError
from peprank.models import build
from peprank.sealed import MANIFEST, sealing
from peprank.spec.trunk import PEPNetSpec
from tests import tiny

SOURCE = ConfigSource(text=tiny.CONFIG, assets={})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    weights = build(SOURCE.lower().spec.model, seed=3).weights()
    bundles.save(path, SOURCE, weights, tiny.rows(64), step=12)
    return path


def reseal(path: Path, change: Callable[[Path], object]) -> Path:
    """Change files of a bundle and write a manifest that agrees, as a wrong tool would."""
    with sealing(path.with_name("resealed")) as directory:
        shutil.copytree(path, directory, dirs_exist_ok=True)
        (directory / MANIFEST).unlink()
        change(directory)
    return path.with_name("resealed")


def test_a_bundle_loads_as_it_was_saved(bundle: Path) -> None:
    loaded = bundles.load(bundle)
    assert loaded.step == 12
    expected = build(SOURCE.lower().spec.model, seed=3).weights()
    assert loaded.ranker.weights().keys() == expected.keys()
    for name, value in loaded.ranker.weights().items():
        assert torch.equal(value, expected[name]), name


def test_a_bundle_holds_the_config_text_untouched(bundle: Path) -> None:
    assert (bundle / "pipeline.config").read_text() == tiny.CONFIG


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "pipeline.config", "golden_rows.parquet", "golden_logits.parquet"]
)
def test_every_damaged_file_is_named(bundle: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(ArtifactError) as refused:
        bundles.load(copy)
    assert str(refused.value) == (
        f"{copy / name}: its SHA-256 differs from the manifest's; it is damaged; "
        "copy the bundle anew, or export it again"
    )


def _swap_rows(directory: Path) -> None:
    weights = load_file(directory / "weights.safetensors")
    name = "embeddings.arenas.dim4.weight"
    weights[name][1:] = weights[name][1:].flip(0)  # row 0 is zero and is what missing ids read
    save_file(weights, directory / "weights.safetensors")


def _other_hash(directory: Path) -> None:
    text = (directory / "pipeline.config").read_text()
    swapped = text.replace('["home", "search"]', '["search", "home"]')
    (directory / "pipeline.config").write_text(swapped)


@pytest.mark.parametrize("change", [_swap_rows, _other_hash], ids=["rows of a table", "ids of a vocabulary"])
def test_golden_rows_find_what_hashes_cannot(bundle: Path, change: Callable[[Path], object]) -> None:
    with pytest.raises(ArtifactError, match="the golden rows no longer score as they did"):
        bundles.load(reseal(bundle, change))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_tables_are_mapped_and_not_copied(bundle: Path) -> None:
    ranker = bundles.load(bundle).ranker
    address = ranker.embeddings.arena("dim4").weight.data_ptr()
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    bounds = [[int(end, 16) for end in line[0].split("-")] for line in maps if line[-1].endswith("weights.safetensors")]
    assert any(start <= address < end for start, end in bounds)


def test_a_mapped_table_outlives_the_bundle_that_replaces_it(bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    loaded = bundles.load(copy)
    before = golden.golden_logits(bundles.read_rows(copy), loaded.encoder, loaded.ranker)
    bundles.save(copy, SOURCE, build(SOURCE.lower().spec.model, seed=4).weights(), tiny.rows(64), step=13)
    after = golden.golden_logits(bundles.read_rows(bundle), loaded.encoder, loaded.ranker)
    np.testing.assert_array_equal(after, before)
    assert bundles.load(copy).step == 13


def test_weights_are_as_readable_as_the_other_files(bundle: Path) -> None:
    assert {path.stat().st_mode for path in bundle.iterdir()} == {(bundle / "bundle.json").stat().st_mode}


def test_a_bundle_of_format_1_holds_tables_one_by_one(bundle: Path) -> None:
    weights = build(SOURCE.lower().spec.model, seed=3).weights()

    def as_format_1(directory: Path) -> None:
        save_file({name: value.contiguous() for name, value in weights.items()}, directory / "weights.safetensors")
        about = json.loads((directory / "bundle.json").read_text())
        (directory / "bundle.json").write_text(json.dumps(about | {"format": 1}))

    old, new = bundles.load(reseal(bundle, as_format_1)).ranker, bundles.load(bundle).ranker
    for name, value in old.state_dict().items():
        assert torch.equal(value, new.state_dict()[name]), name


def test_weights_of_another_plan_are_named(bundle: Path) -> None:
    weights = dict(bundles.load(bundle).ranker.weights())
    weights.pop(next(iter(weights)))
    with pytest.raises(ArtifactError, match=r"embeddings\.\w+\.weight"):
        Bundle.of(SOURCE, weights, 0)


def test_a_bundle_of_a_later_format_is_refused(bundle: Path) -> None:
    def raise_format(directory: Path) -> None:
        about = json.loads((directory / "bundle.json").read_text())
        (directory / "bundle.json").write_text(json.dumps(about | {"format": 99}))

    with pytest.raises(ArtifactError, match=r"has format 99, this peprank reads 2; export it again$"):
        bundles.load(reseal(bundle, raise_format))


def test_a_folder_that_is_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as refused:
        bundles.load(tmp_path)
    assert str(refused.value) == f"{tmp_path}: is no bundle (it has no bundle.json); make one with `peprank export`"


def test_a_failing_export_leaves_the_old_bundle_whole(bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    weights = bundles.load(bundle).ranker.weights()
    with pytest.raises(KeyError):
        bundles.save(copy, SOURCE, weights, tiny.rows(64).drop_columns(["user"]), step=13)
    assert bundles.load(copy).step == 12
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_overrides_and_vocabulary_files_travel_with_the_model(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("home\nsearch\n")
    text = tiny.CONFIG.replace('vocab_list: ["home", "search"]', f'vocab_file: "{words}" default_bucketize_value: 0')
    source = ConfigSource(
        text=text, overrides=("model_config.pepnet.ppnet_hidden_units=[6]",), assets={str(words): words.read_text()}
    )
    weights = build(source.lower().spec.model, seed=1).weights()
    bundles.save(tmp_path / "bundle", source, weights, tiny.rows(8), step=1)
    words.unlink()
    loaded = bundles.load(tmp_path / "bundle")
    assert isinstance(loaded.spec.model.trunk, PEPNetSpec)
    assert loaded.spec.model.trunk.ppnet is not None
    assert loaded.spec.model.trunk.ppnet.hidden_dims == (6,)


def test_a_config_that_no_longer_checks_is_a_config_error(bundle: Path) -> None:
    def misspell(directory: Path) -> None:
        (directory / "pipeline.config").write_text(tiny.CONFIG.replace("num_buckets", "num_bucket"))

    with pytest.raises(ConfigError, match="did you mean"):
        bundles.load(reseal(bundle, misspell))


def test_golden_rows_come_from_the_evaluation_files_without_labels(tmp_path: Path) -> None:
    spec = config.load(tiny.write(tmp_path)).spec
    rows = bundles.draw_golden_rows(spec)
    val = pq.read_table(tmp_path / "val.parquet")
    assert rows.num_rows == 64
    assert rows["user"].to_pylist() == val["user"].to_pylist()[:64]
    assert not {"click", "buy", "note"} & set(rows.column_names)


def test_golden_rows_come_from_the_training_files_where_there_are_none_to_evaluate(tmp_path: Path) -> None:
    spec = config.load(tiny.write(tmp_path, val_rows=0, train_rows=5)).spec
    assert bundles.draw_golden_rows(spec).num_rows == 5
    pq.write_table(tiny.rows(0), tmp_path / "train.parquet")
    with pytest.raises(DataError) as refused:
        bundles.draw_golden_rows(spec)
    assert str(refused.value) == f"{tmp_path / 'train.parquet'}: has no rows to train on"


def test_a_bundle_replaces_nothing_but_a_bundle(bundle: Path, tmp_path: Path) -> None:
    with sealing(tmp_path / "step-7") as directory:
        (directory / "state.json").write_text("{}")
    with pytest.raises(ArtifactError) as refused:
        bundles.save(tmp_path / "step-7", SOURCE, bundles.load(bundle).ranker.weights(), tiny.rows(8), step=1)
    assert str(refused.value) == f"{tmp_path / 'step-7'}: exists and is no bundle; choose another place or remove it"
    assert (tmp_path / "step-7" / "state.json").read_text() == "{}"
