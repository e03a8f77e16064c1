from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from peprank.batch import MISSING, Features, Ids
from peprank.errors import DataError
from peprank.nn import EmbeddingGroups, Field, Table

USER, ITEM = Table(name="user_emb", rows=5, dim=2), Table(name="item_emb", rows=3, dim=2)
USER_FIELD = Field(feature="user", dim=2, table="user_emb")
ITEM_FIELD = Field(feature="item", dim=2, table="item_emb")


def features(**ids: Ids | Sequence[int]) -> Features:
    as_ids = {name: v if isinstance(v, Ids) else Ids(torch.tensor(v)) for name, v in ids.items()}
    num_rows = max(len(v.values if v.offsets is None else v.offsets[1:]) for v in as_ids.values())
    return Features(num_rows=num_rows, ids=as_ids, numbers={}, domain=torch.zeros(num_rows, dtype=torch.int64))


def ragged(*rows: Sequence[int], weights: Sequence[float] | None = None) -> Ids:
    lengths = torch.tensor([0, *map(len, rows)])
    values = torch.tensor([value for row in rows for value in row], dtype=torch.int64)
    return Ids(values, lengths.cumsum(0), None if weights is None else torch.tensor(weights))


def table_of(groups: EmbeddingGroups, table: Table) -> Tensor:
    return groups.split(table.arena, groups.arena(table.arena).weight.detach())[table.name]


def one_table(table: Table) -> EmbeddingGroups:
    return EmbeddingGroups([table], {"all": [Field(feature="user", dim=table.dim, table=table.name)]}, seed=1)


def test_ids_read_their_rows_and_missing_reads_zero() -> None:
    groups = EmbeddingGroups([USER, ITEM], {"all": [USER_FIELD, ITEM_FIELD]}, seed=1)
    user, item = table_of(groups, USER), table_of(groups, ITEM)
    vectors = groups(features(user=[4, MISSING], item=[0, 2]))["all"]
    assert torch.equal(vectors, torch.cat([torch.stack([user[4], torch.zeros(2)]), item[[0, 2]]], dim=1))


def test_fields_stand_in_the_group_as_named() -> None:
    groups = EmbeddingGroups([USER, ITEM], {"a": [USER_FIELD, ITEM_FIELD], "b": [ITEM_FIELD, USER_FIELD]}, seed=1)
    vectors = groups(features(user=[4], item=[1]))
    assert torch.equal(vectors["b"], vectors["a"][:, [2, 3, 0, 1]])


def test_features_that_name_one_table_share_its_rows() -> None:
    fields = [USER_FIELD, Field(feature="author", dim=2, table="user_emb")]
    vectors = EmbeddingGroups([USER], {"all": fields}, seed=1)(features(user=[3], author=[3]))["all"]
    assert torch.equal(vectors[:, :2], vectors[:, 2:])


def test_a_table_that_two_groups_read_is_gathered_once() -> None:
    groups = EmbeddingGroups([USER, ITEM], {"a": [USER_FIELD, ITEM_FIELD], "b": [USER_FIELD]}, seed=1)
    vectors = groups(features(user=[4, 4], item=[1, 0]))
    torch.autograd.backward(vectors["a"].sum() + 10 * vectors["b"].sum())
    gradient = groups.arena("dim2").weight.grad
    assert gradient is not None
    assert gradient._nnz() == 4  # two features x two rows
    assert groups.split("dim2", gradient.to_dense())["user_emb"][4].tolist() == [22.0, 22.0]


@pytest.mark.parametrize("is_half", [False, True])
@pytest.mark.parametrize("is_mean", [False, True])
def test_bags_are_pooled(is_half: bool, is_mean: bool) -> None:
    table = Table(name="user_emb", rows=5, dim=2, is_half=is_half, is_mean=is_mean)
    groups = one_table(table)
    rows = table_of(groups, table).float()
    vectors = groups(features(user=ragged([1, 4], [], [2, 2, 0])))["all"]
    sums = torch.stack([rows[1] + rows[4], torch.zeros(2), 2 * rows[2] + rows[0]])
    torch.testing.assert_close(vectors, sums / torch.tensor([[2.0], [1.0], [3.0]]) if is_mean else sums)


