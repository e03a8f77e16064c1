"""Reading a config: the message is what protobuf makes of the text, and every mistake has its place."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.read import ConfigFile, parse, read
from peprank.errors import ConfigError
from tests.shared import SHARED, needs_shared


def complaints(text: str, *, is_json: bool = False) -> list[str]:
    """All that is wrong with a text, whether it stops the reading or not."""
    try:
        file = parse(text, "x.config", is_json=is_json)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in file.errors]


def warnings_of(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "x.config").warnings]


# What protobuf's text format takes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment",
        "train_config { num_epochs: 1 }",
        "train_config: { num_epochs: 1 }",
        "train_config < num_epochs: 1 >",
        "train_config { num_epochs: 1, num_steps: 2; seed: 3 },",
        "data_config { label_fields: ['a', \"b\"] label_fields: 'c' label_fields: [] }",
        "model_config { feature_groups: [{ group_name: 'a' }, < group_name: 'b' >] }",
        "model_config { feature_groups [{ group_name: 'a' }] }",
        "model_dir: 'a' \"b\"  # comment\n  'c'",
        r"model_dir: 'tab\t \x41 \101 \" \' caf\303\251 \\.'",
        r"model_dir: '.*\.weight'",
        "train_config { num_epochs: 0x1F num_steps: 017 seed: 18446744073709551615 }",
        "train_config { grad_clipping { max_gradient: 1e3 norm_type: inf } }",
        "train_config { grad_clipping { max_gradient: -1.5f norm_type: nan } }",
        "train_config { grad_clipping { max_gradient: .5 norm_type: 2 } }",
        "train_config { is_profiling: t use_tensorboard: 0 }",
        "data_config { dataset_type: 2 fg_mode: FG_DAG }",
        "feature_configs { id_feature { vocab_dict { key: 'a' value: 1 } vocab_dict: [{ key: 'b' value: 2 }] } }",
        "feature_configs { custom_feature { operator_params { fields { key: 'a' value { number_value: 1 } } } } }",
        "train_config { num_epochs: 1 } train_config { num_epochs: 2 num_steps: 3 }",
        "train_config { dense_optimizer { adam_optimizer {} sgd_optimizer { lr: 1 } } }",
        "model_dir: '\t# no comment {'",
    ],
)
def test_the_message_is_what_protobuf_makes_of_the_text(text: str) -> None:
    file = parse(text, "x.config")

    assert file.errors == ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # protobuf lets Python frown at "\\."
        wanted = text_format.Merge(text, pb.EasyRecConfig())
    assert str(file.message) == str(wanted)  # by text, since nan differs from itself


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return {
        FieldDescriptor.CPPTYPE_STRING: st.text(max_size=8),
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
        FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    }[field.cpp_type]


@st.composite
def messages(draw: st.DrawFn) -> pb.EasyRecConfig:
    """Any config of the schema, whatever it means."""
    config = pb.EasyRecConfig()
    write_some_fields(draw, config, depth=0)
    return config


def write_some_fields(draw: st.DrawFn, message: Message, depth: int) -> None:
    declared: Descriptor = message.DESCRIPTOR  # type: ignore[assignment]
    if not declared.fields:
        return
    for field in draw(
        st.lists(st.sampled_from(list(declared.fields)), max_size=4, unique_by=lambda field: field.number)
    ):
        holder = getattr(message, field.name)
        if field.message_type is None:
            if field.is_repeated:
                holder.extend(draw(st.lists(values(field), max_size=3)))
            else:
                setattr(message, field.name, draw(values(field)))
        elif field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            if entry["value"].message_type is None:
                holder.update(draw(st.dictionaries(values(entry["key"]), values(entry["value"]), max_size=2)))
        elif depth < 5:
            inner = holder.add() if field.is_repeated else holder
            inner.SetInParent()
            write_some_fields(draw, inner, depth + 1)


@settings(max_examples=150, deadline=None)
@given(config=messages(), is_line=st.booleans(), is_short=st.booleans(), brackets=st.booleans())
def test_any_config_comes_back_from_its_text(
    config: pb.EasyRecConfig, is_line: bool, is_short: bool, brackets: bool
) -> None:
    text = text_format.MessageToString(
        config, as_one_line=is_line, use_short_repeated_primitives=is_short, pointy_brackets=brackets
    )
    file = parse(text, "x.config")
    assert file.errors == file.warnings == ()
    assert str(file.message) == str(config)


@settings(max_examples=150, deadline=None)
@given(config=messages(), is_snake=st.booleans(), indent=st.sampled_from([None, 2]))
def test_any_config_comes_back_from_its_json(config: pb.EasyRecConfig, is_snake: bool, indent: int | None) -> None:
    text = json_format.MessageToJson(config, preserving_proto_field_name=is_snake, indent=indent)
    file = parse(text, "x.json", is_json=True)
    assert file.errors == file.warnings == ()
    assert str(file.message) == str(config)


WORDS = [
    "train_config",
    "num_epochs",
    "model_dir",
    "data_config",
    "label_fields",
    "batch_size",
    "dataset_type",
    "feature_configs",
    "id_feature\n",
    "",
    "",
    "",
    "grad_clipping",
    "norm_type",
    ":",
    ":",
    ":",
    ":",
    "{",
    "}",
    "{",
    "}",
    "<",
    ">",
    "[",
    "]",
    ",",
    ";",
    "1",
    "-1",
    "0x1F",
    "1.5",
    "inf",
    "true",
    "CsvDataset",
    "'a'",
    '"b"',
    "'\\n'",
    "'",
    "#",
    "-",
    ".",
    "@",
    "\n",
]


@settings(max_examples=600, deadline=None)
@given(words=st.lists(st.sampled_from([word for word in WORDS if word]), max_size=14))
def test_a_text_is_refused_just_when_protobuf_refuses_it(words: list[str]) -> None:
    text = " ".join(words)
    wanted = pb.EasyRecConfig()
    try:
        text_format.Merge(text, wanted)
    except text_format.ParseError:
        assert complaints(text)
    else:
        file = parse(text, "x.config")
        assert file.errors == ()
        assert file.message == wanted


# Faults: the whole text of each


def test_every_mistake_of_a_file_is_listed_with_its_place() -> None:
    text = """\
