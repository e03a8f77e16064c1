"""Which feature says a row's domain -> DomainSpec."""

from __future__ import annotations

from typing import Final

from peprank.config.lower_features import EmbeddedFeature, is_id
from peprank.config.names import Names
from peprank.config.place import Place, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import numbers
from peprank.spec.feature import Identity, IdFeature, RawFeature, Vocabulary
from peprank.spec.model import DomainSpec

# Models with parts besides the towers that the domain picks.
NEED_DOMAIN: Final = frozenset({"star", "ple_md", "hmoe", "m3oe"})


def domain(msg: pb.ModelConfig, at: Place, model: Place, names: Names) -> DomainSpec | None:
    """The domain feature, its ids and how many towers they pick from; `model` is the place of the model's message."""
    if _num_towers(model) == 0:
        model["task_domain_num"].error("must be at least 1")
    name = _name(msg, at, names)
    if name is None or name not in names.features:
        _note_needs_domain(msg, at, model, is_known=name is not None)
        return None
    feature = names.features[name]
    if feature.rows == 0:
        _note_plain_domain(msg, at, model, name)
        return None
    _check_tower_count(msg, model, name, feature.rows)
    return DomainSpec(
        feature=name,
        num_domains=feature.rows,
        num_towers=feature.rows if _num_towers(model) > 1 else 1,
        has_own_embeddings=msg.embeddings_per_domain,
        default=_default(msg, at, feature),
    )


def _picker(msg: pb.ModelConfig, at: Place, model: Place) -> Place | None:
    """What asks for parts of the model that the domain picks."""
    if _num_towers(model) > 1:
        return model["task_domain_num"]
    if msg.embeddings_per_domain:
        return at["embeddings_per_domain"]
    return model if msg.WhichOneof("model") in NEED_DOMAIN else None


def _num_towers(model: Place) -> int:
    towers = model["task_domain_num"].node
    assert isinstance(towers, int)
    return towers


def _name(msg: pb.ModelConfig, at: Place, names: Names) -> str | None:
    """domain_feature; PEPNet without it takes domain_input_name, else the first feature of its domain group."""
    if msg.HasField("domain_feature"):
        if msg.domain_feature not in names.features and msg.domain_feature not in names.broken:
            at["domain_feature"].error(
                f"is not the name of a feature{meant(msg.domain_feature, names.features)}; name an id feature"
            )
        return msg.domain_feature
    if not msg.HasField("pepnet"):
        return None
    if msg.pepnet.HasField("domain_input_name"):
        return _domain_input(msg.pepnet.domain_input_name, at["pepnet"]["domain_input_name"], names)
    group = next((group for group in msg.feature_groups if group.group_name == msg.pepnet.domain_group_name), None)
    return group.feature_names[0] if group is not None and group.feature_names else None


def _domain_input(name: str, at: Place, names: Names) -> str:
    """The peer reads the domain from a column, so a feature of that column will do."""
    if name in names.features or name in names.broken:
        return name
    for feature in names.features.values():
        if feature.spec.column == name:
            return feature.spec.name
    at.error(
        f"is neither a feature nor the column of one{meant(name, names.features)}; "
        "name the id feature that says the domain"
    )
    return name


def _note_needs_domain(msg: pb.ModelConfig, at: Place, model: Place, *, is_known: bool) -> None:
    if is_known:  # the name has been noted as unknown
        return
    picker = _picker(msg, at, model)
    if picker is not None:
        beside = picker.path.endswith("task_domain_num") and model.has("domain_input_name")
        remedy = "domain_input_name beside it" if beside else "model_config.domain_feature"
        picker.error(f"no feature says the domain; write {remedy}")
    if msg.HasField("default_domain"):
        at["default_domain"].error("no feature says the domain; write domain_feature beside it, or remove this")


def _note_plain_domain(msg: pb.ModelConfig, at: Place, model: Place, name: str) -> None:
    remedy = "name an id feature, or give it boundaries"
    if msg.HasField("domain_feature"):
        at["domain_feature"].error(f"holds plain numbers; {remedy}")
    elif model["domain_input_name"].is_set:
        model["domain_input_name"].error(f"holds plain numbers; {remedy}")
    elif (picker := _picker(msg, at, model)) is not None:
        picker.error(f"the domain would be '{name}', which holds plain numbers; {remedy}")
    else:
        at["domain_feature"].warn(
            f"is not set, and '{name}', the first of the domain group, holds plain numbers: "
            "results are not split by domain; write model_config.domain_feature"
        )


def _check_tower_count(msg: pb.ModelConfig, model: Place, name: str, rows: int) -> None:
    towers, at = _num_towers(model), model["task_domain_num"]
    if 1 < towers < rows:
        at.error(
            f"the domain feature '{name}' has {rows} ids, so ids from {towers} on have no tower; "
            f"write task_domain_num: {rows}"
        )
    elif towers > rows > 0:
        at.error(
            f"the domain feature '{name}' has {rows} ids, so {towers - rows} towers would never learn; "
            f"write task_domain_num: {rows}"
        )
    elif towers > 1 and msg.HasField("pepnet") and not msg.pepnet.HasField("domain_input_name"):
        at.warn(f"the row's '{name}' picks the tower here; TorchEasyRec ignores this field without domain_input_name")


def _default(msg: pb.ModelConfig, at: Place, feature: EmbeddedFeature) -> str | None:
    """The raw value as it would stand in a row; the encoder turns it into an id."""
    if not msg.HasField("default_domain"):
        return None
    value, place = msg.default_domain, at["default_domain"]
    match feature.spec:
        case IdFeature(rule=Vocabulary(words=words)) if value not in words:
            place.error(f"is not a word of '{feature.spec.name}'{meant(value, words)}; name one that it lists")
        case IdFeature(rule=Identity(rows=rows)) | RawFeature(is_bucketized=True, rows=rows) if not is_id(value, rows):
            place.error(f'is not an id of \'{feature.spec.name}\'; write one from "0" to "{rows - 1}"')
        case RawFeature(is_bucketized=False):
            numbers((value,), place)
    return value
