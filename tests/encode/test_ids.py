from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.batch import MISSING
from peprank.encode.ids import IdEncoder
from peprank.errors import DataError, SpecError
from peprank.spec.feature import Hashed, Identity, IdFeature, IdRule, Vocabulary
from tests.encode.specs import id_feature

INTS, STRINGS = pa.int64(), pa.string()
ANIMALS = Vocabulary(words=("cat", "dog", "7"), ids=(2, 3, 4), rows=5, unknown=1)
NUMERALS = Vocabulary(words=("-3", "0", "5", "40"), ids=(0, 1, 2, 3), rows=5, unknown=4)
HUNDRED = Identity(rows=100)


def encode(feature: IdFeature, column: pa.Array) -> tuple[list[list[int]], int]:
    """Ids of each row without MISSING, and how many values were unknown."""
    encoded, num_unknown = IdEncoder(feature)(column)
    if encoded.offsets is None:
        return [[] if index == MISSING else [index] for index in encoded.values.tolist()], num_unknown
    assert encoded.offsets[0] == 0
    assert encoded.offsets[-1] == len(encoded.values)
    return [part.tolist() for part in np.split(encoded.values, encoded.offsets[1:-1])], num_unknown


def ids(feature: IdFeature, cells: Sequence[object], kind: pa.DataType) -> list[list[int]]:
    return encode(feature, pa.array(cells, kind))[0]


def test_identity_drops_ids_outside_the_table_and_counts_them() -> None:
    column = pa.array([0, 99, 100, -1, 2**63 - 1, -(2**63), None])
    assert encode(id_feature(), column) == ([[0], [99], [], [], [], [], []], 4)


def test_identity_sends_ids_outside_the_table_to_the_unknown_id() -> None:
    rule = Identity(rows=100, unknown=7)
    assert encode(id_feature(rule), pa.array([0, 100, -1, None])) == ([[0], [7], [7], []], 2)


def test_identity_reads_decimal_strings_and_nothing_else() -> None:
    odd = ["0x10", "5\n", " 5", "+5", "5.0", "1e1", "٣", "-1", "9223372036854775808", "1" * 40, "a"]
    column = pa.array(["5", "007", "", None, *odd])
    assert encode(id_feature(), column) == ([[5], [7], [], [], *([[]] * len(odd))], len(odd))


def test_hashed_ids_equal_the_peers() -> None:
    texts = ["abc", "efg", "hij", "xyz", "1", "2", "3", "4", "0"]
    assert encode(id_feature(Hashed(rows=100)), pa.array([*texts, "", None])) == (
        [[33], [44], [66], [13], [95], [70], [13], [56], [26], [], []],
        0,
    )
    assert ids(id_feature(Hashed(rows=100)), [1, 2, 3, 4, 0, None], INTS) == [[95], [70], [13], [56], [26], []]


def test_vocabulary_finds_listed_words_and_counts_the_others() -> None:
    column = pa.array(["cat", "dog", "7", "cow", "", None, "Cat", "07"])
    assert encode(id_feature(ANIMALS), column) == ([[2], [3], [4], [1], [], [], [1], [1]], 3)
    assert encode(id_feature(ANIMALS), pa.array([7, 8, None])) == ([[4], [1], []], 1)


def test_an_empty_vocabulary_knows_no_word() -> None:
    rule = Vocabulary(words=(), ids=(), rows=2, unknown=1)
    assert encode(id_feature(rule), pa.array(["a", None])) == ([[1], []], 1)


def test_a_large_vocabulary_finds_all_its_words() -> None:
    words = tuple(f"w{index}" for index in range(20_000))
    rule = Vocabulary(words=words, ids=tuple(range(20_000)), rows=20_001, unknown=20_000)
    encoded, num_unknown = IdEncoder(id_feature(rule))(pa.array([*words, "w20000"]))
    assert encoded.values.tolist() == list(range(20_001))
    assert num_unknown == 1


@pytest.mark.parametrize("rule", [HUNDRED, Hashed(rows=97), NUMERALS], ids=lambda rule: type(rule).__name__)
@given(values=st.lists(st.integers(-5, 120) | st.integers(-(2**63), 2**63 - 1) | st.none()))
def test_ints_whole_floats_and_decimal_strings_are_the_same_ids(rule: IdRule, values: list[int | None]) -> None:
    feature = id_feature(rule)
    expected = encode(feature, pa.array(values, INTS))
    assert encode(feature, pa.array([None if v is None else str(v) for v in values], STRINGS)) == expected
    small = [None if v is None else v % 2**50 for v in values]
    assert encode(feature, pa.array(small, pa.float64())) == encode(feature, pa.array(small, INTS))


def test_nan_among_float_ids_is_missing() -> None:
    assert encode(id_feature(), pa.array([3.0, float("nan"), None])) == ([[3], [], []], 0)


@pytest.mark.parametrize("bad", [0.5, float("inf"), 2.0**63])
def test_a_float_that_is_no_whole_number_is_refused(bad: float) -> None:
    with pytest.raises(DataError) as error:
        IdEncoder(id_feature())(pa.array([1.0, bad, bad]))
    message = f"column 'c': 2 ids are not whole numbers, the first is {bad}; write ids as integers or strings"
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([[1, 2], [], None, [3, None]], pa.list_(INTS)),
        ([["1", "2"], [""], None, ["", "3"]], pa.list_(STRINGS)),
        ([[[1], [2]], [[], []], None, [None, [3, None]]], pa.list_(pa.list_(INTS))),
        (["1;2", "", None, ";3;"], STRINGS),
    ],
    ids=["list", "list of strings", "list of lists", "separated"],
)
def test_every_multi_valued_form_means_the_same(cells: list[object], kind: pa.DataType) -> None:
    feature = id_feature(separator=";")
    assert ids(feature, cells, kind) == [[1, 2], [], [], [3]]
    assert ids(id_feature(separator=";", default=("8", "9")), cells, kind) == [[1, 2], [8, 9], [8, 9], [3]]


