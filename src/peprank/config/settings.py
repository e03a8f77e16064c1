"""A config as a flat list: each field that is set, by its path, so that two configs can be laid side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from peprank.config.fill import is_map, join


def settings_of(message: Message) -> dict[str, str]:
    """Path -> value of each field that is set, in the schema's order; an element of a list goes by its name.

    Example:
        >>> from peprank.config import parse, settings_of
        >>> settings_of(parse('train_config { seed: 7 } data_config { label_fields: ["a", "b"] }', "x").message)
        {'train_config.seed': '7', 'data_config.label_fields': '["a", "b"]'}
    """
    return dict(_leaves(message, ""))


def _leaves(message: Message, path: str) -> Iterator[tuple[str, str]]:
    fields = message.ListFields()
    if not fields and path:
        yield path, "{}"
    for declared, value in fields:
        where = join(path, declared.name)
        if declared.message_type is None or is_map(declared):
            yield where, _text(declared, value)
        elif isinstance(value, Message):
            yield from _leaves(value, where)
        else:
            for name, element in zip(_names(value), value, strict=True):
                yield from _leaves(element, f"{where}[{name}]")


def _text(declared: FieldDescriptor, value: Any) -> str:
    if declared.message_type is not None:  # a map
        of = declared.message_type.fields_by_name["value"]
        return f"{{{', '.join(f'{key}: {_word(of, value[key])}' for key in sorted(value))}}}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(_word(declared, item) for item in value)}]"
    return _word(declared, value)


def _word(declared: FieldDescriptor, value: Any) -> str:
    """One value as the text format writes it: a number as short as can be, a name of an enum, text in quotes."""
    out = StringIO()
    text_format.PrintFieldValue(declared, value, out, as_utf8=True, as_one_line=True)
    return out.getvalue().strip()


def _names(elements: Sequence[Message]) -> list[str]:
    """What the elements of a list are called; its place where an element has no name, or shares it."""
    names = [_name(element) for element in elements]
    times = Counter(names)
    return [name if name and times[name] == 1 else str(k) for k, name in enumerate(names)]


def _name(element: Message) -> str:
    """The first field, if it says a name: `feature_name`, `group_name`, `tower_name`; that of the only block else."""
    fields = element.ListFields()
    if not fields:
        return ""
    declared, value = fields[0]
    if isinstance(value, str):
        return value if declared.name.endswith("_name") else ""
    return _name(value) if len(fields) == 1 and isinstance(value, Message) else ""
