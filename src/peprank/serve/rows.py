"""From a request to encoded features, by the same conform and encode as in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from peprank.batch import Features
from peprank.data.column import Column, ColumnKind, columns_of
from peprank.data.rows import conform_array
from peprank.encode import Encoder
from peprank.encode.encoded import EncodedRows, join
from peprank.errors import DataError, RequestError, SpecError
from peprank.serve.domains import Domains
from peprank.serve.inputs import LENGTHS, InputInfo, check_names, column_of, counts_of, input_info
from peprank.serve.items import ItemTable, item_columns
from peprank.serve.layout import CANDIDATES, Layout, layout_of
from peprank.serve.request import InferRequest, InputTensor
from peprank.spec.pipeline import PipelineSpec

MAX_ROWS = 10_000  # of one input of a request
MAX_VALUES = 1 << 24  # ids and numbers of one request when each row has its own: 128 MB
_SHOWN_ITEMS = 12  # unknown items that an answer names


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A request's rows as a model sees them, and what its answer and the metrics tell about them.

    `features.unknown` counts values as they were sent: a user's once, however many candidates there are.
    """

    features: Features
    num_rows: int  # N
    num_users: int  # U; N where each row came with inputs of its own
    looked_at: Mapping[str, int]  # feature -> its rows that were encoded; `features.unknown` counts among those
    domain_names: Mapping[int, str] | None = None  # id -> word, if domains have words; None: the plan names no domain
    num_defaulted: int = 0  # rows of an unknown domain that were scored as of the default one
    num_unknown_items: int = 0  # rows whose item the server does not hold
    unknown_items: tuple[str, ...] = ()  # the first few of these items

    @property
    def parameters(self) -> dict[str, str | int]:
        """What the answer tells beside the scores; empty if there is nothing unusual to tell."""
        told: dict[str, str | int] = {}
        if self.num_unknown_items:
            told |= {"unknown_items": self.num_unknown_items, "unknown_item_keys": ", ".join(self.unknown_items)}
        if self.num_defaulted:
            told["default_domain_rows"] = self.num_defaulted
        return told


@dataclass(frozen=True, slots=True)
class _Part:
    """Features that are encoded together."""

    encoded: EncodedRows
    rows: NDArray[np.int64] | None  # [N] which of them each scored row has; None: they are the scored rows
    num_defaulted: int = 0  # scored rows to which the default domain was given

    @property
    def num_values(self) -> int:
        """Values of the scored rows."""
        return self.encoded.num_values(np.arange(self.encoded.num_rows) if self.rows is None else self.rows)

    def taken(self) -> EncodedRows:
        """Features of the scored rows."""
        return self.encoded if self.rows is None else self.encoded.take(self.rows)