def test_the_first_max_values_count_and_missing_ones_do_not() -> None:
    cells = [[1, 2, 3], [None, 4, 5, None, 6], [7], []]
    assert ids(id_feature(max_values=2), cells, pa.list_(INTS)) == [[1, 2], [4, 5], [7], []]
    assert ids(id_feature(max_values=1), cells, pa.list_(INTS)) == [[1], [4], [7], []]


def test_an_unknown_id_takes_one_of_the_max_values() -> None:
    assert encode(id_feature(max_values=2), pa.array([[100, 1, 2]])) == ([[1]], 1)


def test_a_cell_of_a_single_valued_feature_is_not_split() -> None:
    assert encode(id_feature(max_values=1, separator=";"), pa.array(["1;2", "3"])) == ([[], [3]], 1)


def test_strings_without_a_separator_stay_one_per_row() -> None:
    encoder = IdEncoder(id_feature(separator=";"))
    assert encoder(pa.array(["1", "2"]))[0].offsets is None
    assert encoder(pa.array(["1", "2;3"]))[0].offsets is not None


def test_a_separator_may_have_several_characters() -> None:
    assert ids(id_feature(separator="::"), ["1::2", "3:4", "5"], STRINGS) == [[1, 2], [], [5]]


def test_the_default_fills_missing_cells_only() -> None:
    feature = id_feature(default=("5",))
    assert encode(feature, pa.array([1, None, 100])) == ([[1], [5], []], 1)
    assert ids(feature, ["1", "", None], STRINGS) == [[1], [5], [5]]


def test_a_default_of_several_values_fills_a_column_of_single_ones() -> None:
    assert ids(id_feature(default=("5", "6")), [1, None], INTS) == [[1], [5, 6]]
    assert ids(id_feature(default=("5", "6", "7"), max_values=2), [1, None], INTS) == [[1], [5, 6]]


def test_the_default_is_looked_up_by_the_features_rule() -> None:
    assert ids(id_feature(Hashed(rows=100), default=("abc",)), [1, None], INTS) == [[95], [33]]
    assert ids(id_feature(ANIMALS, default=("dog",)), ["cow", None], STRINGS) == [[1], [3]]
    assert ids(id_feature(ANIMALS, default=("cow",)), ["cat", None], STRINGS) == [[2], [1]]


def test_a_default_outside_the_table_is_refused() -> None:
    with pytest.raises(SpecError) as error:
        IdEncoder(id_feature(default=("1", "100")))
    assert str(error.value) == "f.default_value = ('1', '100'): must hold ids in [0, 100)"


def test_weights_stand_behind_the_last_colon_and_default_to_one() -> None:
    feature = id_feature(ANIMALS, weighted=True, separator=";", default=("dog:3",))
    encoded, num_unknown = IdEncoder(feature)(pa.array(["cat:0.5;a:b:2", "dog", None, "7:", ":4", "dog:-1e-2"]))
    assert encoded.offsets is not None
    assert encoded.weights is not None
    assert encoded.values.tolist() == [2, 1, 3, 3, 4, 3, 3]
    assert encoded.offsets.tolist() == [0, 2, 3, 4, 5, 6, 7]
    assert encoded.weights.tolist() == pytest.approx([0.5, 2, 1, 3, 1, 3, -0.01])
    assert num_unknown == 1


def test_weights_of_one_value_per_row() -> None:
    feature = id_feature(weighted=True, default=("9:3",))
    encoded, _ = IdEncoder(feature)(pa.array(["1:0.5", None, "2"]))
    assert encoded.offsets is None
    assert encoded.weights is not None
    assert (encoded.values.tolist(), encoded.weights.tolist()) == ([1, 9, 2], [0.5, 3, 1])


def test_ids_without_weights_weigh_one() -> None:
    encoded, _ = IdEncoder(id_feature(weighted=True))(pa.array([[1, 2], [3]]))
    assert encoded.weights is not None
    assert encoded.weights.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("1:x", "'x' is not a number; write one, or leave the cell empty"),
        ("1:nan", "'nan' is not finite"),
        ("1:1e99", "'1e99' is not finite"),
    ],
)
def test_a_weight_that_is_no_number_is_refused(cell: str, what: str) -> None:
    with pytest.raises(DataError) as error:
        IdEncoder(id_feature(weighted=True))(pa.array(["1:1", cell]))
    assert str(error.value) == f"column 'c': weight of an 'id:weight' value: {what}"


def test_bytes_that_are_no_utf8_are_values_like_any_other() -> None:
    binary = pa.array([b"\xff\xfe", b"cat", b"\xff;dog"])
    column = pa.StringArray.from_buffers(3, binary.buffers()[1], binary.buffers()[2])
    assert encode(id_feature(), column) == ([[], [], []], 3)
    assert encode(id_feature(ANIMALS, separator=";"), column) == ([[1], [2], [1, 3]], 2)
    assert ids(id_feature(Hashed(rows=10**9), separator=";"), ["dog"], STRINGS)[0] == [
        encode(id_feature(Hashed(rows=10**9), separator=";"), column)[0][2][1]
    ]
