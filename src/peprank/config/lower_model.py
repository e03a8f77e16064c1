"""`model_config` -> ModelSpec: PEPNet, its groups, and which feature says a row's domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from peprank.config.lower_features import EmbeddedFeature, is_id
from peprank.config.lower_groups import Groups, groups
from peprank.config.lower_towers import Names, one_or_all, tasks
from peprank.config.place import Place, listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import activation, numbers
from peprank.spec.feature import Identity, IdFeature, RawFeature, Vocabulary
from peprank.spec.mlp import Activation
from peprank.spec.model import DomainSpec, ModelSpec
from peprank.spec.trunk import EPNetGate, EPNetSpec, PEPNetSpec, PPNetSpec, Wiring

EPNET_FIELDS: Final = ("epnet_hidden_unit", "epnet_gamma", "epnet_gate")
PPNET_FIELDS: Final = (
    "ppnet_hidden_units",
    "ppnet_activation",
    "ppnet_dropout_ratio",
    "ppnet_gamma",
    "ppnet_gate_hidden_unit",
    "wiring",
)


def model(msg: pb.ModelConfig, at: Place, names: Names) -> ModelSpec | None:
    """The network; None when something is wrong with it."""
    joined = groups(msg.feature_groups, at["feature_groups"], names.features, names.broken)
    kind = msg.WhichOneof("model")
    if kind != "pepnet":
        if kind is None:  # other models are refused elsewhere
            at.error("names no model; write pepnet { ... }")
        return None
    place = at["pepnet"]
    trunk = pepnet(msg.pepnet, place, joined)
    _warn_of_idle_groups(msg, at["feature_groups"])
    towers = tasks(msg.pepnet.task_towers, place["task_towers"], names)
    domain = _domain(msg, at, names.features, names)
    _check_wiring(msg.pepnet, place, trunk)
    if trunk is None or len(towers) != len(msg.pepnet.task_towers) or not towers:
        return None
    return at.build(ModelSpec, tables=joined.tables, groups=joined.groups, trunk=trunk, tasks=towers, domain=domain)


def pepnet(msg: pb.PEPNet, at: Place, joined: Groups) -> PEPNetSpec | None:
    """PEPNet; as in the peer, a missing domain or uia group leaves out the half that reads it."""
    if msg.main_group_name not in joined.names:
        _no_group(msg.main_group_name, at["main_group_name"], joined)
    epnet = _epnet(msg, at) if _has_group("domain_group_name", EPNET_FIELDS, "EPNet", at, joined) else None
    ppnet = _ppnet(msg, at) if _has_group("uia_group_name", PPNET_FIELDS, "PPNet", at, joined) else None
    return PEPNetSpec(main_group=msg.main_group_name, epnet=epnet, ppnet=ppnet)


def _has_group(field: str, readers: Sequence[str], half: str, at: Place, joined: Groups) -> bool:
    place = at[field]
    name = str(place.node)
    if name in joined.names:
        return True
    if place.is_set:
        _no_group(name, place, joined)
        return False
    for reader in readers:
        if at[reader].is_set:
            at[reader].warn(f"has no effect: without a feature group '{name}' {half} is left out; add one, or {field}")
    return False


def _no_group(name: str, at: Place, joined: Groups) -> None:
    at.error(
        f"there is no feature group '{name}'{meant(name, joined.names)}; "
        f"add one, or name another (there are: {listing(joined.names)})"
    )


def _epnet(msg: pb.PEPNet, at: Place) -> EPNetSpec | None:
    return at.build(
        EPNetSpec,
        group=msg.domain_group_name,
        hidden_dim=_width("epnet_hidden_unit", at),
        gamma=msg.epnet_gamma,
        gate=EPNetGate(pb.EPNetGateKind.Name(msg.epnet_gate)),
    )


def _ppnet(msg: pb.PEPNet, at: Place) -> PPNetSpec | None:
    return at.build(
        PPNetSpec,
        group=msg.uia_group_name,
        hidden_dims=tuple(msg.ppnet_hidden_units),
        activation=activation(msg.ppnet_activation, at["ppnet_activation"]) or Activation.RELU,
        dropouts=one_or_all(msg.ppnet_dropout_ratio, len(msg.ppnet_hidden_units)),
        gamma=msg.ppnet_gamma,
        gate_hidden_dim=_width("ppnet_gate_hidden_unit", at),
        wiring=Wiring(pb.PEPNetWiring.Name(msg.wiring)),
    )


def _width(field: str, at: Place) -> int | None:
    width = at[field].node
    assert isinstance(width, int)
    if at[field].is_set and width == 0:
        at[field].error("must be at least 1; remove it for the default")
    return width or None


def _check_wiring(msg: pb.PEPNet, at: Place, trunk: PEPNetSpec | None) -> None:
    """The paper's wirings end in gated layers and one linear map, shared by all domains."""
    if trunk is None or trunk.ppnet is None or trunk.ppnet.wiring is Wiring.TZREC:
        return
    wiring = trunk.ppnet.wiring.value
    for index, tower in enumerate(msg.task_towers):
        if tower.HasField("mlp"):
            at["task_towers"][index]["mlp"].error(
                f"the {wiring} wiring has no ungated tower; put its widths into ppnet_hidden_units, "
                "or write wiring: TZREC"
            )
    if msg.task_domain_num > 1:
        at["task_domain_num"].error(
            f"the {wiring} wiring shares towers between domains; remove it, or write wiring: TZREC"
        )


