"""The schema is the peer's, and what is made from it is fresh."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from peprank.config.protos import pipeline_pb2 as pb
from tests.shared import SHARED, needs_shared

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "protos"
REFERENCE = ROOT / "docs" / "config-reference.md"

# `name#tag label type[=default]`, as the page on the format writes it
FIELD = re.compile(
    r"(\w+)#(\d+) (?:(req|opt|rep) (?:enum )?(\w+)(?:=('[^']*'|[\w.+-]+))?(?: \[oneof (\w+)\])?|map<(\w+),(\w+)>)"
)
TYPES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def reachable(message: Descriptor, known: dict[str, Descriptor]) -> dict[str, Descriptor]:
    """Every message below `message`, by name."""
    if message.name not in known and message.file.package == "peprank.protos":
        known[message.name] = message
        for field in message.fields:
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                reachable(field.message_type, known)
    return known


MESSAGES = reachable(pb.EasyRecConfig.DESCRIPTOR, {})


def type_name(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return field.message_type.name
    return field.enum_type.name if field.enum_type is not None else TYPES[field.type]


def page_lines() -> Iterator[tuple[str, str]]:
    page = (SHARED / "reference" / "pipeline-config.md").read_text(encoding="utf-8")
    for line in page.splitlines():
        if match := re.match(r"- `(\w+)`(?: \([^)]*\))?: ?(.*)", line):
            yield match[1], match[2]


@needs_shared
def test_every_message_of_the_page_has_its_fields_with_tag_label_type_and_default() -> None:
    seen = 0
    for name, text in page_lines():
        for field_name, tag, label, kind, default, oneof, key, value in FIELD.findall(text):
            field = MESSAGES[name].fields_by_name[field_name]
            assert field.number == int(tag)
            seen += 1
            if field.message_type is not None and key:
                entry = field.message_type.fields_by_name
                assert [type_name(entry["key"]), type_name(entry["value"])] == [key, value]
                continue
            is_unknown = field.message_type is not None and field.message_type.name == "Foreign"
            assert type_name(field) == kind or is_unknown, field.full_name
            assert (field.is_required, field.is_repeated) == (label == "req", label == "rep"), field.full_name
            assert (field.containing_oneof.name if field.containing_oneof else "") == oneof, field.full_name
            assert_default(field, default)
    assert seen == 793


def assert_default(field: FieldDescriptor, written: str) -> None:
    assert field.has_default_value == bool(written), field.full_name
    if not written:
        return
    if field.enum_type is not None:
        assert field.enum_type.values_by_number[field.default_value].name == written
    elif field.type == FieldDescriptor.TYPE_STRING:
        assert field.default_value == written[1:-1].encode().decode("unicode_escape")
    elif field.type == FieldDescriptor.TYPE_BOOL:
        assert field.default_value == (written == "True")
    else:
        assert field.default_value == pytest.approx(float(written), rel=1e-7)


@needs_shared
def test_every_enum_of_the_page_has_its_values() -> None:
    page = (SHARED / "reference" / "pipeline-config.md").read_text(encoding="utf-8")
    enums = re.findall(r"^- enum `(\w+)`: (.*)$", page, re.MULTILINE)
    assert len(enums) == 8
    for name, values in enums:
        assert getattr(pb, name).items() == [
            (value, int(number)) for value, number in re.findall(r"(\w+)=(\d+)", values)
        ]


@needs_shared
def test_every_model_and_feature_kind_of_the_page_can_be_named() -> None:
    page = (SHARED / "reference" / "pipeline-config.md").read_text(encoding="utf-8")
    models = re.findall(r"(\w+)#(\d+)", re.findall(r"oneof model \{(.*?)\}", page)[0])
    kinds = re.findall(r"(\w+)#(\d+)", re.findall(r"^`FeatureConfig` oneof.*$", page, re.MULTILINE)[0])
    assert (len(models), len(kinds)) == (27, 25)
    for message, members in (("ModelConfig", models), ("FeatureConfig", kinds)):
        for name, tag in members:
            assert MESSAGES[message].fields_by_name[name].number == int(tag)


def test_our_own_fields_have_tags_from_1000_on() -> None:
    ours = {
        f"{name}.{field.name}": field.number
        for name, message in MESSAGES.items()
        for field in message.fields
        if field.number >= 1000
    }
    assert ours == {
        "TrainConfig.seed": 1000,
        "TrainConfig.early_stopping": 1001,
        "DataConfig.skip_bad_files": 1000,
        "DataConfig.bad_values": 1001,
        "EvalConfig.gauc_feature": 1000,
        "ModelConfig.domain_feature": 1000,
        "ModelConfig.default_domain": 1001,
        "ModelConfig.linear_init": 1010,
        "ModelConfig.embeddings_per_domain": 1011,
        "ModelConfig.shared_bottom": 1002,
        "ModelConfig.star": 1003,
        "ModelConfig.ple_md": 1004,
        "ModelConfig.hmoe": 1005,
        "ModelConfig.m3oe": 1006,
        "PEPNet.wiring": 1000,
        "PEPNet.ppnet_gate_hidden_unit": 1001,
        "PEPNet.epnet_gate": 1002,
        "PEPNet.main_group_name": 1003,
        "PEPNet.domain_group_name": 1004,
        "PEPNet.uia_group_name": 1005,
        "PEPNet.general_input": 1006,
        "PEPNet.cross": 1008,
        "PEPNet.detached_priors": 1007,
        "DeepFM.input_group_names": 1000,
        "DeepFM.task_domain_num": 1001,
        "DeepFM.task_towers": 1002,
        "xDeepFM.input_group_names": 1000,
        "xDeepFM.task_domain_num": 1001,
        "xDeepFM.task_towers": 1002,
        "DCNV1.input_group_names": 1000,
        "DCNV1.task_domain_num": 1001,
        "DCNV1.task_towers": 1002,
        "DCNV2.input_group_names": 1000,
        "DCNV2.task_domain_num": 1001,
        "DCNV2.task_towers": 1002,
        "MMoE.input_group_names": 1000,
        "MMoE.task_domain_num": 1001,
        "PLE.input_group_names": 1000,
        "PLE.task_domain_num": 1001,
        "HMoE.input_group_names": 1000,
        "HMoE.task_domain_num": 1001,
        "M3oE.input_group_names": 1000,
        "M3oE.task_domain_num": 1001,
        "PLEMD.input_group_names": 1000,
        "PLEMD.task_domain_num": 1001,
        "SharedBottom.input_group_names": 1000,
        "SharedBottom.task_domain_num": 1001,
        "SimpleMultiTask.input_group_names": 1000,
        "SimpleMultiTask.task_domain_num": 1001,
        "Star.input_group_names": 1000,
        "Star.task_domain_num": 1001,
    }


def test_generated_code_runs_on_the_oldest_protobuf_that_we_support() -> None:
    code = sorted((ROOT / "src" / "peprank" / "config" / "protos").glob("*_pb2.py"))
    assert len(code) == 15
    for path in code:
        assert "# Protobuf Python Version: 6.31.0" in path.read_text(encoding="utf-8"), path.name


def test_the_reference_shows_every_field_and_value() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    seen = 0
    for name, message in MESSAGES.items():
        for field in message.fields:
            row = re.search(rf"^\| `{field.name}` \|(.*)\|$", sections[name], re.MULTILINE)
            assert row, field.full_name
            _, _, meaning, here = row[1].replace("\\|", "").split("|")
            assert meaning.strip(), field.full_name
            assert here.strip().startswith(("yes", "no effect", "not yet")), field.full_name
            seen += 1
            if field.enum_type is not None:
                for value in field.enum_type.values:
                    assert f"| `{value.name}` | " in sections[field.enum_type.name]
    assert seen > 850


def test_what_is_made_from_the_protos_is_fresh() -> None:
    run = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_check_names_what_is_stale(tmp_path: Path) -> None:
    for part in ("scripts", "docs", "src"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    proto = tmp_path / "src" / "peprank" / "config" / "protos" / "module.proto"
    proto.write_text(proto.read_text(encoding="utf-8").replace("use_ln", "layer_norm"), encoding="utf-8")

    script = tmp_path / "scripts" / "protos"
    run = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "module.proto: what is made from the .proto files is stale; run scripts/protos",
        "config-reference.md: what is made from the .proto files is stale; run scripts/protos",
    ]
