from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from benchmarks import machine, workload
from benchmarks.machine import Gemm, Machine
from peprank.models import describe


def test_the_quick_workload_has_the_shape_of_the_full_one() -> None:
    work = workload.taobao(quick=True)
    description = describe(work.plan().model)
    assert (description.num_tasks, description.num_domain_towers) == (2, 3)
    assert description.model == "PEPNet, TZREC wiring"
    batches = workload.batches(work.plan(), 100)
    assert sum(batch.num_rows for batch in batches) == work.train_rows == workload.QUICK_TRAIN_ROWS
    assert all(batch.targets.labels.shape == (batch.num_rows, 2) for batch in batches)


def test_overrides_reach_the_plan_and_the_command_line() -> None:
    work = workload.taobao(quick=True)
    assert work.plan("data_config.batch_size=7").data.batch_rows == 7
    arguments = work.arguments(Path("runs") / "a")
    assert arguments[0] == str(work.config)
    assert arguments[arguments.index("--model-dir") + 1] == "runs/a"


def test_without_the_test_data_the_full_form_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workload, "SHARED", tmp_path)
    with pytest.raises(workload.MissingData) as caught:
        workload.taobao(quick=False)
    assert str(caught.value) == (
        "the full benchmarks read the project's test data, and there is no 'shared/tools/taobao_rows.py' beside the "
        "checkout; run the quick form: python -m benchmarks --quick"
    )


def test_a_file_is_made_once_and_never_half(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "rows"

    def fail(out: Path) -> None:
        out.write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        workload.kept(path, fail)
    assert not path.exists()
    assert workload.kept(path, lambda out: out.write_text("whole")).read_text() == "whole"
    assert workload.kept(path, fail).read_text() == "whole"


def test_the_machine_is_described_without_its_name() -> None:
    here = machine.describe()
    assert here.cores >= 1
    assert {"Python", "torch", "numpy", "pyarrow"} <= dict(here.versions).keys()
    assert platform.node() not in here.describe() or not platform.node()
    assert Machine.from_json(here.to_json()) == here
    assert here.is_like(Machine.from_json(here.to_json() | {"date": "2000-01-01"}))
    assert not here.is_like(Machine.from_json(here.to_json() | {"cores": 99}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rulers_measure_something_and_put_the_threads_back(dtype: torch.dtype) -> None:
    before = torch.get_num_threads()
    assert machine.gemm_flops(dtype, 1, repeats=1) > 0
    assert machine.memory_bandwidth(1, num_bytes=2**20, repeats=1) > 0
    assert torch.get_num_threads() == before


def test_the_rulers_call_takes_what_it_says() -> None:
    assert Gemm(products=3).flop == 3 * 2 * 8192 * 512 * 512
