"""What the gates do: by task and layer, by field and domain, and which of them no longer decide anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from peprank.evaluation import Gate, GateCell, Gates
from peprank.report import blocks
from peprank.report.blocks import Block, Cell, Column, Fold, Section, Text, table_of
from peprank.report.figures import Map, heat_map

_ALL = "all"
_MOST_PARTS, _MOST_DOMAINS = 24, 12  # of a map; tables have all parts
_LEAST_REACH = 0.25  # of the colours to both sides: a small difference must not look like a large one
_NO_ROWS = "no rows of this domain"


def gate_warnings(gates: Gates | None) -> Iterator[Text]:
    """One sentence for the verdict per gate that has collapsed."""
    for warning in gates.warnings if gates else ():
        yield Text(f"{warning}.", "warning")


def gate_section(gates: Gates | None) -> Section | None:
    """All gates in a table, δ by task and layer, and each gate's parts by domain; None where the model has no gate."""
    if gates is None:
        return None
    explained = (
        "A gate scales each unit by δ between 0 and γ; 1 leaves it as it is. A mixture gives shares to experts. Moved "
        "is the mean distance from what changes nothing. Below and above count numbers in the outer 5 % of the range, "
        "where a gate hardly learns any more."
    )
    with_parts = [gate for gate in gates.gates if gate.parts]
    single = [_by_part(gate, gates.domains) for gate in with_parts[:1]]
    folds = [
        Fold(f"{gate.title}: by {_kind(gate)} and domain", _by_part(gate, gates.domains)) for gate in with_parts[1:]
    ]
    first: tuple[Block, ...] = single[0] if single else ()
    return Section("gates", "Gates", (Text(explained), *_by_layer(gates.gates), _table(gates), *first, *folds))


def _kind(gate: Gate) -> str:
    return "field" if gate.gamma is not None else "expert"


def _whole(gate: Gate) -> GateCell:
    """All units on all rows, which every gate has."""
    cell = gate.cell()
    assert cell is not None
    return cell


def _table(gates: Gates) -> blocks.Table:
    spread = f"Standard deviation of the means of each {gates.user_feature}"
    return table_of(
        f"All gates on {gates.rows:,} rows",
        gates.gates,
        [
            (Column("Gate", is_text=True), lambda gate: Cell(gate.title, tone="bad" if gate.collapse else "")),
            (Column("Mean"), lambda gate: blocks.number(_whole(gate).mean, 3)),
            (
                Column("Moved", "Mean distance from what changes nothing"),
                lambda gate: blocks.number(_whole(gate).moved, 3),
            ),
            (Column("Below 5 %", "Share of the numbers below 5 % of γ"), lambda gate: blocks.share(_whole(gate).low)),
            (
                Column("Above 95 %", "Share of the numbers above 95 % of γ"),
                lambda gate: blocks.share(_whole(gate).high),
            ),
            (
                Column("Between rows", "How far a unit's number strays"),
                lambda gate: blocks.number(gate.between_rows, 4),
            ),
            (Column("Between users", spread), lambda gate: _between_users(_whole(gate))),
            (Column("Units"), lambda gate: blocks.count(gate.units)),
            (
                Column("State", is_text=True),
                lambda gate: blocks.words(gate.collapse or "works", "bad" if gate.collapse else ""),
            ),
        ],
    )


def _between_users(cell: GateCell) -> Cell:
    return blocks.number(cell.spread.std if cell.spread else None, 4, "no column says whose row it is")


def _by_layer(gates: Sequence[Gate]) -> Iterator[blocks.Figure]:
    """δ_task by task and layer, for each kind of gate that has both."""
    scaling = [gate for gate in gates if gate.task is not None and gate.layer and gate.gamma is not None]
    for name in dict.fromkeys(gate.name for gate in scaling):
        own = {(gate.task or "", gate.layer): gate for gate in scaling if gate.name == name}
        tasks, layers = (list(dict.fromkeys(place[k] for place in own)) for k in (0, 1))
        wholes = {place: _whole(gate) for place, gate in own.items()}
        cells = [[wholes.get((task, layer)) for layer in layers] for task in tasks]
        gamma = max(gate.gamma or 1.0 for gate in own.values())
        yield heat_map(f"{name}: mean δ by task and layer", _map(tasks, layers, cells, gamma=gamma, neutral=1.0))


def _by_part(gate: Gate, domains: Sequence[str]) -> tuple[Block, ...]:
    """A gate's fields or experts by domain: those that move most as a map, all of them in a table."""
    places = [None, *domains[:_MOST_DOMAINS]]
    parts = sorted(gate.parts, key=lambda part: -_farthest(gate, part, places))[:_MOST_PARTS]
    cells = [[gate.cell(part, place) for place in places] for part in parts]
    few = f", the {len(parts)} of {len(gate.parts)} that move most" if len(parts) < len(gate.parts) else ""
    item = _map(parts, [_name(place) for place in places], cells, gamma=gate.gamma, neutral=gate.neutral)
    numbers = Fold(f"{gate.title}: all {_kind(gate)}s as numbers", (_part_table(gate, places),))
    return heat_map(f"{gate.title}: mean {_what(gate)} by {_kind(gate)} and domain{few}", item), numbers


def _name(domain: str | None) -> str:
    return _ALL if domain is None else domain


def _what(gate: Gate) -> str:
    return "δ" if gate.gamma is not None else "share"


def _farthest(gate: Gate, part: str, places: Sequence[str | None]) -> float:
    cells = [gate.cell(part, place) for place in places]
    return max(abs(cell.mean - gate.neutral) for cell in cells if cell is not None)


def _part_table(gate: Gate, places: Sequence[str | None]) -> blocks.Table:
    def mean_at(place: str | None) -> tuple[Column, Callable[[str], Cell]]:
        return Column(_name(place)), lambda part: _mean(gate.cell(part, place))

    columns = [(Column(_kind(gate).capitalize(), is_text=True), lambda part: blocks.words(part)), *map(mean_at, places)]
    return table_of(f"{gate.title}: mean {_what(gate)} by domain", gate.parts, columns)


def _mean(cell: GateCell | None) -> Cell:
    return blocks.number(cell.mean if cell else None, 3, _NO_ROWS)


def _map(
    lines: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[GateCell | None]],
    *,
    gamma: float | None,
    neutral: float,
) -> Map:
    """Means as colours: around 1 for a gate with an end γ, from 0 to 1 for shares."""
    means = [[cell.mean if cell else None for cell in line] for line in cells]
    reach = max((abs(mean - neutral) for line in means for mean in line if mean is not None), default=0.0)
    reach = max(reach, _LEAST_REACH)
    bounds = (0.0, 1.0) if gamma is None else (neutral - reach, neutral + reach)
    return Map(
        lines=lines,
        columns=columns,
        values=means,
        texts=[["" if mean is None else f"{mean:.2f}" for mean in line] for line in means],
        notes=[[_note(cell) for cell in line] for line in cells],
        bounds=bounds,
        is_signed=gamma is not None,
    )


def _note(cell: GateCell | None) -> str:
    if cell is None:
        return _NO_ROWS
    spread = f"\nbetween users ± {cell.spread.std:.4f}" if cell.spread else ""
    return f"mean {cell.mean:.4f}, moved {cell.moved:.4f}\nsaturated {cell.saturated:.1%}, {cell.rows:,} rows{spread}"
