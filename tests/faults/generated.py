"""Configs drawn from the schema: a working one with some of its fields set, added or taken away at random.

Any field of any message may change that a config acts on, but for maps and those in `_LEFT_ALONE`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from peprank.config.fill import is_map
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.support import ACTED_ON
from tests import tiny
from tests.contract.configs import EVERY_CONFIG
from tests.faults.test_configs import CONFIGS

# They name files, or columns of CSV files, which the drawn configs do not have.
_LEFT_ALONE: Final = """
    train_input_path eval_input_path model_dir vocab_file asset_dir fine_tune_checkpoint fine_tune_ckpt_param_map
    dataset_type input_fields input_fields_str delimiter with_header"""
_ANY_SIZE: Final = """
    warmup_size decay_size T_max T_0 T_mult patience keep_checkpoint_max log_step_count_steps num_workers
    save_checkpoints_steps save_checkpoints_epochs shuffle_buffer_size gradient_accumulation_steps decay_step
    schedule_sizes fg_threads"""
_MOST_CHANGES: Final = 12  # that are tried
_NUMBERS: Final = (0.0, 1e-3, 0.1, 0.5, 0.9, 1.0, 2.0, -0.5)
_COUNTS: Final = (0, 1, 2, 5)
_HUGE: Final = 2**32 - 1

_FEATURES: Final = ("user", "item", "tags", "tab", "price", "age", "nobody")
_LABELS: Final = ("click", "buy", "cls", "price", "nothing")
_GROUPS: Final = ("all", "domain", "uia", "wide", "fm", "none")
_INITS: Final = ("nn.init.normal_,std=0.1", "nn.init.uniform_,a=-0.1,b=0.1", "nn.init.zeros_", "nn.init.ones", "zero")
_METRICS: Final = ("auc", "auc_ctr", "gauc", "gauc_cvr", "logloss", "calibration_ctr", "accuracy_ctr", "ndcg")
_ACTIVATIONS: Final = ("nn.ReLU", "nn.Sigmoid", "nn.Tanh", "nn.GELU", "nn.SiLU", "nn.PReLU", "Dice", "relu", "")
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("gauc_feature", "grouping_key", "session_name", "domain_feature", "domain_input_name"), _FEATURES),
    **dict.fromkeys(("label_name", "label_fields", "task_space_indicator_label"), _LABELS),
    **dict.fromkeys(("main_group_name", "domain_group_name", "uia_group_name", "input_group_names"), _GROUPS),
    **dict.fromkeys(("init_fn", "wide_init_fn"), _INITS),
    **dict.fromkeys(("metric", "best_exporter_metric"), _METRICS),
    **dict.fromkeys(("activation", "ppnet_activation"), _ACTIVATIONS),
    **dict.fromkeys(("separator", "fg_encoded_multival_sep"), ("|", "\x1d", ",", ";")),
    **dict.fromkeys(("default_value", "fg_encoded_default_value"), ("", "0", "1", "a", "home", "0|1", "-3", "w1:0.5")),
    "feature_names": _FEATURES,
    "sample_weight_fields": ("w", "age", "weight"),
    "sample_weight_name": ("w", "age", "weight"),
    "expression": tuple(f"{side}:{name}" for side in ("user", "item") for name in (*_FEATURES, "three", "bag")),
    "embedding_name": ("shared", "user_emb", "item_emb"),
    "embedding_name_suffix": ("prior", "a"),
    "vocab_list": ("a", "b", "home", "search", "0", "item-1"),
    "pooling": ("sum", "mean", "max"),
    "data_type": ("FP32", "FP16", "INT8"),
    "normalizer": (
        "method=log10",
        "method=log10,threshold=1e-6,default=-3",
        "method=zscore,mean=1,standard_deviation=2",
        "method=minmax,min=0,max=90",
        "method=minmax,min=1,max=1",
        "method=expression,expr=x>3?1:log(x+1)",
        "method=expression,expr=sqrt(x)/(x-1)",
    ),
    "clipping_type": ("none", "norm", "value"),
    "mixed_precision": ("", "BF16", "AUTO", "FP16"),
    "regex_pattern": ("tower", ".*", "embed", "("),
    "tensorboard_summaries": ("loss", "learning_rate", "gate", "gradient", "gradient_norm", "parameter"),
    "default_domain": ("home", "search", "nowhere"),
    "exporter_type": ("latest", "best"),
    "average": ("macro", "weighted", "micro"),
    "tower_name": ("ctr", "cvr", "third"),
}
_WHOLE: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(("batch_size", "eval_batch_size"), (0, 1, 2, 7, 16, 40, 64, _HUGE)),
    **dict.fromkeys(("num_buckets", "hash_bucket_size"), (0, 1, 2, 3, 30, 50, 1000)),
    **dict.fromkeys(("embedding_dim", "wide_embedding_dim", "value_dim"), (0, 1, 3, 4)),
    **dict.fromkeys(("thresholds", "max_pairs", "max_pairs_per_group"), (0, 1, 2, 50, 200)),
    **dict.fromkeys(_ANY_SIZE.split(), (*_COUNTS, _HUGE)),
    "num_class": (1, 2, 3),
    "seed": (0, 7, 2**63, 2**64 - 1),
    "task_domain_num": (0, 1, 2, 3, 4),
}


def draw(rng: random.Random, accepts: Callable[[str], bool]) -> str:
    """A config as text that is accepted; its files are `train.parquet` and `val.parquet`, its model_dir `model`."""
    config = text_format.Parse(rng.choice(_BASES), pb.EasyRecConfig())
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        changed = pb.EasyRecConfig()
        changed.CopyFrom(config)
        holder = rng.choice(list(_messages(changed)))
        if fields := _fields(holder.DESCRIPTOR):
            _change(holder, rng.choice(fields), rng)
        config = changed if accepts(_text(changed)) else config
    return _text(config)


def _text(config: pb.EasyRecConfig) -> str:
    return text_format.MessageToString(config, as_utf8=True)


def _bases() -> Iterator[str]:
    yield from EVERY_CONFIG.values()
    for changes in CONFIGS.values():
        text = tiny.CONFIG
        for old, new in changes:
            text = text.replace(old, new, 1)
        yield text


_BASES: Final = tuple(_bases())


def _messages(message: Message) -> Iterator[Message]:
    """A message and all within it that a config acts on."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and field in _fields(message.DESCRIPTOR):
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


