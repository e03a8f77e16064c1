"""An export is whole, proven and sealed, or it is not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import pytest

from peprank import api
from peprank import bundle as bundles
from peprank import onnx as exports
from peprank.bundle import ConfigSource
from peprank.cli.main import main
from peprank.errors import ArtifactError, DataError, PeprankError, SpecError
from peprank.models import build
from peprank.onnx import OnnxScorer, Signature, graph, requirements
from peprank.onnx.signature import GraphInput
from peprank.predict import Scorer
from peprank.sealed import MANIFEST, sealing
from tests import tiny

SOURCE = ConfigSource(text=tiny.CONFIG, assets={})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "bundle"
    bundles.save(path, SOURCE, build(SOURCE.lower().spec.model, seed=3).weights(), tiny.rows(64), step=12)
    return path


@pytest.fixture(scope="module")
def scorer(bundle: Path) -> Scorer:
    return api.load(bundle)


@pytest.fixture(scope="module")
def export(bundle: Path) -> Path:
    """The bundle as a graph."""
    path = bundle.with_name("graph")
    assert main(["export", str(bundle), "--onnx", str(path)]) == 0
    return path


@pytest.fixture
def traced(export: Path) -> onnx_ir.Model:
    """The bundle's graph; torch takes seconds to trace it again."""
    return onnx_ir.load(export / "model.onnx")


def test_an_export_holds_a_graph_and_what_its_inputs_are(export: Path) -> None:
    assert {path.name for path in export.iterdir()} == {"model.onnx", "model.json", MANIFEST}
    about = Signature.from_json((export / "model.json").read_text())
    assert about == OnnxScorer.load(export).signature  # from the file's metadata
    assert (about.opset, about.step) == (18, 12)
    assert [(item.name, item.form, item.end) for item in about.inputs] == [
        ("user", "id", 50),  # integers: one per row
        ("item", "ids", 30),  # text could be cut at its separator
        ("tags", "ids", 5),  # three words, and TorchEasyRec's rows for an empty cell and an unknown word
        ("tab", "ids", 4),
        ("price", "id", 4),
        ("age", "numbers", 0),
    ]
    assert [output.name for output in about.outputs] == ["probs_ctr", "logits_ctr", "probs_cvr", "logits_cvr"]


def test_the_file_says_its_shapes_and_no_path_of_this_machine(export: Path) -> None:
    model = onnx.load(export / "model.onnx")
    assert [entry.version for entry in model.opset_import] == [18]
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes["user"] == ["rows"]
    assert shapes["tags"][0] == shapes["probs_ctr"][0] == "rows"
    assert shapes["age"] == ["rows", 1]
    assert b"/" + Path(__file__).parts[1].encode() + b"/" not in (export / "model.onnx").read_bytes()


def test_rows_score_in_onnx_runtime_as_in_torch(export: Path, scorer: Scorer) -> None:
    runtime = OnnxScorer.load(export)
    features = scorer.features(tiny.rows(500, seed=9))
    found, wanted = runtime.score(features), scorer.output_arrays(scorer.logits(features))
    assert tuple(found) == scorer.output_names
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("wrong", [-(2**63), -2, 50, 2**63 - 1])
def test_an_id_outside_its_table_never_reaches_the_graph(export: Path, scorer: Scorer, wrong: int) -> None:
    runtime = OnnxScorer.load(export, threads=1)
    arrays = exports.arrays_of(runtime.signature.inputs, scorer.features(tiny.rows(3)))
    with pytest.raises(DataError) as refused:
        runtime.run(arrays | {"user": np.array([0, wrong, 1])})
    assert str(refused.value) == f"input 'user': id {wrong} is outside its table: must lie in [0, 50), or -1 for none"


def test_a_graph_that_scores_otherwise_is_not_written(
    scorer: Scorer, traced: onnx_ir.Model, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(export, tmp_path / "graph"))
    before = (copy / "model.onnx").read_bytes()
    changed = onnx_ir.from_proto(onnx_ir.to_proto(traced))
    (weight,) = (value for name, value in changed.graph.initializers.items() if name.endswith("tasks.0.0.logit.weight"))
    assert weight.const_value is not None
    weight.const_value = onnx_ir.tensor(weight.const_value.numpy() + np.float32(0.01))
    monkeypatch.setattr(graph, "trace", lambda *_, **__: changed)
    for place in (copy, tmp_path / "new"):
        with pytest.raises(ArtifactError, match=r"^the graph does not score the golden rows as the model does: 'probs"):
            exports.export(scorer, tiny.rows(64), place)
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]
    assert (copy / "model.onnx").read_bytes() == before


def test_large_weights_lie_beside_the_graph(
    scorer: Scorer, traced: onnx_ir.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "trace", lambda *_, **__: traced)
    exports.export(scorer, tiny.rows(64), tmp_path / "graph", most_inline_bytes=1000)
    model = onnx.load(tmp_path / "graph" / "model.onnx", load_external_data=False)
    outside = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    locations = {entry.value for tensor in outside for entry in tensor.external_data if entry.key == "location"}
    assert locations == {"model.onnx.data"}
    moved = (tmp_path / "graph").rename(tmp_path / "elsewhere")
    assert OnnxScorer.load(moved).signature.step == 12


