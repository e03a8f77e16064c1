from __future__ import annotations

import tracemalloc
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peprank.batch import Features
from peprank.data.column import columns_of
from peprank.data.rows import conform_table
from peprank.encode import Encoder
from peprank.errors import RequestError, SpecError
from peprank.serve.request import InferRequest, InputTensor
from peprank.serve.rows import Encoded, RequestRows
from tests.encode.test_encoder import view
from tests.serve.plans import FEATURES, ITEM_COLUMNS, ROW, TYPES, plain, plan, request, spelled, tensor

SPEC = plan(default="search")
ENCODER = Encoder(SPEC, serving=True)
ROWS = RequestRows(SPEC, ENCODER)

ints = st.integers(-2, 6) | st.none()
floats = st.integers(-8, 8).map(lambda k: k / 4) | st.none()  # exact in every float type
words = st.sampled_from(("home", "search", "?", "", None))
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "user": ints,
    "history": st.lists(ints, max_size=3) | st.none(),
    "age": floats,
    "tab": words,
    "query": st.sampled_from(("a:2;b", "c", ";", "", None)),
    "item": st.sampled_from(("i1", "7", "", None)),
    "tags": st.lists(words, max_size=3) | st.none(),
    "shop": ints,
    "price": floats,
    "pair": st.lists(floats, min_size=2, max_size=2) | st.sampled_from(([], None)),
}
WHOLE = ("INT8", "INT16", "INT32", "INT64", "FP32", "FP64", "BYTES")
DATATYPES = {
    "user": WHOLE,
    "history": WHOLE,
    "shop": WHOLE,
    "age": ("FP16", "FP32", "FP64", "BYTES"),
    "price": ("FP16", "FP32", "FP64", "BYTES"),
    "pair": ("FP16", "FP32", "FP64"),
    **dict.fromkeys(("tab", "query", "item", "tags"), ("BYTES",)),
}


def batch_path(columns: Mapping[str, Sequence[Any]]) -> Features:
    """Features of these cells as `predict` gets them from a file."""
    table = pa.table({name: pa.array(cells, TYPES[name]) for name, cells in columns.items()})
    return ENCODER.features(conform_table(table, columns_of(SPEC, with_targets=False), "here"))


@st.composite
def grouped(draw: st.DrawFn) -> tuple[list[InputTensor], dict[str, list[Any]]]:
    """Inputs of some users with some candidates each, in any spelling, and the same rows written out."""
    is_one_user = draw(st.booleans())
    candidates = draw(st.lists(st.integers(0, 3), min_size=1, max_size=1 if is_one_user else 4))
    num_rows = sum(candidates)
    inputs, columns = [], {}
    for name, cells in CELLS.items():
        is_per_user = name not in ITEM_COLUMNS and draw(st.booleans())
        given = draw(st.lists(cells, min_size=(size := len(candidates) if is_per_user else num_rows), max_size=size))
        if not is_one_user and size == len(candidates) == num_rows and name not in ITEM_COLUMNS:
            is_per_user = True  # as many users as rows: user inputs are per user
        inputs += spelled(name, given, draw(st.sampled_from(DATATYPES[name])))
        columns[name] = [given[user] for user in np.repeat(range(len(given)), candidates)] if is_per_user else given
    if not is_one_user or draw(st.booleans()):
        inputs.append(tensor("candidates", draw(st.sampled_from(("INT32", "UINT64"))), candidates))
    return draw(st.permutations(inputs)), columns


@settings(max_examples=150)
@given(grouped())
def test_a_request_is_encoded_like_the_same_rows_of_a_file(case: tuple[list[InputTensor], dict[str, Any]]) -> None:
    inputs, columns = case
    encoded, expected = ROWS.features(request(*inputs)), batch_path(columns)
    assert encoded.num_rows == expected.num_rows == len(columns["item"])
    assert view(encoded.features) == view(expected)
    assert set(encoded.features.ids) | set(encoded.features.numbers) == {feature.name for feature in FEATURES}


@settings(max_examples=50)
@given(
    st.integers(0, 3).flatmap(
        lambda n: st.fixed_dictionaries({k: st.lists(v, min_size=n, max_size=n) for k, v in CELLS.items()})
    )
)
def test_values_that_are_unknown_are_counted_as_in_a_file(columns: dict[str, list[Any]]) -> None:
    encoded = ROWS.features(request(*plain(columns)))
    assert encoded.features.unknown == batch_path(columns).unknown
    assert set(encoded.looked_at.values()) <= {len(columns["item"])}


