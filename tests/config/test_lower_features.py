"""What a feature message means under each fg_mode, and the small languages inside its strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.config import Lowered, lower, parse
from peprank.config.place import Place
from peprank.config.strings import initializer, normalizer
from peprank.errors import ConfigError
from peprank.spec.embedding import (
    AutoDisSpec,
    Distribution,
    GroupInput,
    InitSpec,
    LinearEmbeddingSpec,
    TableSpec,
)
from peprank.spec.feature import (
    Expression,
    Identity,
    IdFeature,
    IdRule,
    Log10,
    MinMax,
    Normalizer,
    Pooling,
    RawFeature,
    Side,
    Vocabulary,
    ZScore,
)
from tests.config.base import changed

ITEM = '    expression: "item:item_id"\n    num_buckets: 50\n    embedding_dim: 8'
PRICE = '    expression: "item:price"\n    boundaries: [1, 2.5, 10]\n    embedding_dim: 4'
AGE = '    normalizer: "method=zscore,mean=40,standard_deviation=12.5"'


def plan(old: str, new: str, *overrides: str, files: dict[str, str] | None = None) -> Lowered:
    return lower(parse(changed(old, new), "c", overrides), open_text=(files or {}).__getitem__)


def item(text: str, *overrides: str) -> IdFeature:
    feature = plan(ITEM, text, *overrides).spec.feature("item")
    assert isinstance(feature, IdFeature)
    return feature


def rule(rows: str, files: dict[str, str] | None = None) -> IdRule:
    feature = plan("num_buckets: 50", rows, files=files).spec.feature("item")
    assert isinstance(feature, IdFeature)
    return feature.rule


def age(text: str, *overrides: str) -> RawFeature:
    feature = plan(AGE, text, *overrides).spec.feature("age")
    assert isinstance(feature, RawFeature)
    return feature


def test_a_vocab_list_starts_with_the_default_value_and_the_unknown_word() -> None:
    assert rule("vocab_list: ['a', 'b'] default_value: 'none'") == Vocabulary(
        words=("none", "<OOV>", "a", "b"), ids=(0, 1, 2, 3), rows=4, unknown=1
    )


def test_a_vocab_list_with_default_bucketize_value_is_used_as_it_is() -> None:
    assert rule("vocab_list: ['a', 'b', 'c'] default_bucketize_value: 2") == Vocabulary(
        words=("a", "b", "c"), ids=(0, 1, 2), rows=3, unknown=2
    )


def test_a_vocab_dict_gives_the_default_value_id_0_and_has_one_row_more_than_its_largest_id() -> None:
    text = "vocab_dict { key: 'a' value: 2 } vocab_dict { key: 'b' value: 5 } default_value: 'none'"
    assert rule(text) == Vocabulary(words=("none", "a", "b"), ids=(0, 2, 5), rows=6, unknown=1)


def test_a_vocab_dict_with_default_bucketize_value_is_used_as_it_is() -> None:
    text = "vocab_dict { key: 'a' value: 0 } vocab_dict { key: 'b' value: 3 } default_bucketize_value: 3"
    assert rule(text) == Vocabulary(words=("a", "b"), ids=(0, 3), rows=4, unknown=3)


def test_a_vocab_dict_that_uses_the_reserved_ids_gets_a_warning() -> None:
    text = "vocab_dict { key: 'a' value: 1 } vocab_dict { key: 'b' value: 2 }"
    (problem,) = plan("num_buckets: 50", text).warnings
    assert problem.message.endswith("count words from 2")


@pytest.mark.parametrize(
    ("text", "words", "ids"),
    [("a\nb\n\nc\n", ("a", "b", "c"), (0, 1, 2)), ("a 4\nb 0\n", ("a", "b"), (4, 0))],
)
def test_a_vocab_file_has_words_or_words_with_ids(text: str, words: tuple[str, ...], ids: tuple[int, ...]) -> None:
    found = rule('vocab_file: "v.txt" default_bucketize_value: 0', {"v.txt": text})
    assert found == Vocabulary(words=words, ids=ids, rows=max(ids) + 1, unknown=0)


def test_a_vocab_file_is_kept_as_an_asset_under_its_path() -> None:
    text = 'vocab_file: "v.txt" asset_dir: "words" default_bucketize_value: 0'
    assert plan("num_buckets: 50", text, files={"words/v.txt": "a"}).assets == {"words/v.txt": "a"}


def test_a_vocab_file_that_mixes_kinds_of_lines_is_refused() -> None:
    with pytest.raises(ConfigError, match="has the line 'b' among lines 'word id'"):
        rule('vocab_file: "v.txt" default_bucketize_value: 0', {"v.txt": "a 1\nb\n"})


def test_num_buckets_may_name_the_id_of_values_out_of_range() -> None:
    assert rule("num_buckets: 5 default_bucketize_value: 4") == Identity(rows=5, unknown=4)
    with pytest.raises(ConfigError, match=r"default_bucketize_value = 5: must lie in \[0, 5\)"):
        rule("num_buckets: 5 default_bucketize_value: 5")


def test_an_id_feature_arrives_whole() -> None:
    text = f'{ITEM} value_dim: 3 default_value: "1|2" separator: "|" weighted: true'
    assert item(text) == IdFeature(
        name="item",
        column="item_id",
        side=Side.ITEM,
        rule=Identity(rows=50),
        max_values=3,
        separator="|",
        weighted=True,
        default=("1", "2"),
    )


def test_a_value_that_is_not_split_keeps_the_separator_in_its_default() -> None:
    hashed = ITEM.replace("num_buckets", "hash_bucket_size")
    assert item(f'{hashed} value_dim: 1 default_value: "1|2" separator: "|"').default == ("1|2",)
    assert item(ITEM).default == ()
    assert item(f"{ITEM} value_dim: 0").max_values is None


@pytest.mark.parametrize("mode", ["FG_NORMAL", "FG_DAG"])
def test_columns_are_those_of_the_expressions_when_features_are_made_here(mode: str) -> None:
    assert item(ITEM, f"data_config.fg_mode={mode}").column == "item_id"


@pytest.mark.parametrize("rows", ["num_buckets: 50", "hash_bucket_size: 50"])
def test_encoded_columns_hold_ids_whatever_gives_the_row_count(rows: str) -> None:
    text = ITEM.replace("num_buckets: 50", rows) + ' fg_encoded_default_value: "1\\x032"'
    assert item(text, "data_config.fg_mode=FG_NONE") == IdFeature(
        name="item", column="item", side=Side.ITEM, rule=Identity(rows=50), separator="\x03", default=("1", "2")
    )


def test_encoded_columns_are_cut_at_the_separator_of_the_file() -> None:
    assert item(ITEM, "data_config.fg_mode=FG_NONE", 'data_config.fg_encoded_multival_sep=";"').separator == ";"


def test_an_encoded_vocabulary_only_counts_its_rows() -> None:
    text = ITEM.replace("num_buckets: 50", "vocab_list: ['a', 'b']")
    assert item(text, "data_config.fg_mode=FG_NONE").rule == Identity(rows=4)


@pytest.mark.parametrize("mode", ["FG_NONE", "FG_BUCKETIZE"])
def test_an_expression_may_be_absent_where_the_column_is_called_as_the_feature_is(mode: str) -> None:
    feature = item(ITEM.replace('    expression: "item:item_id"\n', ""), f"data_config.fg_mode={mode}")
    assert (feature.column, feature.side) == ("item", Side.USER)


def test_fg_bucketize_makes_ids_from_columns_named_by_the_feature() -> None:
    lowered = plan(PRICE, PRICE, "data_config.fg_mode=FG_BUCKETIZE")
    assert lowered.spec.feature("price") == RawFeature(
        name="price", column="price", side=Side.ITEM, boundaries=(1.0, 2.5, 10.0)
    )
    assert [(problem.path, problem.message) for problem in lowered.warnings] == [
        (
            "feature_configs[4].raw_feature.normalizer",
            "has no effect: under FG_BUCKETIZE the column is normalized already",
        )
    ]


def test_encoded_boundaries_hold_any_number_of_bucket_ids() -> None:
    feature = plan(PRICE, PRICE, "data_config.fg_mode=FG_NONE").spec.feature("price")
    assert feature == RawFeature(
        name="price",
        column="price",
        side=Side.ITEM,
        value_dim=0,
        boundaries=(1.0, 2.5, 10.0),
        is_bucketized=True,
        separator="\x03",
        default=(),
    )


def test_encoded_numbers_fall_back_to_zero() -> None:
    feature = age("    value_dim: 2", "data_config.fg_mode=FG_NONE")
    assert (feature.normalizer, feature.default, feature.separator) == (None, (0.0, 0.0), "\x03")


@pytest.mark.parametrize(
    ("old_name", "threads", "column"), [("true", 1, "item"), ("false", 1, "item_id"), ("false", 0, "item_id")]
)
def test_fg_encoded_means_what_it_meant(old_name: str, threads: int, column: str) -> None:
    new = f"fg_encoded: {old_name} fg_threads: {threads}"
    lowered = plan("fg_mode: FG_NORMAL", new)
    assert lowered.spec.feature("item").column == column
    mode = "FG_NONE" if old_name == "true" else "FG_DAG" if threads else "FG_NORMAL"
    assert lowered.warnings[0].message == f"is an old name; write fg_mode: {mode}"


def test_fg_mode_wins_over_fg_encoded() -> None:
    lowered = plan("fg_mode: FG_NORMAL", "fg_mode: FG_NORMAL fg_encoded: true")
    assert lowered.spec.feature("item").column == "item_id"
    assert [problem.message for problem in lowered.warnings] == [
        "is an old name and has no effect beside fg_mode; remove it"
    ]


def test_fields_of_the_other_modes_get_a_warning() -> None:
    new = 'fg_mode: FG_BUCKETIZE fg_encoded_multival_sep: ";" fg_threads: 4'
    lowered = plan("fg_mode: FG_NORMAL", new)
    assert [(problem.path, problem.message) for problem in lowered.warnings][:2] == [
        (
            "data_config.fg_encoded_multival_sep",
            "has no effect under FG_BUCKETIZE: values stand between each feature's separator",
        ),
        ("data_config.fg_threads", "has no effect: num_workers says how many threads read"),
    ]
    assert lowered.spec.feature("item").separator == "\x1d"


def test_a_default_of_the_other_mode_gets_a_warning() -> None:
    (problem,) = plan(ITEM, f'{ITEM} fg_encoded_default_value: "1"').warnings
    assert problem.message == "has no effect under FG_NORMAL; write default_value for empty cells"
    encoded = plan(ITEM, f'{ITEM} default_value: "1" separator: "|"', "data_config.fg_mode=FG_NONE")
    assert [problem.path.rpartition(".")[2] for problem in encoded.warnings] == [
        "default_value",
        "separator",
        "normalizer",
    ]


@pytest.mark.parametrize(
    ("text", "scaling"),
    [
        ("method=log10", Log10()),
        ("method=log10,threshold=0.5,default=-3", Log10(threshold=0.5, default=-3.0)),
        ("method=zscore,mean=1,standard_deviation=2", ZScore(mean=1.0, standard_deviation=2.0)),
        ("method=minmax, min=-1, max=1e3", MinMax(min=-1.0, max=1000.0)),
        ("method=expression,expr=max(x,1)*(x==2)", Expression(formula="max(x,1)*(x==2)")),
        ("expr=log1p(x),method=expression", Expression(formula="log1p(x)")),
    ],
)
def test_normalizers_are_read(text: str, scaling: Normalizer) -> None:
    assert age(f'    normalizer: "{text}"').normalizer == scaling


def test_one_default_stands_for_all_numbers_of_a_row() -> None:
    assert age('    value_dim: 3 default_value: "0.5"').default == (0.5, 0.5, 0.5)
    assert age('    value_dim: 2 separator: "|" default_value: "1|2"').default == (1.0, 2.0)


def test_numbers_enter_as_they_are_through_a_linear_map_or_through_autodis() -> None:
    def entry(text: str) -> GroupInput:
        return plan(AGE, text).spec.model.groups[0].inputs[4]

    assert entry("    value_dim: 3") == GroupInput(feature="age", dim=3)
    assert entry("    embedding_dim: 6 mlp {}") == GroupInput(
        feature="age", dim=6, dense=LinearEmbeddingSpec(), weight_name="age_emb"
    )
    assert entry("    value_dim: 3 embedding_dim: 6 mlp {}").value_dim == 3
    assert entry("    embedding_dim: 6 autodis { num_channels: 4 temperature: 0.5 keep_prob: 0.25 }") == GroupInput(
        feature="age",
        dim=6,
        dense=AutoDisSpec(num_channels=4, temperature=0.5, keep_prob=0.25),
        weight_name="age_emb",
    )


def test_a_width_for_plain_numbers_gets_a_warning() -> None:
    (problem,) = plan(AGE, "    embedding_dim: 6").warnings
    assert (problem.path, problem.value) == ("feature_configs[4].raw_feature.embedding_dim", "6")
    assert problem.message == "has no effect: plain numbers enter as they are; add boundaries, autodis or mlp {}"


def test_a_table_arrives_whole() -> None:
    text = f'{ITEM} embedding_name: "t" pooling: "mean" init_fn: "nn.init.uniform_,a=-0.5,b=0.25" trainable: false'
    table = plan(ITEM, f'{text} data_type: "FP16"').spec.model.tables[1]
    init = InitSpec(distribution=Distribution.UNIFORM, arguments=(("a", -0.5), ("b", 0.25)))
    assert table == TableSpec(name="t", rows=50, dim=8, pooling=Pooling.MEAN, init=init, trainable=False, is_half=True)


def test_features_of_one_embedding_name_share_a_table() -> None:
    text = changed(ITEM, f'{ITEM} embedding_name: "t"').replace(
        "num_buckets: 3\n    embedding_dim: 4", 'num_buckets: 50 embedding_dim: 8 embedding_name: "t"'
    )
    text = text.replace("task_domain_num: 3", "")
    model = lower(parse(text, "c")).spec.model
    assert [table.name for table in model.tables] == ["user_id_emb", "t", "price_emb"]


@pytest.mark.parametrize(
    ("field", "difference"),
    [
        ("embedding_dim: 4", "embedding_dim is 8 there and 4 here"),
        ('pooling: "mean" embedding_dim: 8', "pooling is sum there and mean here"),
        ("trainable: false embedding_dim: 8", "trainable is true there and false here"),
        ('data_type: "FP16" embedding_dim: 8', "data_type is FP32 there and FP16 here"),
        ('init_fn: "nn.init.zeros_" embedding_dim: 8', "init_fn is not set there and nn.init.zeros_ here"),
    ],
)
def test_features_that_share_a_table_must_mean_the_same_table(field: str, difference: str) -> None:
    text = changed(ITEM, f'{ITEM} embedding_name: "t"').replace(
        "num_buckets: 3\n    embedding_dim: 4", f'num_buckets: 50 {field} embedding_name: "t"'
    )
    with pytest.raises(ConfigError) as caught:
        lower(parse(text.replace("task_domain_num: 3", ""), "c"))
    (problem,) = caught.value.problems
    assert f"the table 't' is shared with 'item': {difference}; make them equal" in problem.message


def test_a_suffix_gives_a_group_tables_of_its_own() -> None:
    model = plan('group_name: "uia"', 'group_name: "uia" embedding_name_suffix: "prior"').spec.model
    assert [entry.table for entry in model.group("uia").inputs] == ["user_id_emb_prior", "item_emb_prior"]
    assert [table.name for table in model.tables] == [
        "user_id_emb",
        "item_emb",
        "tab_emb",
        "price_emb",
        "user_id_emb_prior",
        "item_emb_prior",
    ]


@given(
    text=st.text(alphabet="nnit._,=abexpr()x1 method", max_size=30), field=st.sampled_from(["init_fn", "normalizer"])
)
def test_no_string_breaks_the_small_languages(text: str, field: str) -> None:
    quoted = text.replace("\\", "").replace('"', "")
    file = parse(changed(AGE, f'    {field}: "{quoted}" embedding_dim: 4 mlp {{}}'), "c")
    place = Place(file, file.message)["feature_configs"][4]["raw_feature"][field]
    meant = (initializer if field == "init_fn" else normalizer)(quoted, place)
    assert (meant is None) == bool(place.found)