@pytest.mark.parametrize("is_mean", [False, True])
def test_a_weighted_mean_is_divided_by_the_count(is_mean: bool) -> None:
    table = Table(name="user_emb", rows=5, dim=2, is_mean=is_mean)
    groups = one_table(table)
    rows = table_of(groups, table)
    vectors = groups(features(user=ragged([1, 4], weights=[0.5, 3.0])))["all"]
    torch.testing.assert_close(vectors[0], (0.5 * rows[1] + 3.0 * rows[4]) / (2 if is_mean else 1))


def test_a_single_id_may_have_a_weight() -> None:
    groups = one_table(USER)
    vectors = groups(features(user=Ids(torch.tensor([3, MISSING]), weights=torch.tensor([2.0, 2.0]))))["all"]
    torch.testing.assert_close(vectors, torch.stack([2 * table_of(groups, USER)[3], torch.zeros(2)]))


def test_single_and_many_valued_features_of_a_table_share_its_gradient() -> None:
    fields = [USER_FIELD, Field(feature="friends", dim=2, table="user_emb")]
    groups = EmbeddingGroups([USER], {"all": fields}, seed=1)
    torch.autograd.backward(groups(features(user=[1, 2], friends=ragged([1, 1, 3], [])))["all"].sum())
    gradient = groups.arena("dim2").weight.grad
    assert gradient is not None
    assert groups.split("dim2", gradient.to_dense())["user_emb"][:, 0].tolist() == [0.0, 3.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("wrong", [5, -2])
@pytest.mark.parametrize("in_bags", [False, True])
def test_an_id_outside_its_table_does_not_read_the_neighbours(wrong: int, in_bags: bool) -> None:
    groups = EmbeddingGroups([USER, ITEM], {"all": [ITEM_FIELD, USER_FIELD]}, seed=1)
    user = ragged([1], [wrong]) if in_bags else [1, wrong]
    with pytest.raises(DataError) as error:
        groups(features(user=user, item=[0, 0]))
    assert str(error.value) == f"feature 'user': id {wrong} is outside table 'user_emb': ids must lie in [0, 5)"


def test_first_values_depend_on_seed_and_name_alone() -> None:
    alone, beside = one_table(USER), EmbeddingGroups([ITEM, USER], {"all": [USER_FIELD, ITEM_FIELD]}, seed=1)
    assert torch.equal(table_of(alone, USER), table_of(beside, USER))
    other_seed = EmbeddingGroups([USER], {"all": [USER_FIELD]}, seed=2)
    assert not torch.equal(table_of(alone, USER), table_of(other_seed, USER))


def test_first_values_are_the_same_however_many_threads_draw_them() -> None:
    tables = [Table(name=f"table-{k}", rows=50 + k, dim=3) for k in range(8)]
    groups = {"all": [Field(feature="user", dim=table.dim, table=table.name) for table in tables]}
    before, weights = torch.get_num_threads(), []
    try:
        for num in (1, 4):
            torch.set_num_threads(num)
            weights.append(EmbeddingGroups(tables, groups, seed=1).arena("dim3").weight)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*weights)
    assert (weights[0][0] == 0).all()
    assert weights[0].requires_grad


def test_first_values_lie_within_the_root_of_one_over_the_rows() -> None:
    table = Table(name="big", rows=400, dim=50)
    values = table_of(one_table(table), table)
    assert 0.049 < values.max() <= 0.05
    assert -0.05 <= values.min() < -0.049


def test_a_table_may_be_filled_otherwise() -> None:
    table = Table(name="user_emb", rows=5, dim=2, is_half=True, fill=lambda values, _: values.fill_(0.25))
    assert table_of(one_table(table), table).tolist() == [[0.25, 0.25]] * 5


def test_arenas_part_by_width_type_and_trainability() -> None:
    tables = [
        USER,
        ITEM,
        Table(name="wide", rows=2, dim=3),
        Table(name="half", rows=2, dim=2, is_half=True),
        Table(name="frozen", rows=2, dim=2, trainable=False),
    ]
    fields = [Field(feature=table.name, dim=table.dim, table=table.name) for table in tables]
    groups = EmbeddingGroups(tables, {"all": fields}, seed=1)
    assert list(groups.arenas) == ["dim2", "dim3", "dim2_half", "dim2_frozen"]
    assert groups.arena("dim2").weight.shape == (1 + 5 + 3, 2)
    assert groups.arena("dim2_half").weight.dtype == torch.float16
    assert not groups.arena("dim2_frozen").weight.requires_grad