model_dir: 5
train_config {
  num_epoch: 2
  num_steps: -1
  seed 4
  dense_optimizer { adam_optimizer { lr: "x" } }
}
data_config {
  dataset_type: ParquetDatset
  fg_mode: "FG_DAG"
  batch_size: { a: 1 }
  label_fields: [a, "b"]
  pin_memory: yes
  delimiter: ["a"]
  in_order: [true]
}
eval_config: 3
zzz: 1
"""
    assert complaints(text) == [
        'x.config:1:12  model_dir = 5: must stand in quotes: "5"',
        "x.config:3:3  train_config.num_epoch = 2: no such field; did you mean num_epochs?",
        "x.config:4:14  train_config.num_steps = -1: must be a whole number from 0 to 4294967295",
        "x.config:5:3  train_config.seed = 4: a ':' is missing between name and value",
        'x.config:6:42  train_config.dense_optimizer.adam_optimizer.lr = "x": must be a number, without quotes',
        "x.config:9:17  data_config.dataset_type = ParquetDatset: must be one of OdpsDataset, ParquetDataset,"
        " CsvDataset, OdpsDatasetV1, KafkaDataset; did you mean ParquetDataset?",
        'x.config:10:12  data_config.fg_mode = "FG_DAG": must be one of FG_NONE, FG_NORMAL, FG_DAG, FG_BUCKETIZE,'
        " without quotes",
        "x.config:11:15  data_config.batch_size: must be a whole number from 0 to 4294967295, not a block",
        'x.config:12:18  data_config.label_fields[0] = a: must stand in quotes: "a"',
        "x.config:13:15  data_config.pin_memory = yes: must be true or false",
        "x.config:14:3  data_config.delimiter: takes one value, not a list",
        "x.config:15:3  data_config.in_order: takes one value, not a list",
        "x.config:17:14  eval_config = 3: must be a block: eval_config { ... }",
        "x.config:18:1  zzz = 1: no such field; there is train_input_path, eval_input_path, model_dir, train_config,"
        " eval_config, export_config, data_config, feature_configs, model_config",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("train_config {", ["1:14  this block is never closed; a '}' is missing in it"]),
        ("}", ["1:1  '}' closes nothing; remove it, or open a block before"]),
        ("model_dir: 'a\nmodel_dir: 'b'", ["1:12  the string has no closing quote on its line"]),
        ("model_dir:\ntrain_config {}", ["1:1  'model_dir' has no value"]),
        ("model_dir:", ["1:11  expected a value, found the end"]),
        ("model_dir", ["1:10  expected ':' and a value after 'model_dir', found the end"]),
        ("= 3", ["1:1  expected the name of a field, found '='"]),
        ("'model_dir': 'a'", ["1:1  expected the name of a field, found ''model_dir''"]),
        ("data_config { label_fields: ['a' 'b' 3] }", ["1:38  expected ',' or ']' in the list, found '3'"]),
        ("data_config { label_fields: ['a', }", ["1:35  expected a value, found '}'"]),
        ("train_config { num_epochs: ] }", ["1:28  expected a value, found ']'"]),
        (
            "a ? {\n  b: 1\n}\nc @\n",
            [
                "1:3  expected ':' and a value after 'a', found '?'",
                "4:3  expected ':' and a value after 'c', found '@'",
            ],
        ),
        (
            "a: {" * 99,
            ["1:260  nests more than 64 blocks; the rest is not read"],
        ),
    ],
)
def test_what_breaks_the_grammar_is_named(text: str, wanted: list[str]) -> None:
    found = [line for line in complaints(text) if "no such field" not in line]
    assert found == [f"x.config:{line}" for line in wanted]


def test_reading_goes_on_behind_a_fault() -> None:
    text = "train_config { num_epochs: } eval_config {\n  ?\n  num_step: 3\n}\nbatch_size: 3"
    assert complaints(text) == [
        "x.config:1:28  expected a value, found '}'",
        "x.config:2:3  expected the name of a field, found '?'",
        "x.config:3:3  eval_config.num_step = 3: no such field; did you mean num_steps?",
        "x.config:5:1  batch_size = 3: no such field; there is train_input_path, eval_input_path, model_dir,"
        " train_config, eval_config, export_config, data_config, feature_configs, model_config",
    ]


def test_a_forgotten_brace_is_found_once_and_not_again_in_each_line_below() -> None:
    text = (
        "feature_configs { id_feature { feature_name: 'a' }\nfeature_configs {}\nfeature_configs {}\nmodel_config {}\n"
    )
    assert complaints(text) == ["x.config:1:17  this block is never closed; a '}' is missing in it"]


def test_numbers_out_of_range_are_refused() -> None:
    text = """
    train_config { seed: 18446744073709551616 num_epochs: 1.5 num_steps: -1 grad_clipping { max_gradient: 1e39 } }
    feature_configs { raw_feature { boundaries: [1, 1e999, -inf] } }"""
    assert complaints(text) == [
        "x.config:2:26  train_config.seed = 18446744073709551616: must be a whole number from 0 to"
        " 18446744073709551615",
        "x.config:2:59  train_config.num_epochs = 1.5: must be a whole number from 0 to 4294967295",
        "x.config:2:74  train_config.num_steps = -1: must be a whole number from 0 to 4294967295",
        "x.config:2:107  train_config.grad_clipping.max_gradient = 1e39: is too large; the largest is 3.4028235e+38",
        "x.config:3:53  feature_configs[0].raw_feature.boundaries[1] = 1e999: is too large; the largest is"
        " 3.4028235e+38",
    ]


def test_strings_that_hold_no_text_are_refused() -> None:
    assert complaints(r"model_dir: '\xff' train_input_path: '\x' eval_input_path: '\N{x}'") == [
        r"x.config:1:12  model_dir = '\xff': holds an escape that means nothing; write \\ for a backslash",
        r"x.config:1:37  train_input_path = '\x': holds an escape that means nothing; write \\ for a backslash",
        r"x.config:1:59  eval_input_path = '\N{x}': holds an escape that means nothing; write \\ for a backslash",
    ]
    assert complaints(r'{"model_dir": "\ud800", "\ud800": 1}', is_json=True)[0] == (
        r'x.config:1:15  model_dir = "\ud800": holds half a character; write whole ones, in UTF-8'
    )


def test_old_names_are_taken_with_a_warning_that_names_the_new_ones() -> None:
    text = "model_config { feature_groups { wide_deep: WIDE } }\ntrain_config { fine_tune_ckpt_var_map: 'm.txt' }"
    file = parse(text, "x.config")
    assert file.message.model_config.feature_groups[0].group_type == pb.WIDE
    assert file.message.train_config.fine_tune_ckpt_param_map == "m.txt"
    assert [str(problem) for problem in file.warnings] == [
        "x.config:1:33  model_config.feature_groups[0].wide_deep = WIDE: is the old name; write group_type",
        "x.config:2:16  train_config.fine_tune_ckpt_var_map = 'm.txt': is the old name; write fine_tune_ckpt_param_map",
    ]


def test_what_is_overwritten_is_warned_about() -> None:
    text = """\
