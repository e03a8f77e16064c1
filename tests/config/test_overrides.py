"""--set: paths, selectors and values are checked like the file."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.read import parse

TEXT = """\
train_config {
  num_epochs: 1
  dense_optimizer { adam_optimizer { lr: 0.001 } }
}
data_config { label_fields: ["click", "like", "share"] }
feature_configs { id_feature { feature_name: "user_id" embedding_dim: 16 num_buckets: 100 } }
feature_configs { id_feature { feature_name: "item_id" embedding_dim: 8 } }
feature_configs { raw_feature { feature_name: "price" embedding_dim: 4 boundaries: [1, 2] } }
model_config {
  feature_groups { group_name: "all" feature_names: ["user_id", "price"] }
  feature_groups { group_name: "uia" feature_names: "item_id" }
}
"""


def changed(*changes: str) -> pb.EasyRecConfig:
    file = parse(TEXT, "x.config", changes)
    assert file.errors == ()
    return file.message


def complaints(*changes: str) -> list[str]:
    return [str(problem) for problem in parse(TEXT, "x.config", changes).errors]


def difference(change: str) -> dict[str, tuple[str, str]]:
    """What a change does to the printed message: line number -> before and after."""
    before, after = (
        text_format.MessageToString(message).splitlines() for message in (parse(TEXT, "x").message, changed(change))
    )
    assert len(before) == len(after)
    return {str(i): (a.strip(), b.strip()) for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ("train_config.num_epochs=2", ["num_epochs: 2"]),
        (" train_config.num_epochs = 0x10 ", ["num_epochs: 16"]),
        ("train_config.dense_optimizer.adam_optimizer.lr=1e-4", ["lr: 0.0001"]),
        ("feature_configs[1].id_feature.embedding_dim=2", ["embedding_dim: 2"]),
        ("feature_configs[-1].raw_feature.boundaries[0]=0.5", ["boundaries: 0.5"]),
        ("feature_configs[:].id_feature.embedding_dim=2", ["embedding_dim: 2"] * 2),
        ("feature_configs[1:].id_feature.embedding_dim=2", ["embedding_dim: 2"]),
        ("feature_configs[0:2].id_feature.embedding_dim=2", ["embedding_dim: 2"] * 2),
        ("feature_configs[id_feature.feature_name=user_id].id_feature.embedding_dim=2", ["embedding_dim: 2"]),
        ('feature_configs[id_feature.feature_name="user_id"].id_feature.embedding_dim=2', ["embedding_dim: 2"]),
        ("feature_configs[id_feature.embedding_dim>8].id_feature.embedding_dim=2", ["embedding_dim: 2"]),
        ("feature_configs[id_feature.embedding_dim>=8].id_feature.embedding_dim=2", ["embedding_dim: 2"] * 2),
        ("feature_configs[id_feature.embedding_dim<16].id_feature.embedding_dim=2", ["embedding_dim: 2"]),
        ("feature_configs[id_feature.embedding_dim<=16].id_feature.embedding_dim=2", ["embedding_dim: 2"] * 2),
        ("model_config.feature_groups[feature_names=item_id].group_name=x", ['group_name: "x"']),
        ("data_config.label_fields[1]=buy", ['label_fields: "buy"']),
        ("data_config.label_fields[:]=buy", ['label_fields: "buy"'] * 3),
        ("data_config.label_fields=[a, 'b', \"c\"]", ['label_fields: "a"', 'label_fields: "b"', 'label_fields: "c"']),
    ],
)
def test_a_change_touches_what_its_path_names_and_nothing_else(change: str, after: list[str]) -> None:
    assert [new for _, new in difference(change).values()] == after


def test_a_field_is_taken_away() -> None:
    message = changed("~train_config.num_epochs", "~feature_configs[:].id_feature.embedding_dim")
    assert not message.train_config.HasField("num_epochs")
    assert not any(each.id_feature.HasField("embedding_dim") for each in message.feature_configs)
    assert not changed("data_config.label_fields=[a]", " ~data_config.label_fields ").data_config.label_fields


def test_strings_may_go_without_quotes() -> None:
    for written, meant in [
        ("data/*.parquet,s3://b/x?y=[1]", "data/*.parquet,s3://b/x?y=[1]"),
        ('"a b"', "a b"),
        (r"'tab\t'", "tab\t"),
        ("", ""),
        ("3", "3"),
        ("{x}", "{x}"),
    ]:
        assert changed(f"train_input_path={written}").train_input_path == meant


@settings(max_examples=100, deadline=None)
@given(path=st.text(alphabet=st.characters(exclude_categories=["Cs", "Zs", "Cc"]), min_size=1))
def test_any_bare_path_is_taken_as_it_is(path: str) -> None:
    if path[0] not in "'\"" and path == path.strip():
        assert changed(f"model_dir={path}").model_dir == path


def test_a_whole_message_is_replaced() -> None:
    message = changed("train_config={ num_steps: 5 }", "feature_configs[0]={ raw_feature { feature_name: 'age' } }")
    assert str(message.train_config) == "num_steps: 5\n"
    assert str(message.feature_configs[0].raw_feature) == 'feature_name: "age"\n'
    assert not message.feature_configs[0].HasField("id_feature")


def test_a_whole_list_is_replaced_by_messages_or_by_one_value() -> None:
    message = changed("model_config.feature_groups=[{ group_name: 'x' }]", "data_config.label_fields=buy")
    assert [group.group_name for group in message.model_config.feature_groups] == ["x"]
    assert message.data_config.label_fields == ["buy"]


def test_what_is_not_there_yet_is_made_and_another_member_of_a_oneof_gives_way() -> None:
    message = changed("eval_config.num_steps=3", "train_config.dense_optimizer.sgd_optimizer.momentum=0.9")
    assert message.eval_config.num_steps == 3
    assert message.train_config.dense_optimizer.WhichOneof("optimizer") == "sgd_optimizer"


def test_later_changes_see_earlier_ones() -> None:
    message = changed("data_config.label_fields=[a]", "data_config.label_fields[0]=b", "data_config.label_fields[-1]=c")
    assert message.data_config.label_fields == ["c"]


def test_enums_bools_and_maps_are_typed_by_the_field() -> None:
    message = changed(
        "data_config.dataset_type=CsvDataset",
        "data_config.shuffle=true",
        "feature_configs[0].id_feature.vocab_dict={ key: 'a' value: 3 }",
    )
    assert (message.data_config.dataset_type, message.data_config.shuffle) == (pb.CsvDataset, True)
    assert dict(message.feature_configs[0].id_feature.vocab_dict) == {"a": 3}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("train_config.num_epoch=2", "train_config.num_epoch = 2: no such field; did you mean num_epochs?"),
        ("zzz.num_epochs=2", "zzz.num_epochs = 2: no such field as zzz in EasyRecConfig"),
        ("train_config.num_epochs=x", "train_config.num_epochs = x: must be a whole number from 0 to 4294967295"),
        ("train_config.num_epochs=-1", "train_config.num_epochs = -1: must be a whole number from 0 to 4294967295"),
        ("train_config.num_epochs=", "train_config.num_epochs = : expected a value, found the end"),
        ("~train_config.num_epoch", "~train_config.num_epoch: no such field; did you mean num_epochs?"),
        (
            "~train_config.num_epochs=2",
            "~train_config.num_epochs = 2: must be path.to.field=value, or ~path.to.field to take a field away",
        ),
        ("~data_config.label_fields[0]", "~data_config.label_fields[0]: takes away whole fields only"),
        (
            "train_config.num_epochs=1 2",
            "train_config.num_epochs = 1 2: nothing may follow the value, yet there is '2'",
        ),
        (
            "train_config.num_epochs={ a: 1 }",
            "train_config.num_epochs: must be a whole number from 0 to 4294967295, not a block",
        ),
        ("train_config=3", "train_config = 3: must be a block: train_config { ... }"),
        ("train_config={ num_epoch: 2 }", "train_config.num_epoch = 2: no such field; did you mean num_epochs?"),
        (
            "train_config={ num_epochs",
            "train_config = { num_epochs: expected ':' and a value after 'num_epochs', found the end",
        ),
        (
            "train_config.num_epochs",
            "train_config.num_epochs: must be path.to.field=value, or ~path.to.field to take a field away",
        ),
        ("train_config.num_epochs.x=2", "train_config.num_epochs.x = 2: num_epochs has no fields"),
        (
            "train_config[0].num_epochs=2",
            "train_config[0].num_epochs = 2: train_config is not a list, so it takes no [0]",
        ),
        (
            "=2",
            " = 2: is not a path; write it as in train_config.num_epochs=2 or feature_configs[0].id_feature",
        ),
        (
            "train_config..x=2",
            "train_config..x = 2: is not a path; write it as in train_config.num_epochs=2 or"
            " feature_configs[0].id_feature",
        ),
        ("train_config-x=2", "train_config-x = 2: '-x' cannot follow train_config"),
        (
            "feature_configs.id_feature.embedding_dim=2",
            "feature_configs.id_feature.embedding_dim = 2: feature_configs is a list; say which element:"
            " feature_configs[0], feature_configs[:] or feature_configs[field=value]",
        ),
        (
            "feature_configs[3].id_feature.embedding_dim=2",
            "feature_configs[3].id_feature.embedding_dim = 2: feature_configs has 3 elements, none at [3]",
        ),
        (
            "model_dir=caf\udce9",
            "model_dir = caf\\udce9: holds half a character; write whole ones, in UTF-8",
        ),
        ("data_config.label_fields[9]=x", "data_config.label_fields[9] = x: label_fields has 3 elements, none at [9]"),
        (
            "feature_configs[x].id_feature={}",
            "feature_configs[x].id_feature = {}: [x] selects nothing; write [0], [1:3], [:] or [field=value]",
        ),
        (
            "feature_configs[id_feature.feature_name=usr_id].id_feature={}",
            "feature_configs[id_feature.feature_name=usr_id].id_feature = {}: no element of feature_configs has"
            " id_feature.feature_name = usr_id; did you mean user_id?",
        ),
        (
            "feature_configs[id_feature.feature_nam=x].id_feature={}",
            "feature_configs[id_feature.feature_nam=x].id_feature = {}: no such field; did you mean feature_name?",
        ),
        (
            "feature_configs[id_feature.embedding_dim>big].id_feature={}",
            "feature_configs[id_feature.embedding_dim>big].id_feature = {}: in [id_feature.embedding_dim>big]:"
            " must be a whole number from 0 to 4294967295",
        ),
        (
            "feature_configs[id_feature=x].id_feature={}",
            "feature_configs[id_feature=x].id_feature = {}: id_feature is a block; compare one of its fields",
        ),
        (
            "feature_configs[:].lookup_feature.embedding_dim=2",
            "feature_configs[:].lookup_feature.embedding_dim = 2: no element that the path selects has this field set",
        ),
        (
            "data_config.label_fields[a=b]=x",
            "data_config.label_fields[a=b] = x: the elements of label_fields have no fields to compare",
        ),
        (
            "feature_configs[2].raw_feature.boundaries[0]=x",
            "feature_configs[2].raw_feature.boundaries[0] = x: must be a number",
        ),
        ("feature_configs[2]=x", "feature_configs[2] = x: must be a block: feature_configs { ... }"),
        (
            "feature_configs[0].id_feature.vocab_dict.a=1",
            "feature_configs[0].id_feature.vocab_dict.a = 1: vocab_dict is a map; set it whole:"
            " vocab_dict={ key: ... value: ... }",
        ),
    ],
)
def test_a_mistake_is_named_like_one_in_the_file(change: str, wanted: str) -> None:
    assert complaints(change) == [f"--set  {wanted}"]


def test_a_mistake_in_many_elements_is_named_once() -> None:
    assert complaints("feature_configs[:].id_feature.embedding_dim=x") == [
        "--set  feature_configs[0].id_feature.embedding_dim = x: must be a whole number from 0 to 4294967295"
    ]


def test_every_wrong_change_is_named() -> None:
    assert len(complaints("a=1", "train_config.num_epochs=2", "b=2")) == 2


@settings(max_examples=300, deadline=None)
@given(change=st.text(alphabet="train_config.numepochs=[]:<>{}'\"-0123 feature_configs", max_size=30) | st.text())
def test_any_change_is_carried_out_or_refused(change: str) -> None:
    parse(TEXT, "x.config", [change])