def repeated(num: int, **columns: Sequence[Any]) -> dict[str, Any]:
    return {name: [cell] * num for name, cell in ROW.items()} | columns


def encode(*inputs: InputTensor, rows: RequestRows = ROWS, **columns: Any) -> Encoded:
    """A request of one row, with other columns or inputs in the place of some."""
    given = {each.name: each for each in plain(repeated(1, **columns))} | {each.name: each for each in inputs}
    return rows.features(InferRequest(inputs=given))


def refusal(*inputs: InputTensor, rows: RequestRows = ROWS, **columns: Any) -> str:
    with pytest.raises(RequestError) as error:
        encode(*inputs, rows=rows, **columns)
    assert error.value.status == 400
    return str(error.value)


def test_a_users_unknown_value_counts_once() -> None:
    candidates = [name for name in TYPES if name in ITEM_COLUMNS]
    columns = repeated(1, user=[9]) | {name: [ROW[name]] * 3 for name in candidates}
    encoded = encode(**columns)
    assert encoded.features.unknown["user_id"] == 1
    assert encoded.features.unknown["tags"] == 3
    assert encoded.looked_at["user_id"] == 1
    assert encoded.looked_at["tags"] == 3
    assert (encoded.num_rows, encoded.num_users, encoded.parameters) == (3, 1, {})