model_dir: 'a'
train_config { dense_optimizer { adam_optimizer {} sgd_optimizer {} } }
train_config { num_epochs: 1 }
model_dir: 'b'
"""
    assert warnings_of(text) == [
        "x.config:2:52  train_config.dense_optimizer.sgd_optimizer: replaces adam_optimizer: only one optimizer can be"
        " set, and the last one counts",
        "x.config:4:1  model_dir = 'b': is set twice, first in line 1; the last one counts",
    ]
    assert parse(text, "x.config").message.model_dir == "b"


def test_the_fields_of_a_model_that_is_not_known_are_read_over() -> None:
    file = parse("model_config { dbmtl { expert_mlp { units: [3] } num_expert: 3 } }", "x.config")
    assert file.errors == ()
    assert file.message.model_config.WhichOneof("model") == "dbmtl"


# Places


def test_a_problem_stands_where_its_field_or_the_nearest_one_around_it_stands() -> None:
    text = """\
feature_configs { id_feature { feature_name: 'a' } }
feature_configs {
  raw_feature {
    boundaries: [1,
                 2]
    boundaries: 3
  }
}
"""
    file = parse(text, "x.config", ["data_config.batch_size=0", "feature_configs[0].id_feature={ num_buckets: 3 }"])
    assert [
        str(file.problem(path, "bad"))
        for path in (
            "feature_configs",
            "feature_configs[1].raw_feature.boundaries[0]",
            "feature_configs[1].raw_feature.boundaries[1]",
            "feature_configs[1].raw_feature.boundaries[2]",
            "feature_configs[1].raw_feature.embedding_dim",
            "feature_configs[0].id_feature.num_buckets",
            "data_config.batch_size",
            "data_config.dataset_type",
        )
    ] == [
        "x.config:1:1  feature_configs: bad",
        "x.config:4:18  feature_configs[1].raw_feature.boundaries[0]: bad",
        "x.config:5:18  feature_configs[1].raw_feature.boundaries[1]: bad",
        "x.config:6:5  feature_configs[1].raw_feature.boundaries[2]: bad",
        "x.config:3:3  feature_configs[1].raw_feature.embedding_dim: bad",
        "--set  feature_configs[0].id_feature.num_buckets: bad",
        "--set  data_config.batch_size: bad",
        "x.config  data_config.dataset_type: bad",
    ]
    assert str(file.problem("", "empty", value="3", is_warning=True)) == "x.config   = 3: empty"


def test_a_misspelt_field_does_not_count_as_missing() -> None:
    file = parse("model_dri: 'a'", "x.config")
    assert file.names("model_dir")
    assert not file.names("train_input_path")


# JSON


def test_json_has_lines_and_suggestions_too() -> None:
    text = """{
  "modelDir": 3,
  "train_config": {"num_epoch": 2, "seed": "7", "gradClipping": {"normType": "Infinity"}},
  "data_config": {"dataset_type": "ParquetDatset", "label_fields": ["a", {"b": 1}], "delimiter": null},
  "feature_configs": [{"id_feature": {"vocab_dict": {"x": 1, "y": "z"}}}]
}"""
    assert complaints(text, is_json=True) == [
        "x.config:3:20  train_config.num_epoch = 2: no such field; did you mean num_epochs?",
        'x.config:4:35  data_config.dataset_type = "ParquetDatset": must be one of OdpsDataset, ParquetDataset,'
        " CsvDataset, OdpsDatasetV1, KafkaDataset; did you mean ParquetDataset?",
        "x.config:4:74  data_config.label_fields[1]: must be a string in quotes, not a block",
        'x.config:5:67  feature_configs[0].id_feature.vocab_dict[1].value = "z": must be a whole number from 0 to'
        " 18446744073709551615",
    ]


def test_json_holds_structs_as_they_are() -> None:
    params = {"a": [1, {"b": None}], "c": "d"}
    text = json.dumps({"feature_configs": [{"custom_feature": {"operator_params": params}}]})
    message = parse(text, "x.json", is_json=True).message
    assert json_format.MessageToDict(message.feature_configs[0].custom_feature.operator_params) == params


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "x.config:1:1  is not JSON: Expecting value"),
        ('{"model_dir": "a",\n}', "x.config:1:18  is not JSON: Illegal trailing comma before end of object"),
        ("[1]", "x.config:1:1  must be a JSON object: { ... }"),
        ('{"a":' * 100_000, "x.config:1:1  nests more than 64 blocks; the rest is not read"),
    ],
)
def test_what_is_not_json_is_named(text: str, wanted: str) -> None:
    if sys.version_info < (3, 13) and "trailing" in wanted:
        wanted = "x.config:2:1  is not JSON: Expecting property name enclosed in double quotes"
    assert complaints(text, is_json=True) == [wanted]


# Files


def test_a_file_is_text_or_json_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.config").write_text("model_dir: 'é'", encoding="utf-8")
    (tmp_path / "b.json").write_text('{"model_dir": "é"}', encoding="utf-8-sig")
    assert [read(tmp_path / name).message.model_dir for name in ("a.config", "b.json")] == ["é", "é"]


def test_a_file_that_is_no_config_gives_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "latin.config").write_bytes("model_dir:\n  'caf\xe9'".encode("latin-1"))
    (tmp_path / "parquet.config").write_bytes(b"PAR1\x00\x01\x02")
    (tmp_path / "folder.config").mkdir()
    found = []
    for name in ("latin.config", "parquet.config", "folder.config", "nowhere.config"):
        with pytest.raises(ConfigError) as caught:
            read(tmp_path / name)
        found.append(str(caught.value).removeprefix(f"{tmp_path}/"))
    assert found == [
        "latin.config:2:7  byte 0xe9 is not UTF-8; save the file as UTF-8",
        "parquet.config  is a binary file; a config is text",
        "folder.config  cannot be read: Is a directory",
        "nowhere.config  cannot be read: No such file or directory",
    ]


@settings(max_examples=300, deadline=None)
@given(text=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")), is_json=st.booleans())
def test_any_text_is_read_or_refused(text: str, is_json: bool) -> None:
    try:
        parse(text, "x.config", is_json=is_json)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - most texts are refused, some are fine


def test_reading_stops_when_nothing_looks_like_a_config() -> None:
    lines = complaints("@\n" * 1000)
    assert len(lines) == 21
    assert lines[-1] == "x.config:20:1  too many mistakes; the rest is not read. Is this a config?"


@needs_shared
@pytest.mark.parametrize("name", ["pepnet_doc_full", "pepnet_taobao"])
def test_configs_as_people_have_them_are_read(name: str) -> None:
    file: ConfigFile = read(SHARED / "fixtures" / "configs" / f"{name}.config")
    assert file.errors == ()
    new_names = file.text.replace("wide_deep", "group_type")
    assert file.message == text_format.Merge(new_names, pb.EasyRecConfig())
    assert len(file.warnings) == (3 if name == "pepnet_doc_full" else 0)


def test_reading_does_not_import_torch() -> None:
    code = "import sys, peprank.config.read; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