class RequestRows:
    """Read requests for one plan. It holds no state: any number of threads may share it.

    Args:
        spec: the plan.
        encoder: the plan's encoder for serving, as a bundle holds it.
        items: item features that live in the server, encoded for the same plan. A request then gives their key, and
            no other input that the table holds; or all of them, to score items as the request describes them.
        default_domain: value of the domain that stands in for unknown ones; None: the plan's, if it names one.
        schema: columns and types of rows that were scored before, such as the golden rows; `inputs` tells them.
        max_rows: of an input, and so candidates of a request; looked at before anything is made of them.
        max_values: ids and numbers that a request may make when each row has its own.

    Raises:
        SpecError: the default domain is none of the plan's, or the items were encoded for another plan.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        encoder: Encoder,
        items: ItemTable | None = None,
        default_domain: str | None = None,
        *,
        schema: pa.Schema | None = None,
        max_rows: int = MAX_ROWS,
        max_values: int = MAX_VALUES,
    ) -> None:
        if items is not None and any(feature not in spec.input_features for feature in items.features):
            raise SpecError("items", items.name, "was encoded for another plan; load it for this one")
        self._encoder, self._items = encoder, items
        self._max_rows, self._max_values = max_rows, max_values
        self._plan = {column.name: column for column in columns_of(spec, with_targets=False)}
        self._infos = {name: input_info(name, spec, schema) for name in self._plan}
        self._per_item, self._columns = item_columns(spec), self._plan
        if items is not None:
            self._infos = {items.key: items.key_info} | self._infos
            self._per_item |= {items.key}
            self._columns = self._plan | {items.key: Column(items.key, ColumnKind.ID)}
        self._domains = None if spec.model.domain is None else Domains(spec, encoder, default_domain)
        if self._domains is None and default_domain is not None:
            encoder.domain_id(default_domain, "default_domain")  # raises: there are none

    def inputs(self) -> tuple[InputInfo, ...]:
        """What a request gives, in the plan's order; of items that live in the server their key alone."""
        return tuple(self._infos[name] for name in self._wanted(self._items))

    def features(self, request: InferRequest) -> Encoded:
        """Encode a request.

        Raises:
            RequestError: inputs are missing, unknown or do not fit each other, a value that its feature cannot read,
                or an unknown domain.
        """
        try:
            return self._encoded(request.inputs)
        except DataError as error:
            raise RequestError("; ".join(str(error).splitlines())) from error

    def _encoded(self, inputs: Mapping[str, InputTensor]) -> Encoded:
        items = None if self._items is None or any(name in inputs for name in self._items.columns) else self._items
        wanted = self._wanted(items)
        check_names(inputs, {name: self._infos[name] for name in wanted}, {*self._infos, CANDIDATES})
        cells = {name: self._cells(name, inputs) for name in wanted}
        layout = layout_of({name: len(column) for name, column in cells.items()}, self._per_item, self._users(inputs))
        parts = list(self._parts(cells, layout))
        held = None if items is None else items.find(cells[items.key])
        self._check_size(sum(part.num_values for part in parts) + (held.num_values if held else 0))
        rows = [part.taken() for part in parts] + ([held.taken()] if held else [])
        return Encoded(
            features=self._encoder.assemble(join(rows)),
            num_rows=layout.num_rows,
            num_users=layout.num_users,
            looked_at={name: part.encoded.num_rows for part in parts for name in part.encoded.features},
            domain_names=None if self._domains is None else self._domains.words,
            num_defaulted=sum(part.num_defaulted for part in parts),
            num_unknown_items=held.num_unknown if held else 0,
            unknown_items=held.unknown(_SHOWN_ITEMS) if held else (),
        )

    def _wanted(self, items: ItemTable | None) -> list[str]:
        """Names of the inputs that a request must give."""
        held = frozenset() if items is None else items.columns
        names = self._plan if items is None else self._infos
        return [name for name in names if name not in held]

    def _cells(self, name: str, inputs: Mapping[str, InputTensor]) -> pa.Array:
        """The conformed cells of one input."""
        lengths = None if name + LENGTHS in self._plan else inputs.get(name + LENGTHS)
        self._check_rows(inputs[name] if lengths is None else lengths)
        return conform_array(column_of(inputs[name], lengths), self._columns[name], "request")

    def _users(self, inputs: Mapping[str, InputTensor]) -> NDArray[np.int64] | None:
        """How many candidates each user has, if the request says so."""
        if CANDIDATES in self._plan or CANDIDATES not in inputs:
            return None
        self._check_rows(inputs[CANDIDATES])
        return counts_of(inputs[CANDIDATES], "nobody knows which rows are whose")

    def _parts(self, cells: Mapping[str, pa.Array], layout: Layout) -> Iterator[_Part]:
        """What the plan reads of the request: rows per user first, then rows of their own."""
        users = {name: column for name, column in cells.items() if name in layout.per_user}
        others = {name: column for name, column in cells.items() if name not in users}
        per_user, per_row = self._encoder.encode_parts([(users, layout.num_users), (others, layout.num_rows)])
        if users:
            yield self._part(per_user, users, layout.user_of_row)
        yield self._part(per_row, others, None)

    def _part(self, encoded: EncodedRows, cells: Mapping[str, pa.Array], rows: NDArray[np.int64] | None) -> _Part:
        if self._domains is None or self._domains.column not in cells:
            return _Part(encoded, rows)
        encoded, is_defaulted = self._domains.settled(encoded, cells[self._domains.column])
        is_scored_so = is_defaulted if rows is None else is_defaulted[rows]
        return _Part(encoded, rows, int(np.count_nonzero(is_scored_so)))

    def _check_rows(self, tensor: InputTensor) -> None:
        """A row of a list needs no byte, so a body of some bytes can claim more rows than memory holds."""
        num_rows = tensor.shape[0] if tensor.shape else 0
        if num_rows > self._max_rows:
            found = f"input {tensor.name!r} has {num_rows} rows, the most is {self._max_rows}"
            raise RequestError(f"{found}; send fewer candidates at once", status=413)

    def _check_size(self, num_values: int) -> None:
        if num_values > self._max_values:
            found = f"makes {num_values} ids and numbers when each row has its own, the most is {self._max_values}"
            raise RequestError(f"the request {found}; send fewer candidates at once, or shorter lists", status=413)