@pytest.mark.parametrize("shape", [(2, 2), (4,)], ids=str)
def test_as_many_values_per_row_need_no_lengths(shape: tuple[int, ...]) -> None:
    lengths = [] if len(shape) == 2 else [tensor("pair.lengths", "INT64", [2, 2])]
    inputs = [tensor("pair", "FP32", [1.0, 2.0, 3.0, None], *shape), *lengths]
    columns = {name: cells for name, cells in repeated(2).items() if name != "pair"}
    encoded = ROWS.features(request(*plain(columns), *inputs))
    assert encoded.features.numbers["pair"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_one_value_per_row_may_stand_in_a_column() -> None:
    assert encode(tensor("user", "INT64", [3], 1, 1)).features.ids["user_id"].values.tolist() == [3]


def test_a_row_may_have_no_values() -> None:
    rest = [each for each in plain(repeated(1)) if not each.name.startswith("tags")]
    encoded = ROWS.features(request(*rest, tensor("tags", "BYTES", [], 1, 0)))
    assert encoded.features.ids["tags"].values.tolist() == [2, 3]  # the default


def test_bytes_that_are_no_text_fall_into_the_bucket_that_they_have_in_a_file() -> None:
    odd = b"\xff\xfe\x00"
    file = pa.array([odd], pa.binary()).view(pa.string())
    table = pa.table(
        {name: pa.array(cells, TYPES[name]) for name, cells in repeated(1).items()} | {"item": file, "query": file}
    )
    expected = ENCODER.features(conform_table(table, columns_of(SPEC, with_targets=False), "here"))
    assert view(encode(item=[odd], query=[odd]).features) == view(expected)
    assert encode(user=[3], tags=[[odd]]).features.unknown["tags"] == 1


@settings(max_examples=100)
@given(
    st.sampled_from(("user", "history", "age", "query", "item", "tags", "shop", "price")),
    st.binary(max_size=30) | st.integers(-(2**63), 2**64 - 1) | st.floats(),
)
def test_no_value_crashes(name: str, value: bytes | int | float) -> None:
    datatype = "BYTES" if isinstance(value, bytes) else "FP64" if isinstance(value, float) else "INT64"
    if isinstance(value, int) and value >= 2**63:
        datatype = "UINT64"
    lengths = [tensor(f"{name}.lengths", "INT64", [1])] if pa.types.is_list(TYPES[name]) else []
    with suppress(RequestError):  # and no other
        assert encode(tensor(name, datatype, [value]), *lengths).num_rows == 1


def test_ids_that_are_no_whole_numbers_are_refused_as_in_a_file() -> None:
    assert refusal(tensor("user", "FP64", [1.5])).startswith(
        "request: column 'user' is double and does not fit int64: Float value 1.500000 was truncated"
    )
    assert refusal(tensor("user", "UINT64", [2**63])).startswith("request: column 'user' is uint64 and does not fit")
    assert refusal(tensor("price", "BYTES", [b"dear"])) == (
        "column 'price': 'dear' is not a number; write one, or leave the cell empty"
    )
    assert refusal(tensor("user", "FP16", pa.array([np.float16(1)], pa.float16()))) == (
        "request: column 'user' is halffloat; ids must be whole numbers or strings, bare, in lists or in lists of "
        "lists: cast it to int64 or string"
    )


# Names


def test_all_that_is_missing_or_unknown_is_named_at_once() -> None:
    inputs = [each for each in plain(repeated(1)) if each.name not in ("user", "price")]
    inputs += [tensor("usr", "INT64", [1]), tensor("zzz", "INT64", [1]), tensor("user.lengths", "INT64", [1])]
    with pytest.raises(RequestError) as error:
        ROWS.features(request(*inputs))
    assert str(error.value) == (
        "inputs are missing: 'user' (BYTES), 'price' (FP32); there is no input 'usr' (did you mean 'user'?), 'zzz'"
    )


def test_many_long_unknown_names_make_a_short_error() -> None:
    inputs = [tensor("x" * 10_000 + str(k), "INT64", [1]) for k in range(50)]
    message = refusal(*inputs)
    assert message.endswith(" and 38 more")
    assert len(message) < 2000


def test_inputs_are_told_as_the_features_suggest_or_as_they_were_before() -> None:
    told = {info.name: (info.datatype, info.shape) for info in ROWS.inputs()}
    assert list(told) == list(TYPES)
    assert told["user"] == ("BYTES", (-1, -1))  # hashed: text or whole numbers
    assert told["history"] == ("INT64", (-1, -1))
    assert told["shop"] == ("INT64", (-1,))
    assert told["price"] == ("FP32", (-1,))
    assert told["pair"] == ("FP32", (-1, -1))
    schema = pa.schema([("user", pa.int64()), ("age", pa.float64()), ("tags", pa.list_(pa.string()))])
    told = {info.name: (info.datatype, info.shape) for info in RequestRows(SPEC, ENCODER, schema=schema).inputs()}
    assert (told["user"], told["age"], told["tags"]) == (("INT64", (-1,)), ("FP64", (-1,)), ("BYTES", (-1, -1)))
    assert told["price"] == ("FP32", (-1,))


# Rows


def test_rows_that_do_not_fit_each_other_are_refused() -> None:
    assert refusal(item=["a", "b"]) == (
        "inputs 'item' and 'tags' have 2 and 1 rows; give each input of the item side one row per candidate"
    )
    assert refusal(user=[1, 2]) == (
        "input 'user' has 2 rows; give it 1, or 1 if all rows share it; for several users, count the rows of each in "
        "the input 'candidates'"
    )
    assert refusal(tensor("candidates", "INT64", [1, 1])) == (
        "input 'candidates' counts 2 rows, but 'user' has 1; make the two agree"
    )
    assert refusal(tensor("candidates", "INT64", [1, 0]), user=[1, 2, 3]) == (
        "input 'user' has 3 rows; give it 1, or 2, one per user"
    )


@pytest.mark.parametrize("counts", [pa.array([1.0]), pa.array([None], pa.int64()), pa.array([b"1"])], ids=str)
def test_counts_are_whole_numbers(counts: pa.Array) -> None:
    assert refusal(tensor("candidates", "?", counts)) == (
        "input 'candidates' must be whole numbers of shape [N], none missing, or nobody knows which rows are whose"
    )


@pytest.mark.parametrize("count", [-1, 2**31, 2**63 - 1], ids=str)
def test_counts_lie_in_bounds(count: int) -> None:
    assert refusal(tensor("tags.lengths", "INT64", [count])) == (
        f"input 'tags.lengths' holds {count}; counts lie in [0, 2^31)"
    )


def test_lengths_count_the_values() -> None:
    assert refusal(tensor("tags.lengths", "INT64", [3])) == (
        "input 'tags' has 2 values, but 'tags.lengths' counts 3; make the two agree"
    )
    assert refusal(tensor("tags", "BYTES", [b"a", b"b"], 1, 2)) == (
        "input 'tags' has shape [1, 2], but 'tags.lengths' asks for flat values; give [2]"
    )


@pytest.mark.parametrize("shape", [(), (1, 1, 1)], ids=str)
def test_a_shape_has_one_or_two_dimensions(shape: tuple[int, ...]) -> None:
    odd = InputTensor(name="user", datatype="INT64", shape=shape, values=pa.array([1]))
    assert refusal(odd) == f"input 'user' has shape {list(shape)}; give it [N], or [N, L]"


def test_a_small_request_cannot_ask_for_much_memory() -> None:
    num = 50_000
    columns = repeated(1, query=[";".join("a" * num)]) | {name: [ROW[name]] * num for name in ITEM_COLUMNS}
    rows = RequestRows(SPEC, ENCODER, max_rows=num, max_values=10_000_000)
    with pytest.raises(RequestError) as error:
        encode(rows=rows, **columns)
    assert error.value.status == 413
    assert str(error.value).endswith("the most is 10000000; send fewer candidates at once, or shorter lists")
    assert encode(rows=rows, **(columns | {"query": ["a"]})).num_rows == num


def test_rows_beyond_the_limit_are_refused_before_anything_is_made_of_them() -> None:
    rows, most = RequestRows(SPEC, ENCODER, max_rows=3), 16 << 20
    assert encode(rows=rows, **repeated(3)).num_rows == 3
    nothing, none = pa.array([], pa.int64()), pa.array(np.zeros(most, np.int8))
    claims = {
        "user": [tensor("user", "INT64", pa.array([1] * 4))],
        "history": [tensor("history", "INT64", nothing, most, 0)],
        "history.lengths": [tensor("history", "INT64", nothing, 0), tensor("history.lengths", "INT8", none)],
        "candidates": [tensor("candidates", "INT8", none)],
    }
    for name, claim in claims.items():
        honest = [each for each in plain(repeated(1)) if each.name.split(".")[0] != claim[0].name]
        tracemalloc.start()
        with pytest.raises(RequestError) as error:
            rows.features(request(*honest, *claim))
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        num = claim[-1].shape[0]
        assert str(error.value) == f"input {name!r} has {num} rows, the most is 3; send fewer candidates at once"
        assert error.value.status == 413
        assert peak_bytes < 1 << 20


# Domains


@pytest.mark.promise("R-17", "refusals of requests")
def test_an_unknown_domain_is_refused_with_the_known_ones() -> None:
    rows = RequestRows(plan(), Encoder(plan(), serving=True))
    assert encode(rows=rows).features.domain.tolist() == [2]
    for value, written in (("hme", "'hme'"), (None, "None"), (b"\xff", "'�'")):
        assert refusal(rows=rows, tab=[value]) == (
            f"domain 'tab' is unknown to the model in 1 of 1 rows, such as {written}; known are 'home', 'search'"
        )


@pytest.mark.promise("R-17", "the default of a server, and its counts")
def test_the_servers_default_stands_in_for_unknown_domains() -> None:
    rows = RequestRows(plan(), Encoder(plan(), serving=True), default_domain="home")
    columns = repeated(3, tab=["hme", "search", None])
    encoded = encode(rows=rows, **columns)
    assert encoded.features.domain.tolist() == encoded.features.ids["tab"].values.tolist() == [2, 3, 2]
    assert encoded.num_defaulted == 2
    assert encoded.parameters == {"default_domain_rows": 2}
    shared = encode(
        rows=rows,
        **{name: cells * 3 if name in ITEM_COLUMNS else cells for name, cells in repeated(1, tab=["?"]).items()},
    )
    assert (shared.features.domain.tolist(), shared.num_defaulted) == ([2, 2, 2], 3)


def test_the_plans_default_stands_in_where_it_does_in_a_file() -> None:
    encoded = encode(**repeated(3, tab=["home", None, "hme"]))
    assert encoded.features.domain.tolist() == [2, 3, 1]  # of unknown words the vocabulary has an id
    assert encoded.num_defaulted == 1


def test_a_default_that_is_no_domain_is_refused() -> None:
    with pytest.raises(SpecError, match="default_domain = 'hme': is no value that 'tab' knows"):
        RequestRows(SPEC, ENCODER, default_domain="hme")
    without = plan(domain=None)
    with pytest.raises(SpecError, match="default_domain = 'home': stands for unknown domains, but the plan names no"):
        RequestRows(without, Encoder(without), default_domain="home")
    assert encode(rows=RequestRows(without, Encoder(without))).features.domain.tolist() == [0]


def test_a_row_of_several_domains_is_refused() -> None:
    assert refusal(tensor("tab", "BYTES", [b"home", b"search"], 1, 2)) == (
        "domain feature 'tab': 1 rows have more than one value; give each row one"
    )
