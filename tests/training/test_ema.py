"""Moving averages of the weights."""

from __future__ import annotations

import torch
from torch.nn import Parameter

from peprank.training.ema import MovingAverage


def test_average_equals_the_hand_computed_number() -> None:
    # 0.75 * 4 + 0.25 * 8 = 5; 0.75 * 5 + 0.25 * 1 = 4
    weight = Parameter(torch.tensor([4.0]))
    average = MovingAverage([("w", weight)], decay=0.75)
    for value in (8.0, 1.0):
        weight.data.fill_(value)
        average.update()
    assert average.averages["w"].tolist() == [4.0]


def test_averages_stand_in_the_model_only_inside_the_block_whatever_happens_there() -> None:
    weight = Parameter(torch.tensor([0.1]))
    average = MovingAverage([("w", weight)], decay=0.5)
    weight.data.fill_(0.3)
    try:
        with average.applied():
            assert weight.item() == torch.tensor(0.1).item()
            raise KeyError
    except KeyError:
        pass
    assert weight.item() == torch.tensor(0.3).item()
    assert average.averages["w"].item() == torch.tensor(0.1).item()


def test_loaded_averages_are_copies() -> None:
    kept = {"w": torch.tensor([2.0])}
    average = MovingAverage([("w", Parameter(torch.tensor([0.0])))], decay=0.5)
    average.load(kept)
    average.update()
    assert average.averages["w"].item() == 1.0
    assert kept["w"].item() == 2.0
