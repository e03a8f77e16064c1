"""Render docs/config-reference.md from the .proto files: every field with its default and what we do with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from peprank.config.fill import OLD_NAMES
from peprank.config.support import MAY_BE_ABSENT, Support, standing

Comments = Mapping[tuple[int, ...], str]  # place in the descriptor -> comment above it

_ROOT: Final = "peprank/config/protos/pipeline.proto"
FIRST_EXTENSION: Final = 1000  # tags from here on are fields of our own
# Where descriptor.proto keeps the parts of a file, as numbers of its fields.
_MESSAGES, _ENUMS, _SYNTAX, _PARTS, _ONEOFS = 4, 5, 12, 2, 8

_HEAD: Final = """\
# Config reference

<!-- Made by scripts/protos from src/peprank/config/protos; edit the comments there. -->

Every field that a config file may hold. The root is [`EasyRecConfig`](#easyrecconfig). How to read the last column:

- **yes**: acted on.
- **no effect**: accepted with a warning, since it can change nothing here.
- **not yet**: refused by name and line, unless it stands at its default. The same holds for all fields of a message
  that is itself refused.

*Extension* marks a field that TorchEasyRec does not have. A field that is *required* and has no default must be set.
Old names are accepted with a warning: {old_names}.
"""


def render(files: FileDescriptorSet) -> str:
    """The reference as Markdown; `files` must carry their comments (protoc --include_source_info)."""
    old_names = ", ".join(f"`{old}` for `{new}`" for names in OLD_NAMES.values() for old, new in names.items())
    by_name = {file.name: file for file in files.file}
    in_order = [_ROOT, *by_name[_ROOT].dependency]
    parts = (part for name in in_order for part in _file(by_name[name]))
    return "\n".join([_HEAD.format(old_names=old_names), *parts])


def _file(file: FileDescriptorProto) -> Iterator[str]:
    comments = {tuple(place.path): " ".join(place.leading_comments.split()) for place in file.source_code_info.location}
    yield f"## {comments[(_SYNTAX,)].rstrip('.')}\n"
    for index, message in enumerate(file.message_type):
        yield from _message(message, (_MESSAGES, index), comments)
    for index, enum in enumerate(file.enum_type):
        yield from _enum(enum, (_ENUMS, index), comments)


def _message(message: DescriptorProto, at: tuple[int, ...], comments: Comments) -> Iterator[str]:
    yield f"### {message.name}\n\n{comments[at]}\n"
    if not message.field:
        return
    entries = {entry.name: entry for entry in message.nested_type}
    yield "| Field | Type | Default | Meaning | Here |\n|---|---|---|---|---|"
    for index, field in enumerate(message.field):
        place = (*at, _PARTS, index)
        meaning = comments[place]
        if field.HasField("oneof_index"):
            oneof = (*at, _ONEOFS, field.oneof_index)
            meaning = f"{meaning} {comments[oneof]} `{message.oneof_decl[field.oneof_index].name}`."
        if field.number >= FIRST_EXTENSION:
            meaning += " *Extension.*"
        cells = (f"`{field.name}`", _type(field, entries), _default(message, field), meaning, _here(message, field))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _enum(enum: EnumDescriptorProto, at: tuple[int, ...], comments: Comments) -> Iterator[str]:
    yield f"### {enum.name}\n\n{comments[at]}\n"
    yield "| Value | Meaning |\n|---|---|"
    for index, value in enumerate(enum.value):
        place = (*at, _PARTS, index)
        yield f"| `{value.name}` | {comments[place]} |"
    yield ""


def _type(field: FieldDescriptorProto, entries: Mapping[str, DescriptorProto]) -> str:
    name = field.type_name.rpartition(".")[2]
    if name in entries:
        key, value = entries[name].field
        return f"map from {_type(key, {})} to {_type(value, {})}"
    if not name:
        kind = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    else:
        kind = f"[`{name}`](#{name.lower()})" if name != "Struct" else "`Struct`"
    return f"list of {kind}" if field.label == FieldDescriptorProto.LABEL_REPEATED else kind


def _default(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    if field.HasField("default_value"):
        return f"`{_value(field)}`"
    is_required = field.label == FieldDescriptorProto.LABEL_REQUIRED
    return "*required*" if is_required and f"{message.name}.{field.name}" not in MAY_BE_ABSENT else ""


def _value(field: FieldDescriptorProto) -> str:
    match field.type:
        case FieldDescriptorProto.TYPE_STRING:
            return json.dumps(field.default_value)
        case FieldDescriptorProto.TYPE_FLOAT:
            return f"{float(field.default_value):.7g}"  # compilers print the same float with more or fewer digits
        case _:
            return field.default_value


def _here(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    try:
        support, remark = standing(message.name, field.name)
    except KeyError:  # a part of something that is refused as a whole
        return "not yet"
    word = {Support.ACTED_ON: "yes", Support.NO_EFFECT: "no effect", Support.REFUSED: "not yet"}[support]
    return f"{word}: {remark}" if remark else word
