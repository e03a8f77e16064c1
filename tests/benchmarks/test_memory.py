"""The memory benchmark trains on as many rows as it says."""

from __future__ import annotations

from benchmarks import memory, workload
from peprank.data import columns_of, open_rows
from peprank.spec.trunk import PEPNetSpec


def test_the_larger_input_holds_the_rows_ten_times() -> None:
    few = workload.taobao(quick=True)
    many = memory.repeated(few)
    spec = many.plan()
    reader = open_rows(spec.train_inputs, spec.data, columns_of(spec, with_targets=True))
    assert reader.num_rows == many.train_rows == 10 * few.train_rows


def test_the_narrow_overrides_fit_the_workloads_config() -> None:
    spec = memory.narrow(workload.taobao(quick=True), quick=True).plan()
    assert spec.data.shuffle
    assert isinstance(spec.model.trunk, PEPNetSpec)
    assert spec.model.trunk.ppnet is not None
    assert spec.model.trunk.ppnet.hidden_dims == (8, 4)
    assert {task.tower.hidden_dims for task in spec.model.tasks} == {(4,)}


def test_the_quick_form_reports_both_sizes_and_the_growth() -> None:
    (section,) = memory.run(quick=True)
    assert [row[0] for row in section.rows] == ["4,096", "40,960"]
    assert [(aim.target, aim.unit, aim.at_most) for aim in section.aims] == [(10, "%", True)]
