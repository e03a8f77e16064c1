"""A config as a flat list of what it sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peprank.config import parse, settings_of


def settings(text: str, *changes: str) -> dict[str, str]:
    file = parse(text, "x.config", changes)
    assert not file.errors
    return settings_of(file.message)


def feature(kind: str, name: str, more: str = "") -> str:
    return f'feature_configs {{ {kind} {{ feature_name: "{name}" {more} }} }}\n'


def test_values_are_written_as_in_the_text_format() -> None:
    text = """
    train_config { sparse_optimizer { adagrad_optimizer { lr: 0.004 } constant_learning_rate {} } seed: 1234567890123 }
    data_config { dataset_type: ParquetDataset shuffle: true label_fields: ["é", "b"] }
    """
    assert settings(text) == {
        "train_config.sparse_optimizer.adagrad_optimizer.lr": "0.004",  # float32, yet not 0.0040000002
        "train_config.sparse_optimizer.constant_learning_rate": "{}",
        "train_config.seed": "1234567890123",
        "data_config.dataset_type": "ParquetDataset",
        "data_config.label_fields": '["é", "b"]',
        "data_config.shuffle": "true",
    }


def test_elements_go_by_their_names_wherever_they_stand() -> None:
    one, other = feature("id_feature", "user", "num_buckets: 5"), feature("raw_feature", "age")
    assert settings(one + other) == settings(other + one)
    assert settings(one)["feature_configs[user].id_feature.num_buckets"] == "5"


def test_elements_without_a_name_of_their_own_go_by_their_places() -> None:
    shared = feature("combo_feature", "u") + feature("expr_feature", "u")
    assert list(settings(shared)) == [
        "feature_configs[0].combo_feature.feature_name",
        "feature_configs[1].expr_feature.feature_name",
    ]
    tower = 'tower_name: "a" label_name: "b" losses { binary_cross_entropy {} } losses { l2_loss {} }'
    found = settings(f"model_config {{ simple_multi_task {{ task_towers {{ {tower} }} }} }}")
    assert found["model_config.simple_multi_task.task_towers[a].losses[1].l2_loss"] == "{}"


def test_maps_are_one_value_in_the_order_of_their_keys() -> None:
    entries = [f'vocab_dict {{ key: "{key}" value: {k} }}' for k, key in enumerate("ba", 2)]
    found = settings(feature("id_feature", "c", " ".join(entries)))
    assert found["feature_configs[c].id_feature.vocab_dict"] == "{a: 3, b: 2}"
    operator = 'operator_name: "o" operator_params { fields { key: "x" value { number_value: 2 } } }'
    assert "{x: { number_value: 2.0 }}" in settings(feature("custom_feature", "k", operator)).values()


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_two_configs_differ_in_what_was_changed_and_nowhere_else(before: int, after: int) -> None:
    text = feature("id_feature", "user", "num_buckets: 5") + f"train_config {{ seed: {before} }}"
    old, new = settings(text), settings(text, f"train_config.seed={after}")
    assert {path for path in old | new if old.get(path) != new.get(path)} == (
        {"train_config.seed"} if before != after else set()
    )