def _warn_of_idle_groups(msg: pb.ModelConfig, at: Place) -> None:
    read = (msg.pepnet.main_group_name, msg.pepnet.domain_group_name, msg.pepnet.uia_group_name)
    for index, group in enumerate(msg.feature_groups):
        if group.group_name not in read:
            at[index]["group_name"].warn(
                f"no part of PEPNet reads this group{meant(group.group_name, read)}; it is left out"
            )


def _domain(msg: pb.ModelConfig, at: Place, features: Mapping[str, EmbeddedFeature], names: Names) -> DomainSpec | None:
    name = _domain_name(msg, at, features, names)
    if name is None or name not in features:
        _note_needs_domain(msg, at, is_known=name is not None)
        return None
    feature = features[name]
    if feature.rows == 0:
        _plain_domain(msg, at, name)
        return None
    _check_tower_count(msg.pepnet, at["pepnet"], name, feature.rows)
    return DomainSpec(
        feature=name, num_towers=max(msg.pepnet.task_domain_num, 1), default=_default_domain(msg, at, feature)
    )


def _domain_name(msg: pb.ModelConfig, at: Place, features: Mapping[str, EmbeddedFeature], names: Names) -> str | None:
    """domain_feature, else domain_input_name, else the first feature of the domain group."""
    if msg.HasField("domain_feature"):
        if msg.domain_feature not in features and msg.domain_feature not in names.broken:
            at["domain_feature"].error(
                f"is not the name of a feature{meant(msg.domain_feature, features)}; name an id feature"
            )
        return msg.domain_feature
    if msg.pepnet.HasField("domain_input_name"):
        return _domain_input(msg.pepnet.domain_input_name, at["pepnet"]["domain_input_name"], features, names)
    group = next((group for group in msg.feature_groups if group.group_name == msg.pepnet.domain_group_name), None)
    return group.feature_names[0] if group is not None and group.feature_names else None


def _domain_input(name: str, at: Place, features: Mapping[str, EmbeddedFeature], names: Names) -> str:
    """The peer reads the domain from a column, so a feature of that column will do."""
    if name in features or name in names.broken:
        return name
    for feature in features.values():
        if feature.spec.column == name:
            return feature.spec.name
    at.error(
        f"is neither a feature nor the column of one{meant(name, features)}; name the id feature that says the domain"
    )
    return name


def _note_needs_domain(msg: pb.ModelConfig, at: Place, *, is_known: bool) -> None:
    if is_known:  # the name has been noted as unknown
        return
    if msg.pepnet.task_domain_num > 1:
        at["pepnet"]["task_domain_num"].error("no feature says the domain; write domain_input_name beside it")
    if msg.HasField("default_domain"):
        at["default_domain"].error("no feature says the domain; write domain_feature beside it, or remove this")


def _plain_domain(msg: pb.ModelConfig, at: Place, name: str) -> None:
    remedy = "name an id feature, or give it boundaries"
    if msg.HasField("domain_feature"):
        at["domain_feature"].error(f"holds plain numbers; {remedy}")
    elif msg.pepnet.HasField("domain_input_name"):
        at["pepnet"]["domain_input_name"].error(f"holds plain numbers; {remedy}")
    elif msg.pepnet.task_domain_num > 1:
        at["pepnet"]["task_domain_num"].error(f"the domain would be '{name}', which holds plain numbers; {remedy}")
    else:
        at["domain_feature"].warn(
            f"is not set, and '{name}', the first of the domain group, holds plain numbers: "
            "results are not split by domain; write model_config.domain_feature"
        )


def _check_tower_count(msg: pb.PEPNet, at: Place, name: str, rows: int) -> None:
    towers = msg.task_domain_num
    if towers == 0:
        at["task_domain_num"].error("must be at least 1")
    elif 1 < towers < rows:
        at["task_domain_num"].error(
            f"the domain feature '{name}' has {rows} ids, so ids from {towers} on have no tower; "
            f"write task_domain_num: {rows}"
        )
    elif towers > rows > 0:
        at["task_domain_num"].error(
            f"the domain feature '{name}' has {rows} ids, so {towers - rows} towers would never learn; "
            f"write task_domain_num: {rows}"
        )
    elif towers > 1 and not msg.HasField("domain_input_name"):
        at["task_domain_num"].warn(
            f"the row's '{name}' picks the tower here; TorchEasyRec ignores this field without domain_input_name"
        )


def _default_domain(msg: pb.ModelConfig, at: Place, feature: EmbeddedFeature) -> str | None:
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
