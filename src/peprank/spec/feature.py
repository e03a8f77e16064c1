"""How one input column becomes ids or numbers, and which embedding table they look up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from peprank.errors import SpecError
from peprank.spec.formula import parse

ROWS_END = 2**40  # of a table: sparse optimisers sort ids of 40 bits
UNKNOWN_WORD = "<OOV>"  # stands at id 1 of a vocabulary without default_bucketize_value, as the peer has it


class Side(Enum):
    """Where a column's value comes from when serving: `side:` in a feature's `expression`."""

    USER = "user"
    ITEM = "item"
    CONTEXT = "context"


class Pooling(Enum):
    """How the embeddings of a multi-valued feature become one vector."""

    SUM = "sum"
    MEAN = "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Values are already ids in [0, rows): `num_buckets`, or any id feature under `fg_mode: FG_NONE`."""

    rows: int
    unknown: int | None = None  # id of a value outside [0, rows); None: such a value counts as missing

    def __post_init__(self) -> None:
        _check_rows(self.rows)
        if self.unknown is not None and not 0 <= self.unknown < self.rows:
            raise SpecError("default_bucketize_value", self.unknown, f"must lie in [0, {self.rows})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """id = MurmurHash64A(value as decimal or UTF-8 string, seed 0xc70f6907) mod rows: `hash_bucket_size`."""

    rows: int

    def __post_init__(self) -> None:
        _check_rows(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """ids are looked up in a list: `vocab_list`, `vocab_dict`, `vocab_file`."""

    words: tuple[str, ...]
    ids: tuple[int, ...]  # ids[k] is the id of words[k]; several words may share one
    rows: int
    unknown: int  # id of a word that is not listed

    def __post_init__(self) -> None:
        _check_rows(self.rows)
        if len(self.words) != len(self.ids):
            raise SpecError("vocabulary", len(self.words), f"has {len(self.ids)} ids; give one id per word")
        if len(set(self.words)) != len(self.words):
            raise SpecError("vocabulary", len(self.words), "a word is listed twice; list each word once")
        for index in (*self.ids, self.unknown):
            if not 0 <= index < self.rows:
                raise SpecError("vocabulary id", index, f"must lie in [0, {self.rows})")


IdRule: TypeAlias = Identity | Hashed | Vocabulary


def _check_rows(rows: int) -> None:
    if not 0 < rows < ROWS_END:
        raise SpecError("rows", rows, "must be at least 1" if rows < 1 else "must be below 2^40, a million million")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdFeature:
    """A categorical column: strings or integers that become row numbers of an embedding table."""

    name: str
    column: str  # the input column; `expression` without its side
    side: Side = Side.USER
    rule: IdRule
    max_values: int | None = None  # None: any number per row; 1: the value is not split; N: the first N count
    separator: str = "\x1d"  # between the values of one string cell
    weighted: bool = False  # values are "id:weight"
    default: tuple[str, ...] = ()  # values that stand in for a missing cell; (): it stays empty, a zero vector

    @property
    def rows(self) -> int:
        """Row count of the embedding table that the ids index."""
        return self.rule.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Log10:
    """x > threshold: log10(x), else default."""

    threshold: float = 1e-10
    default: float = -10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZScore:
    """(x - mean) / standard_deviation."""

    mean: float
    standard_deviation: float

    def __post_init__(self) -> None:
        if not self.standard_deviation > 0:
            raise SpecError("normalizer.standard_deviation", self.standard_deviation, "must be > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinMax:
    """(x - min) / (max - min)."""

    min: float
    max: float

    def __post_init__(self) -> None:
        if not self.max > self.min:
            raise SpecError("normalizer.max", self.max, f"must be > min, which is {self.min}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A formula in x, see `spec/formula.py`."""

    formula: str

    def __post_init__(self) -> None:
        parse(self.formula)


Normalizer: TypeAlias = Log10 | ZScore | MinMax | Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFeature:
    """A numeric column: numbers as they are, or, with boundaries, bucket ids of an embedding table."""

    name: str
    column: str
    side: Side = Side.USER
    value_dim: int = 1  # numbers per row; 0 (with boundaries only): any number per row
    normalizer: Normalizer | None = None
    boundaries: tuple[float, ...] = ()  # ascending; x in [b_k-1, b_k) has id k: len + 1 rows
    is_bucketized: bool = False  # FG_NONE with boundaries: the column holds the bucket ids already
    separator: str = "\x1d"
    default: tuple[float, ...] = (0.0,)  # stands in for a missing cell, before the normalizer

    def __post_init__(self) -> None:
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise SpecError(f"{self.name}.boundaries", self.boundaries, "must ascend strictly")
        if self.value_dim < (0 if self.boundaries else 1):
            raise SpecError(f"{self.name}.value_dim", self.value_dim, "must be at least 1 without boundaries")

    @property
    def rows(self) -> int:
        """Row count of the embedding table that the bucket ids index; 0 for plain numbers."""
        return len(self.boundaries) + 1 if self.boundaries else 0


FeatureSpec: TypeAlias = IdFeature | RawFeature  # sequence and crossed features will stand beside these two
