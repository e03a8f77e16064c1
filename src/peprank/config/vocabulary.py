"""Row counts of id features: exactly one of hash_bucket_size, num_buckets, vocab_list, vocab_dict, vocab_file."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable
from typing import Final

from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.feature import ROWS_END, UNKNOWN_WORD, Hashed, Identity, IdRule, Vocabulary

SOURCES: Final = ("hash_bucket_size", "num_buckets", "vocab_list", "vocab_dict", "vocab_file")


def id_rule(
    msg: pb.IdFeature, at: Place, *, is_encoded: bool, open_text: Callable[[str], str], assets: dict[str, str]
) -> IdRule | None:
    """How values become ids. Encoded columns hold ids already, whatever gives the row count."""
    source = _source(msg, at)
    if source is None:
        return None
    rule = _rule(msg, source, at, open_text, assets)
    return Identity(rows=rule.rows) if is_encoded and isinstance(rule, Hashed | Vocabulary) else rule


def _source(msg: pb.IdFeature, at: Place) -> str | None:
    given = [name for name in SOURCES if at[name].is_set]
    if not given and any(at[name].is_unreadable for name in SOURCES):
        return None
    if len(given) > 1:
        at[given[1]].error(f"the row count is given by {given[0]} too; keep one of {' and '.join(given)}")
    elif not given and not msg.HasField("zch") and not msg.HasField("dynamicemb"):  # those two are refused elsewhere
        at.error(f"has no row count; write num_buckets, hash_bucket_size or one of {', '.join(SOURCES[2:])}")
    return given[0] if len(given) == 1 else None


def _rule(
    msg: pb.IdFeature, source: str, at: Place, open_text: Callable[[str], str], assets: dict[str, str]
) -> IdRule | None:
    if source == "hash_bucket_size":
        if msg.HasField("default_bucketize_value"):
            at["default_bucketize_value"].warn("has no effect beside hash_bucket_size: no value is unknown to a hash")
        return at[source].build(Hashed, rows=msg.hash_bucket_size)
    if source == "num_buckets":
        unknown = msg.default_bucketize_value if msg.HasField("default_bucketize_value") else None
        place = at if 0 < msg.num_buckets < ROWS_END else at[source]
        return place.build(Identity, rows=msg.num_buckets, unknown=unknown)
    if source == "vocab_list":
        return _from_list(msg, at[source], at)
    if source == "vocab_dict":
        return _from_dict(msg, at[source], at)
    return _from_file(msg, at[source], at, open_text, assets)


def _from_list(msg: pb.IdFeature, at: Place, feature: Place) -> Vocabulary | None:
    words = list(msg.vocab_list)
    if msg.HasField("default_bucketize_value"):
        return _vocabulary(words, list(range(len(words))), msg.default_bucketize_value, at, feature)
    for reserved, index in ((msg.default_value, 0), (UNKNOWN_WORD, 1)):
        if reserved in words:
            at.error(
                f"lists '{reserved}', which has id {index} without default_bucketize_value; "
                "remove it, or set default_bucketize_value to use the list as it is"
            )
            return None
    words = [msg.default_value, UNKNOWN_WORD, *words]
    return _vocabulary(words, list(range(len(words))), 1, at, feature)


def _from_dict(msg: pb.IdFeature, at: Place, feature: Place) -> Vocabulary | None:
    ids = {str(word): int(index) for word, index in msg.vocab_dict.items()}
    unknown = 1
    if msg.HasField("default_bucketize_value"):
        unknown = msg.default_bucketize_value
    else:
        if min(ids.values()) <= 1:
            at.warn(
                "without default_bucketize_value id 0 stands for default_value and id 1 for unknown words; "
                "count words from 2"
            )
        ids[msg.default_value] = 0
    words = sorted(ids, key=lambda word: (ids[word], word))
    return _vocabulary(words, [ids[word] for word in words], unknown, at, feature)


def _from_file(
    msg: pb.IdFeature, at: Place, feature: Place, open_text: Callable[[str], str], assets: dict[str, str]
) -> Vocabulary | None:
    if not msg.HasField("default_bucketize_value"):
        at.error("needs the id of words that the file does not list; write default_bucketize_value: 0, say, beside it")
        return None
    path = posixpath.join(msg.asset_dir, msg.vocab_file)
    text = read_asset(path, at, open_text, assets)
    pairs = None if text is None else _pairs(text, at)
    if pairs is None:
        return None
    words, ids = pairs
    return _vocabulary(words, ids, msg.default_bucketize_value, at, feature)


def read_asset(path: str, at: Place, open_text: Callable[[str], str], assets: dict[str, str]) -> str | None:
    """The text of a file that the config names, kept in `assets` so that a bundle can carry it along."""
    if path not in assets:
        try:
            assets[path] = open_text(path)
        except (OSError, UnicodeDecodeError) as failure:
            at.error(f"cannot be read ({failure}); name a text file in UTF-8")
            return None
    return assets[path]


def _pairs(text: str, at: Place) -> tuple[list[str], list[int]] | None:
    """Lines `word` (ids count from 0) or `word id`, one kind per file."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    words = [parts[0] for parts in lines]
    if all(len(parts) == 1 for parts in lines):
        return words, list(range(len(words)))
    for parts in lines:
        if len(parts) == 1 or not parts[1].strip().isdecimal():
            at.error(
                f"has the line '{' '.join(parts)}' among lines 'word id'; write an id >= 0 on each line, or on none"
            )
            return None
    return words, [int(parts[1]) for parts in lines]


def _vocabulary(words: list[str], ids: list[int], unknown: int, at: Place, feature: Place) -> Vocabulary | None:
    if not words:
        at.error("lists no words; list at least one")
        return None
    if len(set(words)) != len(words):
        at.error(f"lists '{Counter(words).most_common(1)[0][0]}' twice; list each word once")
        return None
    rows = max(ids) + 1
    if unknown >= rows:
        place = feature["default_bucketize_value"] if feature["default_bucketize_value"].is_set else at
        place.error(f"unknown words get id {unknown}, but ids end at {rows - 1}; write an id in [0, {rows})")
        return None
    return at.build(Vocabulary, words=tuple(words), ids=tuple(ids), rows=rows, unknown=unknown)
