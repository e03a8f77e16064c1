"""Feature messages -> FeatureSpec, and how each feature is embedded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import choice, initializer, input_of, normalizer, numbers
from peprank.config.vocabulary import id_rule
from peprank.spec.embedding import AutoDisSpec, DenseEmbedding, InitSpec, LinearEmbeddingSpec
from peprank.spec.feature import FeatureSpec, Identity, IdFeature, Normalizer, Pooling, RawFeature, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureInputs:
    """How columns come in, the same for all features of a file."""

    is_encoded: bool = False  # FG_NONE: cells hold ids, bucket ids and normalized numbers already
    has_own_columns: bool = False  # FG_NONE, FG_BUCKETIZE: the column is called as the feature is
    encoded_separator: str = "\x03"  # between the values of an encoded string cell
    mode: str = "FG_NORMAL"  # for messages
    open_text: Callable[[str], str]
    assets: dict[str, str] = field(default_factory=dict)  # path -> text of each file that was opened


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFeature:
    """A feature and what its groups need to embed it."""

    spec: FeatureSpec
    at: Place
    name: str  # of its table, before a group's suffix
    dim: int | None  # None: the file gives no embedding_dim
    pooling: Pooling
    init: InitSpec | None
    trainable: bool
    is_half: bool
    dense: DenseEmbedding | None = None

    @property
    def rows(self) -> int:
        """Row count of its table; 0 for plain numbers."""
        return self.spec.rows


def features(
    configs: list[pb.FeatureConfig], at: Place, inputs: FeatureInputs
) -> tuple[dict[str, EmbeddedFeature], set[str]]:
    """All features by name, and the names of those that could not be lowered (so that nobody calls them unknown)."""
    lowered: dict[str, EmbeddedFeature] = {}
    broken: set[str] = set()
    for index, config in enumerate(configs):
        kind = config.WhichOneof("feature")
        if kind is None:
            at[index].error_without("feature", "names no feature; write id_feature { ... } or raw_feature { ... }")
            continue
        inner = at[index][kind]
        name = _name_of(config, kind)
        if name in lowered or name in broken:
            inner["feature_name"].error("is the name of an earlier feature; give each feature a name of its own")
            continue
        feature = _feature(config, kind, inner, inputs)
        if feature is None:
            broken.add(name)
        else:
            lowered[name] = feature
    return lowered, broken


def _name_of(config: pb.FeatureConfig, kind: str) -> str:
    message = getattr(config, kind)
    return str(message.sequence_name if kind == "sequence_feature" else message.feature_name)


def _feature(config: pb.FeatureConfig, kind: str, at: Place, inputs: FeatureInputs) -> EmbeddedFeature | None:
    if kind == "id_feature":
        return _embedded(config.id_feature, id_feature(config.id_feature, at, inputs), at)
    if kind == "raw_feature":
        dense = dense_embedding(config.raw_feature, at)
        return _embedded(config.raw_feature, raw_feature(config.raw_feature, at, inputs), at, dense)
    return None  # support.review has refused it


def _embedded(
    msg: pb.IdFeature | pb.RawFeature, spec: FeatureSpec | None, at: Place, dense: DenseEmbedding | None = None
) -> EmbeddedFeature | None:
    pooling = choice(Pooling, msg.pooling, at["pooling"])
    init = initializer(msg.init_fn, at["init_fn"]) if msg.init_fn else None
    is_half = _is_half(msg.data_type, at["data_type"])
    if msg.HasField("embedding_dim") and msg.embedding_dim == 0:
        at["embedding_dim"].error("must be at least 1")
    if spec is None or pooling is None:
        return None
    return EmbeddedFeature(
        spec=spec,
        at=at,
        name=msg.embedding_name or f"{msg.feature_name}_emb",
        dim=msg.embedding_dim or None,
        pooling=pooling,
        init=init,
        trainable=msg.trainable,
        is_half=is_half,
        dense=dense,
    )


def _is_half(data_type: str, at: Place) -> bool:
    if data_type not in ("FP32", "FP16"):
        at.error('is not a supported data_type; write "FP32" or "FP16"')
    return data_type == "FP16"


def id_feature(msg: pb.IdFeature, at: Place, inputs: FeatureInputs) -> IdFeature | None:
    """A categorical column."""
    source = _source(msg, at, inputs)
    rule = id_rule(msg, at, is_encoded=inputs.is_encoded, open_text=inputs.open_text, assets=inputs.assets)
    if source is None or rule is None:
        return None
    side, column = source
    separator = _separator(msg, at, inputs)
    default = _split(_default_of(msg, at, inputs), separator, is_one=msg.value_dim == 1)
    if isinstance(rule, Identity):
        _check_ids(default, rule.rows, at[_default_field(inputs)], weighted=msg.weighted)
    return IdFeature(
        name=msg.feature_name,
        column=column,
        side=side,
        rule=rule,
        max_values=msg.value_dim or None,
        separator=separator,
        weighted=msg.weighted,
        default=default,
    )


def raw_feature(msg: pb.RawFeature, at: Place, inputs: FeatureInputs) -> RawFeature | None:
    """A numeric column."""
    source = _source(msg, at, inputs)
    value_dim = _value_dim(msg, inputs)
    separator = _separator(msg, at, inputs)
    default = _default_numbers(msg, at, inputs, value_dim, separator)
    scaling = _normalizer(msg, at, inputs)
    if source is None or default is None:
        return None
    side, column = source
    return at.build(
        RawFeature,
        name=msg.feature_name,
        column=column,
        side=side,
        value_dim=value_dim,
        normalizer=scaling,
        boundaries=tuple(msg.boundaries),
        is_bucketized=inputs.is_encoded and bool(msg.boundaries),
        separator=separator,
        default=default,
    )


def dense_embedding(msg: pb.RawFeature, at: Place) -> DenseEmbedding | None:
    """`autodis` or `mlp`: how plain numbers become a vector."""
    kind = msg.WhichOneof("dense_emb")
    if kind is None:
        return None
    if msg.boundaries:
        at[kind].error("does not go with boundaries, which look up a table; remove one of the two")
    elif not msg.HasField("embedding_dim"):
        at[kind].error("needs a width; write embedding_dim: 16, say, beside it")
    if kind == "mlp":
        return LinearEmbeddingSpec()
    return _autodis(msg.autodis, at["autodis"])


def _autodis(msg: pb.AutoDisEmbedding, at: Place) -> AutoDisSpec:
    if msg.num_channels == 0 and msg.HasField("num_channels"):
        at["num_channels"].error("must be at least 1")
    if not msg.temperature > 0:
        at["temperature"].error("must be > 0")
    return AutoDisSpec(num_channels=msg.num_channels, temperature=msg.temperature, keep_prob=msg.keep_prob)


def is_id(text: str, rows: int) -> bool:
    """Whether a value as it stands in a row is an id of a table with `rows` rows."""
    return text.isascii() and text.isdecimal() and int(text) < rows


def _check_ids(values: tuple[str, ...], rows: int, at: Place, *, weighted: bool) -> None:
    ids = [value.rpartition(":")[0] if weighted and ":" in value else value for value in values]
    for text in ids:
        if text and not is_id(text, rows):
            at.error(f"'{text}' is not an id of this feature; write one from 0 to {rows - 1}, or nothing")


def _source(msg: pb.IdFeature | pb.RawFeature, at: Place, inputs: FeatureInputs) -> tuple[Side, str] | None:
    """Side and column; where the column is called as the feature is, `expression` may be absent."""
    if not msg.HasField("expression"):
        if inputs.has_own_columns:
            return Side.USER, msg.feature_name
        at["expression"].error(f'is missing; write expression: "user:{msg.feature_name}", say')
        return None
    source = input_of(msg.expression, at["expression"])
    if source is not None and inputs.has_own_columns:
        return source[0], msg.feature_name
    return source


def _separator(msg: pb.IdFeature | pb.RawFeature, at: Place, inputs: FeatureInputs) -> str:
    if not inputs.is_encoded:
        return msg.separator
    if msg.HasField("separator") and msg.separator != inputs.encoded_separator:
        at["separator"].warn(
            "has no effect: under FG_NONE the values of a cell stand between data_config.fg_encoded_multival_sep"
        )
    return inputs.encoded_separator


def _default_field(inputs: FeatureInputs) -> str:
    return "fg_encoded_default_value" if inputs.is_encoded else "default_value"


def _default_of(msg: pb.IdFeature | pb.RawFeature, at: Place, inputs: FeatureInputs) -> str:
    """What stands in for a missing cell; empty: nothing does."""
    if inputs.is_encoded:
        if msg.HasField("default_value") and msg.default_value != msg.fg_encoded_default_value:
            at["default_value"].warn(
                "has no effect: under FG_NONE columns are encoded already; write fg_encoded_default_value instead"
            )
        return msg.fg_encoded_default_value
    if msg.HasField("fg_encoded_default_value"):
        at["fg_encoded_default_value"].warn(f"has no effect under {inputs.mode}; write default_value for empty cells")
    return msg.default_value


def _split(default: str, separator: str, *, is_one: bool) -> tuple[str, ...]:
    if not default:
        return ()
    return (default,) if is_one or not separator else tuple(default.split(separator))


def _value_dim(msg: pb.RawFeature, inputs: FeatureInputs) -> int:
    """Numbers per row; bucket ids that come encoded may be any number per row unless the file says how many."""
    if inputs.is_encoded and msg.boundaries and not msg.HasField("value_dim"):
        return 0
    return msg.value_dim


def _default_numbers(
    msg: pb.RawFeature, at: Place, inputs: FeatureInputs, value_dim: int, separator: str
) -> tuple[float, ...] | None:
    is_encoded_default = inputs.is_encoded and msg.HasField("fg_encoded_default_value")
    place = at["fg_encoded_default_value" if is_encoded_default else "default_value"]
    text = _default_of(msg, at, inputs)
    if not text and not msg.boundaries:
        if not inputs.is_encoded:
            place.error('plain numbers need a stand-in for empty cells; write default_value: "0"')
            return None
        text = "0"
    values = numbers(_split(text, separator, is_one=value_dim == 1), place)
    if values is None or value_dim == 0 or len(values) in (0, value_dim):
        return values
    if len(values) == 1:
        return values * value_dim
    place.error(f"has {len(values)} values for value_dim = {value_dim}; give one, or {value_dim}")
    return None


def _normalizer(msg: pb.RawFeature, at: Place, inputs: FeatureInputs) -> Normalizer | None:
    if not msg.normalizer:
        return None
    scaling = normalizer(msg.normalizer, at["normalizer"])
    if inputs.has_own_columns:
        at["normalizer"].warn(f"has no effect: under {inputs.mode} the column is normalized already")
        return None
    return scaling