def test_weights_outside_the_folder_are_not_read(export: Path, tmp_path: Path) -> None:
    """ONNX Runtime itself refuses them: CVE-2024-27318 and its kind."""
    onnx_ir.save(onnx_ir.load(export / "model.onnx"), tmp_path / "model.onnx", external_data="model.onnx.data")
    model = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../model.onnx.data"
    (tmp_path / "inside").mkdir()
    onnx.save(model, tmp_path / "inside" / "model.onnx")
    with pytest.raises(ArtifactError, match="ONNX Runtime cannot read it"):
        OnnxScorer(tmp_path / "inside" / "model.onnx")


@pytest.mark.parametrize("name", ["model.onnx", "model.json"])
def test_every_damaged_file_is_named(export: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(ArtifactError) as refused:
        OnnxScorer.load(copy)
    assert str(refused.value) == f"{copy / name}: its SHA-256 differs from the manifest's; it is damaged"


def test_a_file_that_is_no_graph_of_peprank_is_refused(export: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime cannot read it"):
        OnnxScorer(tmp_path / "model.onnx")
    model = onnx.load(export / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ArtifactError, match=r"model\.onnx: its metadata 'peprank' is no signature of a graph"):
        OnnxScorer(tmp_path / "model.onnx")


def test_a_signature_of_a_later_format_is_refused() -> None:
    about = json.loads(Signature(inputs=(), outputs=(), opset=18, step=1).to_json()) | {"format": 99}
    with pytest.raises(ArtifactError, match=r"^has format 99, this peprank reads 1; export it again$"):
        Signature.from_json(json.dumps(about))


def test_an_export_replaces_nothing_but_an_export(scorer: Scorer, bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    with pytest.raises(ArtifactError) as refused:
        exports.export(scorer, tiny.rows(64), copy)
    assert str(refused.value) == f"{copy}: exists and is no ONNX export; choose another folder or remove it"
    assert bundles.load(copy).step == 12


def test_a_folder_without_a_graph_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as refused:
        OnnxScorer.load(tmp_path)
    assert str(refused.value) == f"{tmp_path}: holds no model.onnx; make one with `peprank export --onnx`"


@pytest.mark.parametrize("opset", [17, 24])
def test_an_opset_that_torch_does_not_write_is_refused(scorer: Scorer, tmp_path: Path, opset: int) -> None:
    with pytest.raises(SpecError) as refused:
        exports.export(scorer, tiny.rows(64), tmp_path / "graph", opset=opset)
    assert str(refused.value) == f"opset = {opset}: must lie in [18, 23]"


def test_a_missing_package_is_named_with_its_remedy_before_anything_is_written(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name == "onnxruntime" else True)
    with pytest.raises(PeprankError) as refused:
        exports.require()
    assert str(refused.value) == "ONNX needs onnxruntime, not installed here: pip install 'peprank[onnx]'"
    assert main(["export", str(bundle), "--out", str(tmp_path / "b"), "--onnx", str(tmp_path / "g")]) == 1
    assert "pip install 'peprank[onnx]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to write: give --out BUNDLE, --onnx DIR or both"),
        (["--out", "b", "--target", "triton"], "--target and --opset are for a graph: give --onnx DIR as well"),
        (["--onnx", "a.onnx"], "a.onnx: would be a folder, with model.onnx in it; give it a name without .onnx"),
    ],
    ids=["nothing", "target", "a file"],
)
def test_a_command_that_cannot_mean_it_is_refused(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(bundle), *arguments]) == 1
    assert capsys.readouterr().err == f"peprank: {message}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(
    scorer: Scorer, traced: onnx_ir.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "trace", lambda *_, **__: traced)
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"file/graph: cannot be written .*; make room or choose another place$"):
        exports.export(scorer, tiny.rows(64), tmp_path / "file" / "graph")


def test_two_inputs_of_one_name_are_refused() -> None:
    spec = SOURCE.lower().spec.model
    assert "tags.weights" in {item.name for item in exports.signature.graph_inputs(spec, (), ("tags",))}
    item = GraphInput(name="tags.weights", feature="tags", form="weights")
    assert item.shape == (-1, -1)


def test_other_verbs_do_not_import_what_onnx_needs() -> None:
    code = (
        "import sys, peprank.cli.export; "
        "print([name for name in ('onnx', 'onnxruntime', 'onnxscript') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_directory_sealed_by_others_is_no_export(scorer: Scorer, tmp_path: Path) -> None:
    with sealing(tmp_path / "step-7") as directory:
        (directory / "state.json").write_text("{}")
    with pytest.raises(ArtifactError, match="exists and is no ONNX export"):
        exports.export(scorer, tiny.rows(64), tmp_path / "step-7")
