"""Feature groups -> GroupSpec, and the embedding tables that their features look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from peprank.config.lower_features import EmbeddedFeature
from peprank.config.place import Place, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import initializer
from peprank.spec.embedding import GroupInput, GroupSpec, InitSpec, TableSpec
from peprank.spec.feature import RawFeature

FIELD_OF: Final = {
    "dim": "embedding_dim",
    "pooling": "pooling",
    "init": "init_fn",
    "trainable": "trainable",
    "is_half": "data_type",
}  # of a table in the plan -> in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """What the file's feature groups come to."""

    groups: tuple[GroupSpec, ...]
    tables: tuple[TableSpec, ...]
    names: tuple[str, ...]  # all that the file gives, also of groups with mistakes in them
    places: Mapping[str, Place] = field(default_factory=dict)  # of each group by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wide:
    """The tables of groups of the type WIDE, which are their own."""

    dim: int = 4
    init: InitSpec | None = None  # None: as the feature's own


def wide_tables(model: Place) -> Wide:
    """What the model's message says of them; a message without such fields has the peer's default."""
    if not has_wide_groups(model):
        return Wide()
    dim, text = model["wide_embedding_dim"].node, model["wide_init_fn"].node
    assert isinstance(dim, int)
    assert isinstance(text, str)
    if dim < 1:
        model["wide_embedding_dim"].error("must be at least 1")
    return Wide(dim=max(dim, 1), init=initializer(text, model["wide_init_fn"]) if text else None)


def has_wide_groups(model: Place) -> bool:
    """Whether the model is one of those that read groups of the type WIDE."""
    return model.has("wide_embedding_dim")


def groups(
    configs: Sequence[pb.FeatureGroupConfig],
    at: Place,
    features: Mapping[str, EmbeddedFeature],
    broken: Set[str],
    wide: Wide,
) -> Groups:
    """All groups and the tables that they need. Features in `broken` are known but could not be lowered."""
    tables = _Tables()
    lowered: dict[str, GroupSpec] = {}
    for index, config in enumerate(configs):
        if config.group_name in lowered:
            at[index]["group_name"].error("is the name of an earlier group; give each group a name of its own")
            continue
        group = _group(config, at[index], features, broken, tables, wide)
        if group is not None:
            lowered[config.group_name] = group
    return Groups(
        groups=tuple(lowered.values()),
        tables=tables.all(),
        names=tuple(dict.fromkeys(config.group_name for config in configs)),
        places={config.group_name: at[index] for index, config in enumerate(configs)},
    )


def _group(
    msg: pb.FeatureGroupConfig,
    at: Place,
    features: Mapping[str, EmbeddedFeature],
    broken: Set[str],
    tables: _Tables,
    wide: Wide,
) -> GroupSpec | None:
    if msg.group_type not in (pb.DEEP, pb.WIDE):
        at["group_type"].error("is not supported yet; write DEEP or WIDE")
    if not msg.feature_names and not msg.sequence_groups:
        at["feature_names"].error("is missing; name at least one feature")
    inputs: dict[str, GroupInput | None] = {}
    for index, name in enumerate(msg.feature_names):
        place = at["feature_names"][index]
        if name in inputs:
            place.error("is in this group already; name each feature once")
        elif name in features:
            own = wide if msg.group_type == pb.WIDE else None
            inputs[name] = _input(features[name], msg.embedding_name_suffix, tables, own)
        elif name not in broken and features:  # a file without any features has one problem, not fifty
            place.error(f"is not the name of a feature{meant(name, features)}; add it to feature_configs")
    made = tuple(item for item in inputs.values() if item is not None)
    return (
        at.build(GroupSpec, name=msg.group_name, inputs=made) if made and len(made) == len(msg.feature_names) else None
    )


