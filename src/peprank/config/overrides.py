"""The path language of --set: `a.b=1`, `a[0]`, `a[1:3]`, `a[:]`, `groups[group_name=uia].feature_names=[a, b]`.

`~a.b` takes a field away, as if the file did not have it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, MutableSequence
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from peprank.config.fill import Filler, Notes, is_map, join, resembling
from peprank.config.tree import Block, Dialect, Entry, Scalar, Source, Spot, Token, Value, parse_value, printable
from peprank.errors import Problem

NAME: Final = "--set"  # stands for the file in messages
_AWAY: Final = "~"

_STEP: Final = re.compile(r"""([A-Za-z_]\w*) (?: \[ ( (?: [^\[\]"'] | "[^"]*" | '[^']*' )* ) \] )?""", re.VERBOSE)
_INDEX: Final = re.compile(r"\s*(-?\d+)\s*")
_SLICE: Final = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")
_CONDITION: Final = re.compile(r"\s*([\w.]+)\s*(<=|>=|=|<|>)\s*(.*?)\s*")
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class _Refused(Exception):  # noqa: N818 - control flow inside this file
    """A rule that an override breaks."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One part of a path: a field, and which of its elements."""

    declared: FieldDescriptor
    selector: str | None


def override(message: Message, change: str, notes: Notes) -> None:
    """Carry out one `path=value` or `~path`; a mistake in it is noted, and then the message is as good as lost."""
    path, equals, text = _split(change.strip())
    value = text.strip()
    try:
        if path.startswith(_AWAY) and not equals:
            _take_away(message, path.removeprefix(_AWAY), notes)
        elif path.startswith(_AWAY) or not equals:
            raise _Refused("must be path.to.field=value, or ~path.to.field to take a field away")
        else:
            _carry_out(message, path, value, notes)
    except _Refused as refused:
        shown = printable(value) if equals else None
        notes.problems.append(Problem(message=printable(str(refused)), path=printable(path), value=shown, file=NAME))


def _split(change: str) -> tuple[str, str, str]:
    """Path, `=` and value; an `=` between brackets belongs to the path."""
    end = 0
    while match := _STEP.match(change, end):
        end = match.end()
        if change[end : end + 1] != ".":
            break
        end += 1
    path, equals, value = change[end:].partition("=")
    return (change[:end] + path).strip(), equals, value


def _take_away(message: Message, path: str, notes: Notes) -> None:
    steps = list(_steps(cast(Descriptor, message.DESCRIPTOR), path))
    if steps[-1].selector is not None:
        raise _Refused("takes away whole fields only")
    for holder, where in _held(message, steps):
        _clear(holder, steps[-1].declared, where, notes)


def _clear(holder: Message, declared: FieldDescriptor, where: str, notes: Notes) -> None:
    holder.ClearField(declared.name)
    _forget(notes, join(where, declared.name))


def _held(message: Message, steps: list[_Step]) -> list[tuple[Message, str]]:
    """The messages that hold the field at the end of a path, at least one."""
    holders = list(_holders(message, steps[:-1]))
    if not holders:
        raise _Refused("no element that the path selects has this field set")
    return holders


def _carry_out(message: Message, path: str, text: str, notes: Notes) -> None:
    steps = list(_steps(cast(Descriptor, message.DESCRIPTOR), path))
    declared, selector = steps[-1].declared, steps[-1].selector
    source, node = _value(declared, selector, text)
    filler = Filler(source, notes)
    for holder, where in _held(message, steps):
        problems = len(notes.problems)
        if selector is None:
            _clear(holder, declared, where, notes)
            filler.put(holder, declared, Entry(declared.name, node, 0), where)
        else:
            for index in _selected(holder, declared, selector):
                _replace(holder, declared, index, node, f"{join(where, declared.name)}[{index}]", filler)
        if len(notes.problems) > problems:
            return  # the next element would only repeat it


def _steps(owner: Descriptor, path: str) -> Iterator[_Step]:
    """The fields along a path, outermost first."""
    end = 0
    declared: FieldDescriptor | None = None
    while True:
        match = _STEP.match(path, end)
        if not match:
            raise _Refused("is not a path; write it as in train_config.num_epochs=2 or feature_configs[0].id_feature")
        if declared is not None:
            if declared.message_type is None:
                raise _Refused(f"{declared.name} has no fields")
            owner = declared.message_type
        name, selector = match.groups()
        declared = owner.fields_by_name.get(name)
        if declared is None:
            guess = resembling(name, owner.fields_by_name)
            raise _Refused("no such field" + (f"; did you mean {guess}?" if guess else f" as {name} in {owner.name}"))
        if selector is not None and not (declared.is_repeated and not is_map(declared)):
            raise _Refused(f"{name} is not a list, so it takes no [{selector}]")
        yield _Step(declared, selector)
        end = match.end()
        if end == len(path):
            return
        if path[end] != ".":
            raise _Refused(f"'{path[end:]}' cannot follow {name}")
        if is_map(declared):
            raise _Refused(f"{name} is a map; set it whole: {name}={{ key: ... value: ... }}")
        if declared.is_repeated and selector is None:
            raise _Refused(f"{name} is a list; say which element: {name}[0], {name}[:] or {name}[field=value]")
        end += 1


def _value(declared: FieldDescriptor, selector: str | None, text: str) -> tuple[Source, Value]:
    """The right side as a tree; a string may do without its quotes."""
    source = Source(NAME, text, Dialect.SET)
    is_list = declared.is_repeated and selector is None and text.startswith("[")
    if declared.cpp_type == FieldDescriptor.CPPTYPE_STRING and not is_list and text[:1] not in ("'", '"'):
        return source, Scalar((Token("name", text, 0),))
    value, faults = parse_value(source)
    if value is None or faults:
        raise _Refused(faults[0].message)
    return source, value


def _holders(
    message: Message, steps: list[_Step], path: str = "", *, is_picky: bool = False
) -> Iterator[tuple[Message, str]]:
    """The messages that a path leads to, each with its own path; missing ones on the way are made.

    Where several elements are selected, those that hold another member of a oneof are left alone:
    feature_configs[:].id_feature means the id features, and must not turn a raw feature into one.
    """
    if not steps:
        yield message, path
        return
    declared, selector = steps[0].declared, steps[0].selector
    oneof = declared.containing_oneof
    if is_picky and oneof and message.WhichOneof(oneof.name) != declared.name:
        return
    inner = getattr(message, declared.name)
    path = join(path, declared.name)
    if selector is None:
        inner.SetInParent()
        yield from _holders(inner, steps[1:], path, is_picky=is_picky)
    else:
        is_picky = is_picky or not _INDEX.fullmatch(selector)
        for index in _selected(message, declared, selector):
            yield from _holders(inner[index], steps[1:], f"{path}[{index}]", is_picky=is_picky)


def _replace(holder: Message, declared: FieldDescriptor, index: int, node: Value, path: str, filler: Filler) -> None:
    items: MutableSequence[Any] = getattr(holder, declared.name)
    _forget(filler.notes, path)
    filler.notes.spots[path] = Spot(NAME)
    if declared.message_type is None:
        try:
            items[index] = filler.scalar(declared, node)
        except ValueError as error:
            raise _Refused(str(error)) from None
    elif isinstance(node, Block):
        items[index].Clear()
        filler.fill(items[index], node, path)
    else:
        raise _Refused(f"must be a block: {declared.name} {{ ... }}")


def _forget(notes: Notes, path: str) -> None:
    """Drop the places of a field and of all below it."""
    for known in [known for known in notes.spots if known == path or known.startswith((f"{path}.", f"{path}["))]:
        del notes.spots[known]


def _selected(holder: Message, declared: FieldDescriptor, selector: str) -> list[int]:
    """The elements of a list that a selector means, at least one."""
    items = getattr(holder, declared.name)
    if match := _INDEX.fullmatch(selector):
        found = range(len(items))[slice(int(match[1]), int(match[1]) + 1 or None)]
    elif match := _SLICE.fullmatch(selector):
        found = range(len(items))[slice(*(int(bound) if bound else None for bound in match.groups()))]
    elif match := _CONDITION.fullmatch(selector):
        return _matching(list(items), declared, *match.groups())
    else:
        raise _Refused(f"[{selector}] selects nothing; write [0], [1:3], [:] or [field=value]")
    if not found:
        raise _Refused(f"{declared.name} has {len(items)} elements, none at [{selector}]")
    return list(found)


def _matching(items: list[Any], declared: FieldDescriptor, path: str, sign: str, text: str) -> list[int]:
    if declared.message_type is None:
        raise _Refused(f"the elements of {declared.name} have no fields to compare")
    steps = list(_steps(declared.message_type, path))
    leaf = steps[-1].declared
    if leaf.message_type is not None:
        raise _Refused(f"{path} is a block; compare one of its fields")
    source, node = _value(leaf, "", text)
    try:
        wanted = Filler(source, Notes()).scalar(leaf, node)
    except ValueError as error:
        raise _Refused(f"in [{path}{sign}{text}]: {error}") from None
    present = [(index, value) for index, item in enumerate(items) for value in _values(item, steps)]
    found = [index for index, value in present if _COMPARE[sign](value, wanted)]
    if not found:
        guess = resembling(text, [str(value) for _, value in present])
        hint = f"; did you mean {guess}?" if guess and sign == "=" else ""
        raise _Refused(f"no element of {declared.name} has {path} {sign} {text}{hint}")
    return sorted(set(found))


def _values(item: Message, steps: list[_Step]) -> list[Any]:
    """The values at the end of a path, none where a message on the way is not set."""
    for step in steps[:-1]:
        if step.declared.is_repeated or not item.HasField(step.declared.name):
            return []
        item = getattr(item, step.declared.name)
    value = getattr(item, steps[-1].declared.name)
    return list(value) if steps[-1].declared.is_repeated else [value]
