"""Gates for the terminal: fields by domain, gates by domain, fields by task, and what each domain does otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from peprank.evaluation.gate_maps import alike, difference
from peprank.evaluation.gates import HIGH, LOW, Gate, GateCell, Gates

_SHOWN = 12  # lines of fields or domains, before the rest is folded
_NAME, _NUMBER, _GAP = 26, 7, 2  # characters of a name, of a number or its heading, and between them
_OVERALL = ("all", "± users", "at ends")
_APART = 2  # fields on either side that tell a domain apart
_UNDEFINED = "–"


def render_gates(gates: Gates, *, everything: bool = False, width: int = 100) -> list[RenderableType]:
    """Tables and notes to print one after the other; warnings come last.

    Args:
        everything: show every field and domain; otherwise the most moved and the largest, and how many more there are.
        width: of the terminal, in characters; it decides how many domains or tasks stand side by side.
    """
    shown, side_by_side = None if everything else _SHOWN, max(3, (width - _NAME) // (_NUMBER + _GAP))
    domains = gates.domains[: side_by_side - len(_OVERALL)]
    scaling = [gate for gate in gates.gates if gate.gamma is not None]
    of_all_tasks = [gate for gate in scaling if gate.task is None and gate.parts]
    tables = [
        *(_fields_by_domain(gate, domains, shown) for gate in of_all_tasks),
        *(_domains_apart(gate, gates.domains, shown and shown // 2) for gate in of_all_tasks if len(gates.domains) > 1),
        *_whole_gates(scaling, domains),
        *(
            _fields_by_task(group, side_by_side, shown)
            for group in alike([gate for gate in scaling if gate.task is not None and gate.parts])
        ),
        *_mixtures([gate for gate in gates.gates if gate.gamma is None], domains, shown and 2 * shown),
    ]
    head = Text(f"{gates.model}, looked at on {gates.rows:,} rows\n", style="bold")
    return [head, *tables, *_notes(gates, len(domains)), *_warnings(gates)]


def _fields_by_domain(gate: Gate, domains: Sequence[str], shown: int | None) -> Table:
    cells = gate.strongest()
    table = _table(f"{gate.title} by field", [*_OVERALL, *domains])
    for cell in cells[:shown]:
        table.add_row(cell.part, *_numbers(gate, cell, domains))
    return _folded(table, cells[shown:] if shown else [], "fields moved less")


def _whole_gates(gates: Sequence[Gate], domains: Sequence[str]) -> Iterator[Table]:
    if gates:
        table = _table("all units of a gate", [*_OVERALL, *domains])
        for gate in gates:
            table.add_row(gate.title, *_numbers(gate, gate.cells[0], domains))
        yield _folded(table)


def _fields_by_task(gates: Sequence[Gate], num_tasks: int, shown: int | None) -> Table:
    """Fields that are scaled once per task; the one that some task moves most comes first."""
    gates = gates[:num_tasks]
    table = _table(f"{gates[0].name} {gates[0].layer} by field", [gate.task or "" for gate in gates])
    parts = sorted(gates[0].parts, key=lambda part: -max(_distance(gate, part) for gate in gates))
    for part in parts[:shown]:
        table.add_row(part, *(_mean(gate.cell(part)) for gate in gates))
    return _folded(table, parts[shown:] if shown else [], "fields moved less")


def _mixtures(gates: Sequence[Gate], domains: Sequence[str], shown: int | None) -> Iterator[Table]:
    if gates:
        table = _table("share of each expert", [*_OVERALL, *domains])
        lines = [(gate, cell) for gate in gates for cell in gate.cells if cell.part is not None and cell.domain is None]
        for gate, cell in lines[:shown]:
            table.add_row(f"{gate.title} {cell.part}", *_numbers(gate, cell, domains))
        yield _folded(table, lines[shown:] if shown else [], "shares more")


def _domains_apart(gate: Gate, domains: Sequence[str], shown: int | None) -> Table:
    """For each domain the fields that it turns up, and down, most against all rows."""
    table = _table(f"{gate.title} by domain", ["rows"])
    table.add_column("against all rows", no_wrap=True)
    for domain in domains[:shown]:
        whole, apart = gate.cell(domain=domain), sorted(_differences(gate, domain), key=lambda pair: -pair[1])
        more = [f"{part} {by:+.2f}" for part, by in apart[:_APART] if by > 0]
        less = [f"{part} {by:+.2f}" for part, by in apart[: -_APART - 1 : -1] if by < 0]
        table.add_row(domain, f"{whole.rows if whole else 0:,}", f"more {', '.join(more)}")
        table.add_row("", "", f"less {', '.join(less)}")
    return _folded(table, domains[shown:] if shown else [], "smaller domains")


def _differences(gate: Gate, domain: str) -> Iterator[tuple[str, float]]:
    """By how much a domain's mean of each part differs from that of all rows."""
    for part in gate.parts:
        if (by := difference(gate, part, domain)) is not None:
            yield part, by


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(title, no_wrap=True, min_width=_NAME, max_width=_NAME)
    for heading in headings:
        short = heading if len(heading) <= _NUMBER else f"{heading[: _NUMBER - 1]}…"
        table.add_column(short, justify="right", no_wrap=True, min_width=min(len(short), _NUMBER))
    return table


def _folded(table: Table, rest: Sequence[object] = (), what: str = "") -> Table:
    """The table, with a line for what it leaves out and an empty one."""
    if rest:
        table.add_row(Text(f"... {len(rest)} {what}", style="dim"))
    table.add_row()
    return table


def _numbers(gate: Gate, cell: GateCell, domains: Sequence[str]) -> list[str]:
    """All rows, how users differ, the share of saturated numbers, then each domain."""
    spread = _UNDEFINED if cell.spread is None else f"{cell.spread.std:.3f}"
    by_domain = (_mean(gate.cell(cell.part, domain)) for domain in domains)
    return [_mean(cell), spread, f"{cell.saturated:.1%}", *by_domain]


def _mean(cell: GateCell | None) -> str:
    return _UNDEFINED if cell is None else f"{cell.mean:.3f}"


def _distance(gate: Gate, part: str) -> float:
    cell = gate.cell(part)
    return 0.0 if cell is None else abs(cell.mean - gate.neutral)


def _notes(gates: Gates, num_domains: int) -> Iterator[Text]:
    tops = sorted({gate.gamma for gate in gates.gates if gate.gamma is not None})
    if tops:
        scale = " or ".join(f"{top:g}" for top in tops)
        yield _note(f"Means of δ over rows and units: 1 leaves a unit as it is, 0 drops it, γ = {scale} is the most.")
    ends = f"at ends: numbers below {LOW:.0%} or above {HIGH:.0%} of the most, where a gate hardly learns."
    users = f"± users: standard deviation of the means of each {gates.user_feature}; " if gates.user_feature else ""
    yield _note(users + ends)
    if num_domains < len(gates.domains):
        yield _note(f"{len(gates.domains) - num_domains} smaller domains have no column; the JSON has them all.")


def _note(text: str) -> Text:
    return Text(text, style="dim")


def _warnings(gates: Gates) -> Iterator[Text]:
    return (Text(f"warning: {text}", style="bold yellow") for text in gates.warnings)
