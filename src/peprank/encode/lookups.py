"""Values to ids by the rules of several features at once: a request has many short columns, and each call a price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from peprank.batch import MISSING
from peprank.encode.hashing import murmur64
from peprank.encode.words import WordIndex
from peprank.errors import SpecError
from peprank.spec.feature import Hashed, Identity, IdRule, Vocabulary

Asked: TypeAlias = tuple[int, pa.Array]  # number of a rule, values (int64 or string, no nulls) [N]
Found: TypeAlias = tuple[NDArray[np.int64], int]  # ids [N], MISSING where there is none; how many values are unknown

_DECIMAL = "^-?[0-9]{1,18}$"  # a longer number lies outside every table


class Lookups:
    """Find ids by rules; what can be prepared is prepared here, once.

    Raises:
        SpecError: two words of a vocabulary cannot be told apart.
    """

    def __init__(self, rules: Sequence[IdRule]) -> None:
        self._rules = tuple(rules)
        self._rows = np.array([rule.rows for rule in rules], np.uint64)
        self._unknown = np.array([unknown_id(rule) for rule in rules], np.int64)
        vocabularies = [rule for rule in rules if isinstance(rule, Vocabulary)]
        self._list_of = {rule: number for number, rule in enumerate(self._of_kind(Vocabulary, range(len(rules))))}
        self._listed_ids = np.array([*(index for rule in vocabularies for index in rule.ids), MISSING], np.int64)
        self._words = _index(vocabularies)

    def __call__(self, asked: Sequence[Asked]) -> list[Found]:
        """Answers in the order asked."""
        rules = [rule for rule, _ in asked]
        by_kind = [self._of_kind(kind, rules) for kind in (Identity, Hashed, Vocabulary)]
        own, hashed, listed = ([asked[k] for k in places] for places in by_kind)
        answers = self._bounded(own) if own else []
        if hashed or listed:
            answers += self._worded(hashed, listed)
        found = dict(zip(chain.from_iterable(by_kind), answers, strict=True))
        return [found[k] for k in range(len(asked))]

    def _of_kind(self, kind: type[IdRule], rules: Iterable[int]) -> list[int]:
        """Places at which a rule of this kind stands."""
        return [place for place, rule in enumerate(rules) if isinstance(self._rules[rule], kind)]

    def _bounded(self, asked: Sequence[Asked]) -> list[Found]:
        """Ids that are the values themselves, as far as they lie inside the table."""
        columns = _jointly(pa.types.is_string, _parsed, [values for _, values in asked])
        numbers = [column.to_numpy() for column in columns]
        values = np.concatenate(numbers) if len(numbers) > 1 else numbers[0]
        return _parted(asked, *bounded(values, _spread(self._rows, asked), _spread(self._unknown, asked)))

    def _worded(self, hashed: Sequence[Asked], listed: Sequence[Asked]) -> list[Found]:
        """Ids by the hash of a value's text, which serves all features alike."""
        columns = _jointly(pa.types.is_integer, texts, [values for _, values in (*hashed, *listed)])
        words = pa.concat_arrays(columns) if len(columns) > 1 else columns[0]
        hashes = murmur64(words)
        ends = _ends(hashed)
        answers: list[Found] = [
            (_bucket(hashes[start:end], np.uint64(self._rules[rule].rows)), 0)
            for (rule, _), (start, end) in zip(hashed, pairwise(ends), strict=True)
        ]
        if listed:
            answers += self._listed(listed, words.slice(ends[-1]), hashes[ends[-1] :])
        return answers

    def _listed(self, asked: Sequence[Asked], words: pa.Array, hashes: NDArray[np.uint64]) -> list[Found]:
        places = self._words.find(words, hashes, [(self._list_of[rule], len(values)) for rule, values in asked])
        is_unknown = places < 0
        ids = np.where(is_unknown, _spread(self._unknown, asked), self._listed_ids[places])
        return _parted(asked, ids, is_unknown if is_unknown.any() else None)


def _index(vocabularies: Sequence[Vocabulary]) -> WordIndex:
    index = WordIndex.of([pa.array(rule.words, pa.string()) for rule in vocabularies])
    if index.twins is not None:
        words = [word for rule in vocabularies for word in rule.words]
        one, other = (words[place] for place in index.twins)
        raise SpecError("vocabulary", one, f"has the 64-bit hash of {other!r}; leave one of them out")
    return index


def decimals(strings: pa.Array) -> pa.Array:
    """Whole decimal numbers of up to 18 digits as int64, null where a string is none."""
    is_decimal = pc.match_substring_regex(strings, _DECIMAL)  # a plain cast would read 0x10 as 16
    return pc.if_else(is_decimal, strings, None).cast(pa.int64())


def texts(values: pa.Array) -> pa.Array:
    """Integers as their decimal strings."""
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _parsed(strings: pa.Array) -> pa.Array:
    return decimals(strings).fill_null(MISSING)


def _jointly(
    is_meant: Callable[[pa.DataType], bool], convert: Callable[[pa.Array], pa.Array], columns: Sequence[pa.Array]
) -> list[pa.Array]:
    """The columns, of which those of the meant types are converted, all of them in one call."""
    meant = [column for column in columns if is_meant(column.type)]
    if not meant:
        return list(columns)
    converted = convert(pa.concat_arrays(meant))
    ends = accumulate(map(len, meant), initial=0)
    pieces = iter([converted.slice(start, end - start) for start, end in pairwise(ends)])
    return [next(pieces) if is_meant(column.type) else column for column in columns]


def bounded(
    values: NDArray[np.int64], rows: NDArray[np.uint64], unknown: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Ids that are the values themselves, `unknown` for those outside a table of so many rows; which those are, if any.

    Shapes: `rows` and `unknown` are one number, or are stretched to the shape of `values`.
    """
    is_outside = values.view(np.uint64) >= rows  # negative ones are huge as unsigned
    return (np.where(is_outside, unknown, values), is_outside) if is_outside.any() else (values, None)


def unknown_id(rule: IdRule) -> int:
    """Id of a value that the rule does not know."""
    match rule:
        case Identity():
            return MISSING if rule.unknown is None else rule.unknown
        case Hashed():
            return MISSING  # to a hash no value is unknown
        case Vocabulary():
            return rule.unknown


def _bucket(hashes: NDArray[np.uint64], rows: np.uint64) -> NDArray[np.int64]:
    hashes -= hashes // rows * rows  # the remainder; numpy's own takes twice as long
    return hashes.view(np.int64)


def _ends(asked: Sequence[Asked]) -> list[int]:
    return list(accumulate((len(values) for _, values in asked), initial=0))


def _spread(by_rule: NDArray[Any], asked: Sequence[Asked]) -> Any:
    """Each rule's number for each of its values; for one rule the number itself, which numpy compares faster."""
    if len(asked) == 1:
        return by_rule[asked[0][0]]
    return np.repeat(by_rule[[rule for rule, _ in asked]], [len(values) for _, values in asked])


def _parted(asked: Sequence[Asked], ids: NDArray[np.int64], is_unknown: NDArray[np.bool_] | None) -> list[Found]:
    parts = [slice(start, end) for start, end in pairwise(_ends(asked))]
    if is_unknown is None:
        return [(ids[part], 0) for part in parts]
    return [(ids[part], int(np.count_nonzero(is_unknown[part]))) for part in parts]
