"""Gates in the terminal and as heat maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from rich.console import Console

from peprank.errors import PeprankError
from peprank.evaluation import Gates, GateStatistics, HeatMap, draw_heat_maps, heat_maps, render_gates
from peprank.models import GateValues
from peprank.spec.embedding import GroupInput, GroupSpec
from tests.contract.models import PAPER

WIDTHS = {"user": 4, "item": 4, "tab": 4, "tags": 4, "words": 2, "price": 1}
DOMAINS = ("home", "search", "ads")


def of_fields(*numbers: float) -> torch.Tensor:
    """One row: each field's δ under each of its units."""
    return torch.tensor([n for n, width in zip(numbers, WIDTHS.values(), strict=True) for _ in range(width)])


def epnet(by_domain: dict[int, torch.Tensor], domains: npt.NDArray[np.int64]) -> GateValues:
    values = torch.stack([by_domain[code] for code in domains.tolist()])
    return GateValues(gate="EPNet", values=values, gamma=2.0, group="all")


def a_small_model() -> Gates:
    """Twelve rows of three domains, seen by four users."""
    domains = np.array([0] * 6 + [1] * 4 + [2] * 2)
    users = np.arange(12) % 4
    rows = {
        0: of_fields(1.5, 1.0, 0.9, 1.0, 1.0, 0.02),
        1: of_fields(1.9, 1.0, 0.9, 1.0, 0.8, 0.02),
        2: of_fields(1.5, 1.3, 0.9, 1.0, 1.0, 0.02),
    }
    gates = [epnet(rows, domains)]
    for task, by in (("click", 0.1), ("like", -0.2)):
        layer = torch.full((12, 5), 1.0 + by)
        gates.append(
            GateValues(gate="PPNet", layer="input", task=task, values=rows[1].repeat(12, 1), gamma=2.0, group="all")
        )
        gates.append(GateValues(gate="PPNet", layer="layer 1", task=task, values=layer, gamma=2.0))
    statistics = GateStatistics(PAPER)
    statistics.add(gates, domains, users)
    return Gates(
        model="PEPNet, PAPER wiring",
        rows=12,
        user_feature="user_id",
        domain_column="tab",
        domains=tuple(statistics.domains(DOMAINS)),
        gates=statistics.gates(DOMAINS),
    )


def a_mixture(num_rows: int = 120) -> Gates:
    shares = {"click": [0.5, 0.3, 0.2], "like": [0.98, 0.01, 0.01], None: [0.2, 0.2, 0.6]}
    gates = [
        GateValues(
            gate="PLE",
            layer="low",
            task=task,
            values=torch.tensor(each).repeat(num_rows, 1) + torch.linspace(0, 0.004, num_rows)[:, None],
            experts=("own 1", "own 2", "shared 1") if task else ("click 1", "like 1", "shared 1"),
        )
        for task, each in shares.items()
    ]
    statistics = GateStatistics(PAPER)
    statistics.add(gates, np.zeros(num_rows, np.int64))
    return Gates(
        model="PLE", rows=num_rows, user_feature=None, domain_column=None, domains=(), gates=statistics.gates()
    )


def printed(gates: Gates, *, everything: bool = False, width: int = 100) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(*render_gates(gates, everything=everything, width=width), sep="\n")
    return [line.rstrip() for line in captured.get().splitlines()]


def test_the_whole_page_of_a_small_model() -> None:
    assert (
        printed(a_small_model())
        == """\
PEPNet, PAPER wiring, looked at on 12 rows

EPNet by field                all  ± users  at ends   home  search    ads
price                       0.020    0.000   100.0%  0.020   0.020  0.020
user                        1.633    0.000     0.0%  1.500   1.900  1.500
tab                         0.900    0.000     0.0%  0.900   0.900  0.900
words                       0.933    0.000     0.0%  1.000   0.800  1.000
item                        1.050    0.050     0.0%  1.000   1.000  1.300
tags                        1.000    0.000     0.0%  1.000   1.000  1.000

EPNet by domain             rows  against all rows
home                           6  more words +0.07
                                  less user -0.13, item -0.05
search                         4  more user +0.27
                                  less words -0.13, item -0.05
ads                            2  more item +0.25, words +0.07
                                  less user -0.13

all units of a gate           all  ± users  at ends   home  search    ads
EPNet                       1.064    0.011     5.3%  1.033   1.096  1.096
PPNet click input           1.096    0.000     5.3%  1.096   1.096  1.096
PPNet click layer 1         1.100    0.000     0.0%  1.100   1.100  1.100
PPNet like input            1.096    0.000     5.3%  1.096   1.096  1.096
PPNet like layer 1          0.800    0.000     0.0%  0.800   0.800  0.800

PPNet input by field        click   like
price                       0.020  0.020
user                        1.900  1.900
words                       0.800  0.800
tab                         0.900  0.900
item                        1.000  1.000
tags                        1.000  1.000

Means of δ over rows and units: 1 leaves a unit as it is, 0 drops it, γ = 2 is the most.
± users: standard deviation of the means of each user_id; at ends: numbers below 5% or above 95% of
the most, where a gate hardly learns.""".splitlines()
    )


