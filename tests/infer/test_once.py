from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from peprank.batch import Features, Ids
from peprank.infer.once import common_row


def request() -> Features:
    """Three rows of one user, who has two weighted likes; a feature that is not in the features is passed over."""
    return Features(
        num_rows=3,
        ids={
            "user": Ids(torch.tensor([7, 7, 7])),
            "likes": Ids(torch.tensor([1, 2] * 3), torch.tensor([0, 2, 4, 6]), torch.tensor([0.5, 1.5] * 3)),
            "item": Ids(torch.tensor([1, 2, 3])),
        },
        numbers={"age": torch.full((3, 2), 30.0)},
        domain=torch.ones(3, dtype=torch.int64),
    )


def user_side(features: Features) -> Features | None:
    return common_row(features, ("user", "likes", "age", "absent"))


def test_the_common_row_is_the_first() -> None:
    row = user_side(request())
    assert row is not None
    assert (row.num_rows, row.domain.tolist(), row.numbers["age"].tolist()) == (1, [1], [[30.0, 30.0]])
    assert set(row.ids) == {"user", "likes"}
    likes = row.ids["likes"]
    assert likes.offsets is not None
    assert likes.weights is not None
    assert (likes.values.tolist(), likes.offsets.tolist(), likes.weights.tolist()) == ([1, 2], [0, 2], [0.5, 1.5])
    assert (row.ids["user"].values.tolist(), row.ids["user"].offsets) == ([7], None)


@pytest.mark.parametrize("where", ["user", "likes", "weight", "count", "age", "domain"])
def test_a_difference_anywhere_is_seen(where: str) -> None:
    features = request()
    likes = features.ids["likes"]
    assert likes.weights is not None
    match where:
        case "user":
            features.ids["user"].values[2] = 8
        case "likes":
            likes.values[5] = 3
        case "weight":
            likes.weights[2] = 0.25
        case "count":
            features.ids["likes"] = replace(likes, offsets=torch.tensor([0, 2, 3, 6]))
        case "age":
            features.numbers["age"][1, 1] = 31.0
        case "domain":
            features.domain[1] = 0
    assert user_side(features) is None


def test_rows_without_values_agree() -> None:
    features = request()
    features.ids["likes"] = Ids(torch.arange(0), torch.zeros(4, dtype=torch.int64))
    row = user_side(features)
    assert row is not None
    assert row.ids["likes"].values.tolist() == []


def test_no_rows_have_no_common_row() -> None:
    none = Features(0, {"user": Ids(torch.arange(0))}, {}, torch.arange(0))
    assert common_row(none, ["user"]) is None


def test_a_number_that_is_none_agrees_with_nothing() -> None:
    features = request()
    features.numbers["age"].fill_(torch.nan)
    assert user_side(features) is None
