"""What gates do as heat maps, before anything is drawn: field x domain, task x layer, field x task, task x expert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from peprank.evaluation.gates import Gate, GateCell, Gates


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Mean numbers of gates in lines and columns; `neutral` is the one that changes nothing."""

    name: str  # lower case, for a file
    title: str
    unit: str  # what a number is
    neutral: float
    lines: tuple[str, ...]
    columns: tuple[str, ...]
    column_notes: tuple[str, ...] = ()  # what to write beside each column: its rows
    values: tuple[tuple[float | None, ...], ...]  # by line; None: the domain has no rows


def heat_maps(gates: Gates) -> Iterator[HeatMap]:
    """Each heat map that these gates have."""
    scaling = [gate for gate in gates.gates if gate.gamma is not None]
    for gate in scaling:
        if gate.task is None and gate.parts:
            yield _fields_by_domain(gate, gates)
            if len(gates.domains) > 1:
                yield _domains_apart(gate, gates)
    of_tasks = [gate for gate in scaling if gate.task is not None]
    for name in dict.fromkeys(gate.name for gate in of_tasks):
        yield _tasks_by_layer([gate for gate in of_tasks if gate.name == name])
    for group in alike([gate for gate in of_tasks if gate.parts]):
        yield _fields_by_task(group)
    for group in alike([gate for gate in gates.gates if gate.gamma is None]):
        yield _tasks_by_expert(group)


def alike(gates: Sequence[Gate]) -> list[list[Gate]]:
    """Gates that differ in nothing but the task, together."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Gate]] = {}
    for gate in gates:
        groups.setdefault((gate.name, gate.layer, gate.parts), []).append(gate)
    return list(groups.values())


def difference(gate: Gate, field: str | None, domain: str) -> float | None:
    """By how much the mean of a field differs in a domain from that of all rows."""
    here, anywhere = gate.cell(field, domain), gate.cell(field)
    return None if here is None or anywhere is None else here.mean - anywhere.mean


def _fields_by_domain(gate: Gate, gates: Gates) -> HeatMap:
    fields, domains = [cell.part for cell in sorted(gate.strongest(), key=_falling)], (None, *gates.domains)
    return HeatMap(
        name=_file_name(gate.name, gate.layer),
        title=f"{gate.title}: mean δ of each field by {gates.domain_column or 'domain'}",
        unit="mean δ",
        neutral=gate.neutral,
        lines=tuple(field or "" for field in fields),
        columns=tuple(domain or "all" for domain in domains),
        column_notes=_rows_of(gate, domains),
        values=tuple(tuple(_mean(gate.cell(field, domain)) for domain in domains) for field in fields),
    )


def _domains_apart(gate: Gate, gates: Gates) -> HeatMap:
    """What a domain does otherwise, which the map above hides beside the differences between fields."""
    fields = [cell.part for cell in sorted(gate.strongest(), key=_falling)]
    return HeatMap(
        name=_file_name(gate.name, gate.layer, "apart"),
        title=f"{gate.title}: mean δ of a field by {gates.domain_column or 'domain'}, less that of all rows",
        unit="difference of mean δ",
        neutral=0.0,
        lines=tuple(field or "" for field in fields),
        columns=gates.domains,
        column_notes=_rows_of(gate, gates.domains),
        values=tuple(tuple(difference(gate, field, domain) for domain in gates.domains) for field in fields),
    )


def _tasks_by_layer(gates: Sequence[Gate]) -> HeatMap:
    tasks = dict.fromkeys(gate.task or "" for gate in gates)
    layers = dict.fromkeys(gate.layer for gate in gates)
    found = {(gate.task, gate.layer): gate.cells[0].mean for gate in gates}
    return HeatMap(
        name=_file_name(gates[0].name),
        title=f"{gates[0].name}: mean δ of each layer by task",
        unit="mean δ",
        neutral=gates[0].neutral,
        lines=tuple(tasks),
        columns=tuple(layers),
        values=tuple(tuple(found.get((task, layer)) for layer in layers) for task in tasks),
    )


def _fields_by_task(gates: Sequence[Gate]) -> HeatMap:
    first = gates[0]
    mean_of = {part: sum(_mean(gate.cell(part)) or 0.0 for gate in gates) for part in first.parts}
    fields = sorted(first.parts, key=lambda part: -mean_of[part])
    return HeatMap(
        name=_file_name(first.name, first.layer),
        title=f"{first.name} {first.layer}: mean δ of each field by task",
        unit="mean δ",
        neutral=first.neutral,
        lines=tuple(fields),
        columns=tuple(gate.task or "" for gate in gates),
        values=tuple(tuple(_mean(gate.cell(field)) for gate in gates) for field in fields),
    )


def _tasks_by_expert(gates: Sequence[Gate]) -> HeatMap:
    first = gates[0]
    path = "" if first.task is not None else "shared path"
    return HeatMap(
        name=_file_name(first.name, first.layer, path),
        title=" ".join(part for part in (first.name, first.layer, path) if part) + ": mean share of each expert",
        unit="mean share",
        neutral=first.neutral,
        lines=tuple(gate.task or path for gate in gates),
        columns=first.parts,
        values=tuple(tuple(_mean(gate.cell(part)) for part in first.parts) for gate in gates),
    )


def _rows_of(gate: Gate, domains: Sequence[str | None]) -> tuple[str, ...]:
    """How many rows each domain has."""
    cells = [gate.cell(domain=domain) for domain in domains]
    return tuple(f"{cell.rows:,}" if cell else "" for cell in cells)


def _falling(cell: GateCell) -> float:
    return -cell.mean


def _file_name(*parts: str) -> str:
    return "-".join(word for part in parts for word in part.lower().split())


def _mean(cell: GateCell | None) -> float | None:
    return None if cell is None else cell.mean