def test_a_mixture_is_told_by_expert_and_a_collapse_comes_last() -> None:
    assert (
        printed(a_mixture())
        == """\
PLE, looked at on 120 rows

share of each expert          all  ± users  at ends
PLE click low own 1         0.502        –     0.0%
PLE click low own 2         0.302        –     0.0%
PLE click low shared 1      0.202        –     0.0%
PLE like low own 1          0.982        –   100.0%
PLE like low own 2          0.012        –   100.0%
PLE like low shared 1       0.012        –   100.0%
PLE low click 1             0.202        –     0.0%
PLE low like 1              0.202        –     0.0%
PLE low shared 1            0.602        –     0.0%

at ends: numbers below 5% or above 95% of the most, where a gate hardly learns.
warning: PLE like low has collapsed: 'own 1' gets 98.2% of the mixture""".splitlines()
    )


def wide(num_fields: int, num_domains: int) -> Gates:
    """EPNet with many fields of one unit, in many domains."""
    spec = replace(
        PAPER,
        groups=(
            GroupSpec(
                name="all",
                inputs=tuple(GroupInput(feature=f"a_field_with_a_long_name_{k}", dim=1) for k in range(num_fields)),
            ),
        ),
    )
    domains = np.repeat(np.arange(num_domains), np.arange(num_domains, 0, -1))
    values = torch.rand(len(domains), num_fields, generator=torch.Generator().manual_seed(1)) * 2
    statistics = GateStatistics(spec)
    statistics.add([GateValues(gate="EPNet", values=values, gamma=2.0, group="all")], domains, domains)
    names = [f"domain {k}" for k in range(num_domains)]
    return Gates(
        model="PEPNet",
        rows=len(domains),
        user_feature="user_id",
        domain_column="tab",
        domains=tuple(names),
        gates=statistics.gates(names),
    )


@pytest.mark.parametrize("width", [60, 100, 160])
def test_no_line_is_wider_than_the_terminal_and_what_is_left_out_is_counted(width: int) -> None:
    lines = printed(wide(30, 20), width=width)
    assert max(map(len, lines)) <= width
    assert "... 18 fields moved less" in lines
    assert any("smaller domains have no column" in line for line in lines)
    everything = printed(wide(30, 20), everything=True, width=width)
    assert len([line for line in everything if line.startswith("a_field")]) == 30


def by_name(gates: Gates) -> dict[str, HeatMap]:
    return {heat_map.name: heat_map for heat_map in heat_maps(gates)}


def test_heat_maps_hold_the_cells_means() -> None:
    maps = by_name(a_small_model())
    assert list(maps) == ["epnet", "epnet-apart", "ppnet", "ppnet-input"]
    fields = ("user", "item", "tags", "words", "tab", "price")  # from the one turned up most to the one turned down
    assert maps["epnet"].lines == maps["epnet-apart"].lines == fields
    assert maps["epnet"].columns == ("all", "home", "search", "ads")
    assert maps["epnet"].column_notes == ("12", "6", "4", "2")
    assert maps["epnet"].values[0] == pytest.approx((1.633333, 1.5, 1.9, 1.5))
    assert maps["epnet-apart"].values[0] == pytest.approx((-0.133333, 0.266667, -0.133333), abs=1e-6)
    assert (maps["ppnet"].lines, maps["ppnet"].columns) == (("click", "like"), ("input", "layer 1"))
    assert maps["ppnet"].values[1][1] == pytest.approx(0.8)
    assert maps["ppnet-input"].columns == ("click", "like")
    assert [heat_map.neutral for heat_map in maps.values()] == [1, 0, 1, 1]


def test_a_shared_path_has_a_map_of_its_own() -> None:
    maps = by_name(a_mixture())
    assert list(maps) == ["ple-low", "ple-low-shared-path"]
    assert maps["ple-low"].lines == ("click", "like")
    assert maps["ple-low-shared-path"].columns == ("click 1", "like 1", "shared 1")
    assert maps["ple-low"].neutral == pytest.approx(1 / 3)


def test_every_map_becomes_a_picture(tmp_path: Path) -> None:
    paths = draw_heat_maps([*heat_maps(a_small_model()), *heat_maps(a_mixture())], tmp_path / "pictures")
    assert [path.name for path in paths] == [
        *("epnet.png", "epnet-apart.png", "ppnet.png", "ppnet-input.png"),
        *("ple-low.png", "ple-low-shared-path.png"),
    ]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_domain_without_rows_leaves_a_gap_and_an_even_map_is_no_division_by_zero(tmp_path: Path) -> None:
    even = HeatMap(name="even", title="", unit="", neutral=1.0, lines=("a",), columns=("x", "y"), values=((1.0, None),))
    assert draw_heat_maps([even], tmp_path)[0].exists()


def test_without_matplotlib_pictures_say_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("peprank.evaluation.gate_pictures.find_spec", lambda _: None)
    with pytest.raises(PeprankError) as refused:
        draw_heat_maps([], tmp_path)
    assert str(refused.value) == "pictures need matplotlib, which is missing: pip install 'peprank[plots]'"
