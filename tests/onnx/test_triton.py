"""The config.pbtxt of a Triton model: what Triton's own parser would take, and what the graph has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import Message

from peprank import api
from peprank import bundle as bundles
from peprank.bundle import ConfigSource
from peprank.cli.main import main
from peprank.errors import ArtifactError
from peprank.models import build
from peprank.onnx import GraphInput, GraphOutput, OnnxScorer, Signature
from peprank.onnx.triton import config_text
from tests import tiny

# Of Triton's model_config.proto, as its repository "common" has it: the fields that we write, with its numbers.
_TYPES = {"TYPE_INT64": 5, "TYPE_FP32": 11}
_FIELD = descriptor_pb2.FieldDescriptorProto


def _model_config() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    types = file.enum_type.add(name="DataType")
    for name, number in {"TYPE_INVALID": 0, **_TYPES}.items():
        types.value.add(name=name, number=number)
    for side, type_number, dims_number in (("ModelInput", 2, 4), ("ModelOutput", 2, 3)):
        tensor = file.message_type.add(name=side)
        tensor.field.add(name="name", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
        tensor.field.add(
            name="data_type",
            number=type_number,
            type=_FIELD.TYPE_ENUM,
            type_name=".inference.DataType",
            label=_FIELD.LABEL_OPTIONAL,
        )
        tensor.field.add(name="dims", number=dims_number, type=_FIELD.TYPE_INT64, label=_FIELD.LABEL_REPEATED)
    config = file.message_type.add(name="ModelConfig")
    config.field.add(name="name", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    config.field.add(name="platform", number=2, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    config.field.add(name="max_batch_size", number=4, type=_FIELD.TYPE_INT32, label=_FIELD.LABEL_OPTIONAL)
    for name, number in (("input", 5), ("output", 6)):
        config.field.add(
            name=name,
            number=number,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".inference.Model{name.capitalize()}",
            label=_FIELD.LABEL_REPEATED,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


def parsed(text: str) -> Any:
    return text_format.Parse(text, _model_config()())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with one model, `tiny`."""
    folder = tmp_path_factory.mktemp("triton")
    source = ConfigSource(text=tiny.CONFIG, assets={})
    weights = build(source.lower().spec.model, seed=3).weights()
    bundles.save(folder / "bundle", source, weights, tiny.rows(64), step=12)
    out = folder / "models" / "tiny"
    assert main(["export", str(folder / "bundle"), "--onnx", str(out), "--target", "triton"]) == 0
    return folder / "models"


def test_the_config_says_what_the_graph_has(repository: Path) -> None:
    config = parsed((repository / "tiny" / "config.pbtxt").read_text())
    assert (config.name, config.platform, config.max_batch_size) == ("tiny", "onnxruntime_onnx", 0)
    session = onnxruntime.InferenceSession(str(repository / "tiny" / "1" / "model.onnx"))
    kinds = {"tensor(int64)": _TYPES["TYPE_INT64"], "tensor(float)": _TYPES["TYPE_FP32"]}
    for written, graph in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert [item.name for item in written] == [item.name for item in graph]
        for item, own in zip(written, graph, strict=True):
            assert item.data_type == kinds[own.type]
            assert list(item.dims) == [size if isinstance(size, int) else -1 for size in own.shape]


def test_a_repository_holds_versions_and_loads_as_an_export_does(repository: Path) -> None:
    names = {path.relative_to(repository / "tiny").as_posix() for path in (repository / "tiny").rglob("*")}
    assert names == {"config.pbtxt", "manifest.json", "1", "1/model.onnx", "1/model.json"}
    assert OnnxScorer.load(repository / "tiny").signature.step == 12


def test_any_name_of_a_feature_survives() -> None:
    names = ['a "b"', "back\\slash", "line\nbreak", "größe", "商品"]
    inputs = tuple(GraphInput(name=name, feature=name, form="ids", end=5) for name in names)
    text = config_text("m", Signature(inputs=inputs, outputs=(GraphOutput(name="p", width=3),), opset=18, step=1))
    config = parsed(text)
    assert [item.name for item in config.input] == names
    assert [list(item.dims) for item in config.output] == [[-1, 3]]


@pytest.mark.parametrize("name", ["", "..", "a b", "a/b", "ä"])
def test_a_name_that_is_no_models_is_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match="cannot name a model of Triton: use letters, digits, "):
        config_text(name, Signature(inputs=(), outputs=(), opset=18, step=1))


def test_a_bad_name_is_refused_before_anything_is_written(repository: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot name a model of Triton"):
        api.export_onnx(repository.parent / "bundle", repository / "a b", target="triton")
    assert not (repository / "a b").exists()