def _input(feature: EmbeddedFeature, suffix: str, tables: _Tables, wide: Wide | None) -> GroupInput | None:
    """`wide` is None in groups whose type is not WIDE."""
    if feature.rows:
        return _looked_up(feature, _named(feature, "wide" if wide else "", suffix), tables, wide)
    assert isinstance(feature.spec, RawFeature)
    if feature.dense is None:
        _warn_of_no_table(feature.at)
        return GroupInput(feature=feature.spec.name, dim=feature.spec.value_dim)
    _refuse_table_fields(feature.at)
    name = _named(feature, suffix)
    tables.reserve(name, feature)
    if feature.dim is None:
        return None
    return GroupInput(
        feature=feature.spec.name,
        dim=feature.dim,
        dense=feature.dense,
        weight_name=name,
        value_dim=feature.spec.value_dim,
    )


def _named(feature: EmbeddedFeature, *endings: str) -> str:
    return "_".join(filter(None, (feature.name, *endings)))


def _looked_up(feature: EmbeddedFeature, name: str, tables: _Tables, wide: Wide | None) -> GroupInput | None:
    dim = wide.dim if wide else feature.dim
    if dim is None:
        if not feature.at["embedding_dim"].is_set:  # a zero has been noted
            feature.at["embedding_dim"].error("is missing; write embedding_dim: 16, say")
        return None
    table = TableSpec(
        name=name,
        rows=feature.rows,
        dim=dim,
        pooling=feature.pooling,
        init=(wide and wide.init) or feature.init,
        trainable=feature.trainable,
        is_half=feature.is_half,
    )
    tables.share(table, feature)
    return GroupInput(feature=feature.spec.name, dim=dim, table=name)


class _Tables:
    """Tables by name, each with the feature that named it first."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[TableSpec, EmbeddedFeature]] = {}
        self._dense: dict[str, EmbeddedFeature] = {}

    def all(self) -> tuple[TableSpec, ...]:
        return tuple(table for table, _ in self._tables.values())

    def share(self, table: TableSpec, feature: EmbeddedFeature) -> None:
        """Note a table that two features mean differently."""
        if table.name in self._dense:
            _clash(table.name, feature, self._dense[table.name])
        first, owner = self._tables.setdefault(table.name, (table, feature))
        if first.rows != table.rows:
            _differ(table.name, "rows", feature, owner, table.rows, first.rows)
        for name, written in FIELD_OF.items():
            if getattr(table, name) != getattr(first, name):
                _differ(table.name, written, feature, owner, feature.at[written].node, owner.at[written].node)

    def reserve(self, name: str, feature: EmbeddedFeature) -> None:
        """Note a dense embedding whose name another feature uses."""
        owner = self._dense.setdefault(name, feature)
        if name in self._tables:
            owner = self._tables[name][1]
        if owner is not feature:
            _clash(name, feature, owner)


def _clash(name: str, feature: EmbeddedFeature, owner: EmbeddedFeature) -> None:
    feature.at["embedding_name"].error(
        f"'{name}' names the embedding of '{owner.spec.name}' too, but autodis and mlp are not shared; "
        "give each its own embedding_name"
    )


def _differ(
    table: str, field: str, feature: EmbeddedFeature, owner: EmbeddedFeature, mine: object, theirs: object
) -> None:
    place = feature.at[field] if feature.at.has(field) else feature.at
    place.error(
        f"the table '{table}' is shared with '{owner.spec.name}': {field} is {_shown(theirs)} there and {_shown(mine)} "
        "here; make them equal, or give this feature another embedding_name"
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "not set"


def _warn_of_no_table(at: Place) -> None:
    for name in ("embedding_dim", "embedding_name", "init_fn", "trainable", "data_type"):
        if at[name].is_set:
            at[name].warn("has no effect: plain numbers enter as they are; add boundaries, autodis or mlp {}")


def _refuse_table_fields(at: Place) -> None:
    for name in ("init_fn", "trainable", "data_type"):
        if at[name].is_set and at[name].node != at[name].default:
            at[name].error("is not supported yet beside autodis and mlp; remove it")
