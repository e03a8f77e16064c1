"""Domains of a request's rows: one that the plan does not know is refused by name, or a default stands in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.batch import MISSING
from peprank.encode import Encoder
from peprank.encode.cells import shown
from peprank.encode.encoded import EncodedRows
from peprank.errors import RequestError
from peprank.spec.feature import UNKNOWN_WORD, FeatureSpec, IdFeature, Vocabulary
from peprank.spec.pipeline import PipelineSpec

_MOST_NAMES = 12  # known domains that an error lists


class Domains:
    """What the plan knows of domains.

    Args:
        default: value of the domain that stands in for unknown ones. None: the plan's default does, where the encoder
            finds no domain, and without one they are refused.

    Raises:
        SpecError: `default` is no domain of the plan.
    """

    def __init__(self, spec: PipelineSpec, encoder: Encoder, default: str | None) -> None:
        assert spec.model.domain is not None
        feature = spec.feature(spec.model.domain.feature)
        self.feature, self.column = feature.name, feature.column
        self.words, self._num_domains = _words(feature), spec.model.domain.num_domains
        self._encoder = encoder
        self._default = None if default is None else encoder.domain_id(default, "default_domain")

    def settled(self, encoded: EncodedRows, column: pa.Array) -> tuple[EncodedRows, NDArray[np.bool_]]:
        """The rows with the default in place of unknown domains, and which rows those are, [B].

        Args:
            column: the conformed cells that the domain was encoded from.

        Raises:
            RequestError: a row is of an unknown domain, and there is no default.
            DataError: a row has several domains.
        """
        ids = encoded.ids(self.feature).single(f"domain feature {self.feature!r}")
        is_missing = ids == MISSING
        if self._is_left_to_encoder or (self.feature not in encoded.unknown and not is_missing.any()):
            return encoded, is_missing
        is_unknown = ~self._encoder.is_domain(column)
        if not is_unknown.any():
            return encoded, is_unknown
        if self._default is None:
            raise RequestError(self._refusal(is_unknown, column))
        return encoded.with_ids(self.feature, np.where(is_unknown, self._default, ids)), is_unknown

    @property
    def _is_left_to_encoder(self) -> bool:
        return self._default is None and self._encoder.default_domain is not None

    def _refusal(self, is_unknown: NDArray[np.bool_], column: pa.Array) -> str:
        value = shown(column[int(is_unknown.argmax())])
        found = f"is unknown to the model in {is_unknown.sum()} of {len(is_unknown)} rows, such as {value!r:.80}"
        known = sorted(self.words) or range(self._num_domains)
        names = ", ".join(repr(self.words.get(index, str(index))) for index in known[:_MOST_NAMES])
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        return f"domain {self.column!r} {found}; known are {names}{more}"


def _words(feature: FeatureSpec) -> dict[int, str]:
    """Id -> its first word, for a vocabulary; other domains are called by their id."""
    if not isinstance(feature, IdFeature) or not isinstance(feature.rule, Vocabulary):
        return {}
    pairs = reversed(list(zip(feature.rule.words, feature.rule.ids, strict=True)))
    return {index: word for word, index in pairs if word not in ("", UNKNOWN_WORD)}