def _fields(owner: Descriptor | Any) -> list[FieldDescriptor]:
    names = set(ACTED_ON.get(owner.name, "").split()) - set(_LEFT_ALONE.split())
    return [field for field in owner.fields if field.name in names and not is_map(field)]


def _change(holder: Message, field: FieldDescriptor, rng: random.Random) -> None:
    """Set a field, add to a list or take it away."""
    if rng.random() < 0.15:
        holder.ClearField(field.name)
    elif field.message_type is not None:
        inner = getattr(holder, field.name)
        _fill(inner.add() if field.is_repeated else inner, rng)
    elif field.is_repeated:
        if rng.random() < 0.5:
            holder.ClearField(field.name)
        getattr(holder, field.name).extend(_value(field, rng) for _ in range(rng.randint(1, 2)))
    else:
        setattr(holder, field.name, _value(field, rng))


def _fill(message: Message, rng: random.Random) -> None:
    """Give a new message what it must have, one member of each oneof, and a few more fields."""
    message.SetInParent()
    owner = cast(Descriptor, message.DESCRIPTOR)
    fields = _fields(owner)
    alternatives = {field.name for oneof in owner.oneofs for field in oneof.fields}
    for oneof in owner.oneofs:
        if members := [field for field in oneof.fields if field in fields]:
            _change(message, rng.choice(members), rng)
    for field in fields:
        if field.name not in alternatives and (field.is_required or rng.random() < 0.2):
            _change(message, field, rng)


def _value(field: FieldDescriptor, rng: random.Random) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return rng.choice(_WORDS.get(field.name, ("a", "b")))
        case FieldDescriptor.CPPTYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptor.CPPTYPE_ENUM:
            assert field.enum_type is not None
            return rng.choice(field.enum_type.values).number
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return rng.choice(_NUMBERS)
        case _:
            return rng.choice(_WHOLE.get(field.name, _COUNTS))
