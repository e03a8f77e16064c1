"""The count of needed multiply-adds, by hand and against what torch really multiplies."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import workload
from benchmarks.arithmetic import needed, table_bytes
from benchmarks.training import OurTraining, in_precision, with_rule
from peprank.spec.pipeline import PipelineSpec
from peprank.spec.train import Precision, RowWiseAdagrad, SparseAdagrad, SparseAdam, SparseSGD
from tests.models.taobao import TAOBAO

SMALL = workload.taobao(quick=True).plan()
KUAIRAND = workload.kuairand(quick=True).plan()
CASES = [*product((SMALL, KUAIRAND), (Precision.FLOAT32, Precision.BF16))]


def test_the_workload_needs_what_the_paper_and_pencil_say() -> None:
    epnet = (16 + 256) * 256 + 256 * 256
    gates = 2 * (464 * 512 + 512 * 512 + 464 * 256 + 256 * 256)
    layers = 2 * (256 * 512 + 512 * 256)
    towers = 2 * (256 * 256 + 256 * 128 + 128 * 64 + 64)
    forward = epnet + gates + layers + towers
    spared = 256 * 256 + 2 * 256 * (512 + 256)  # what the gates observe: E once, O_ep by two gates of each task
    arithmetic = needed(TAOBAO)
    assert (arithmetic.forward, arithmetic.backward) == (forward, 2 * forward - spared)
    assert arithmetic.step_flop == 12_526_336  # about 12.5 MFLOP a row
    assert arithmetic.forward_flop == 2 * forward


def test_a_number_in_a_gates_prior_needs_no_gradient() -> None:
    numbers = {item.feature for group in KUAIRAND.model.groups for item in group.inputs if item.table is None}
    assert numbers  # the case is there
    domain = next(group for group in KUAIRAND.model.groups if group.name == "domain")
    with_one_less = replace(domain, inputs=tuple(item for item in domain.inputs if item.feature not in numbers))
    dropped = domain.dim - with_one_less.dim
    assert dropped > 0
    others = tuple(group for group in KUAIRAND.model.groups if group.name != "domain")
    small = replace(KUAIRAND.model, groups=(with_one_less, *others))
    wide, narrow = needed(KUAIRAND.model), needed(small)
    # Such a column costs a product forward and one for its weights' gradient, none for its own.
    assert wide.backward - narrow.backward == wide.forward - narrow.forward > 0


@pytest.mark.parametrize(("plan", "precision"), CASES)
def test_a_training_step_multiplies_what_is_needed_and_hardly_more(plan: PipelineSpec, precision: Precision) -> None:
    training = OurTraining(in_precision(plan, precision))
    first, second = workload.batches(plan, 2)
    training.update(first)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as recorded:
        training.update(second)
    flop = sum(product_flop(event.name, event.input_shapes) for event in recorded.events())
    # Exact where all features are ids. Numbers that lie between ids in a prior get a gradient that nobody reads:
    # leaving it out would cost a copy of the prior.
    has_numbers = plan is KUAIRAND
    assert 1 <= flop / (second.num_rows * needed(plan.model).step_flop) <= (1.01 if has_numbers else 1)


FACTORS = {"mm": 0, "addmm": 1, "addmm_": 1, "bmm": 0, "baddbmm": 1, "baddbmm_": 1}  # where the first factor stands


def product_flop(name: str, shapes: list[list[int]]) -> int:
    """FLOP of one call of torch, 0 if it is no product of matrices."""
    place = FACTORS.get(name.removeprefix("aten::"))
    if place is None or not name.startswith("aten::"):
        return 0
    left, right = shapes[place : place + 2]
    return 2 * torch.Size(left).numel() * right[-1]


def test_bytes_of_tables_and_their_optimisers_state() -> None:
    rows = 5000 + 3000 + 100 + 3
    weights = rows * 8 * 4
    for rule, state in (
        (SparseSGD(), 0),
        (SparseAdagrad(), (rows + 1) * 8 * 4),  # the arena has one row more, of zeros
        (RowWiseAdagrad(), (rows + 1) * 4),
        (SparseAdam(), 2 * (rows + 1) * 8 * 4),
    ):
        assert table_bytes(with_rule(SMALL, rule)) == (weights, state)