def test_split_and_join_are_inverse() -> None:
    groups = EmbeddingGroups([USER, ITEM], {"all": [USER_FIELD, ITEM_FIELD]}, seed=1)
    per_row = torch.arange(9.0)  # row-wise optimiser state: one number per row, the zero row first
    tables = groups.split("dim2", per_row)
    assert {name: part.tolist() for name, part in tables.items()} == {
        "user_emb": [1.0, 2.0, 3.0, 4.0, 5.0],
        "item_emb": [6.0, 7.0, 8.0],
    }
    assert torch.equal(groups.join("dim2", tables), per_row)


def test_dense_modules_may_have_any_name() -> None:
    dense = {name: torch.nn.Linear(1, 2, bias=False) for name in ("type", "keys", "a.b")}
    fields = [Field(feature="x", dim=2, dense=name) for name in dense]
    groups = EmbeddingGroups([], {"all": fields}, dense=dense, seed=1)
    x = torch.randn(3, 1)
    vectors = groups(Features(num_rows=3, ids={}, numbers={"x": x}, domain=torch.zeros(3, dtype=torch.int64)))["all"]
    assert torch.equal(vectors, torch.cat([module(x) for module in dense.values()], dim=1))


@pytest.mark.parametrize("user", [[4, 4, MISSING], ragged([4, 1], [], [2])])
def test_each_domain_reads_its_copy_of_a_table(user: Ids | Sequence[int]) -> None:
    groups = EmbeddingGroups([USER, ITEM], {"all": [USER_FIELD, ITEM_FIELD]}, num_domains=3, seed=1)
    rows = replace(features(user=user, item=[0, 2, 0]), domain=torch.tensor([2, 0, 2]))
    users, items = table_of(groups, USER).view(3, 5, 2), table_of(groups, ITEM).view(3, 3, 2)
    if isinstance(user, Ids):
        expected = torch.stack([users[2][4] + users[2][1], torch.zeros(2), users[2][2]])
    else:
        expected = torch.stack([users[2][4], users[0][4], torch.zeros(2)])
    item = torch.stack([items[2][0], items[0][2], items[2][0]])
    assert torch.equal(groups(rows)["all"], torch.cat([expected, item], dim=1))


@pytest.mark.parametrize("wrong", [MISSING, 3])
def test_a_domain_without_a_copy_does_not_read_the_neighbours(wrong: int) -> None:
    groups = EmbeddingGroups([USER], {"all": [USER_FIELD]}, num_domains=3, seed=1)
    with pytest.raises(DataError, match=rf"^domain = {wrong} in 1 of 2 rows: must lie in \[0, 3\)"):
        groups(replace(features(user=[1, 2]), domain=torch.tensor([0, wrong])))


def test_an_id_outside_its_table_does_not_read_another_domains_copy() -> None:
    groups = EmbeddingGroups([USER], {"all": [USER_FIELD]}, num_domains=3, seed=1)
    with pytest.raises(DataError, match=r"id 5 is outside table 'user_emb': ids must lie in \[0, 5\)"):
        groups(features(user=[1, 5]))


def test_each_copy_starts_as_a_table_of_its_own() -> None:
    def fan_out(values: Tensor, _: torch.Generator) -> Tensor:
        return values.fill_(len(values))  # what an initialiser that counts rows sees

    table = Table(name="user_emb", rows=5, dim=2, fill=fan_out)
    fields = {"all": [USER_FIELD]}
    assert (table_of(EmbeddingGroups([table], fields, num_domains=3, seed=1), table) == 5.0).all()
    copies = table_of(EmbeddingGroups([USER], fields, num_domains=2, seed=1), USER).chunk(2)
    assert torch.equal(copies[0], table_of(one_table(USER), USER))
    assert not torch.equal(*copies)
