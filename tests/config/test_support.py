"""No field of the format is silently ignored: each is acted on, warned about, or refused, and the list says which."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from peprank.config import lower, parse
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.read import ConfigFile
from peprank.config.support import ACTED_ON, NO_EFFECT, REFUSED, Support, review, standing
from peprank.errors import ConfigError
from tests.config.base import changed

Path = tuple[str, ...]


def reachable() -> dict[str, tuple[Descriptor, Path]]:
    """Each message that some acted-on field leads to, and the fields that lead there."""
    root = pb.EasyRecConfig.DESCRIPTOR
    found: dict[str, tuple[Descriptor, Path]] = {root.name: (root, ())}
    queue = [root.name]
    while queue:
        owner, path = found[queue.pop(0)]
        for field in owner.fields:
            inner = field.message_type
            if inner is None or standing(owner.name, field.name).support is not Support.ACTED_ON:
                continue
            if not inner.GetOptions().map_entry and inner.name not in found:
                found[inner.name] = (inner, (*path, field.name))
                queue.append(inner.name)
    return found


REACHABLE = reachable()


def fields_that(support: Support) -> Iterator[tuple[str, str]]:
    for name, (owner, _) in REACHABLE.items():
        for field in owner.fields:
            if standing(name, field.name).support is support:
                yield name, field.name


def step_into(message: Message, path: Path) -> tuple[Message, str]:
    """The message at the end of `path`, made on the way, and how a problem names it."""
    names = []
    for name in path:
        inner = getattr(message, name)
        is_list = message.DESCRIPTOR.fields_by_name[name].is_repeated
        message = inner.add() if is_list else inner
        message.SetInParent()
        names.append(f"{name}[0]" if is_list else name)
    return message, ".".join(names)


def other_value(field: FieldDescriptor) -> object:
    """A value that is not the field's default."""
    if field.is_repeated or field.message_type is not None:
        return "x" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 7
    if field.enum_type is not None:
        return next(value.number for value in field.enum_type.values if value.number != field.default_value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return f"not {field.default_value}"
    return not field.default_value if isinstance(field.default_value, bool) else field.default_value + 1


def give(message: Message, field: FieldDescriptor, value: object) -> None:
    if field.message_type is not None:
        inner = getattr(message, field.name)
        (inner.add() if field.is_repeated else inner).SetInParent()
    elif field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def notes_on(name: str, field_name: str, *, is_default: bool = False) -> list[tuple[str, bool]]:
    """What review says of one field that is set: (message, whether it is a warning) of each problem at its path."""
    owner, path = REACHABLE[name]
    field = owner.fields_by_name[field_name]
    config = pb.EasyRecConfig()
    message, prefix = step_into(config, path)
    give(message, field, field.default_value if is_default else other_value(field))
    at = Place(ConfigFile("c", "", (), config), config)
    review(at)
    wanted = f"{prefix}.{field_name}" if prefix else field_name
    return [(problem.message, problem.is_warning) for problem in at.found if problem.path == wanted]


def test_every_field_that_can_be_reached_has_exactly_one_standing() -> None:
    seen = 0
    for name, (owner, _) in REACHABLE.items():
        for field in owner.fields:
            lists = (ACTED_ON.get(name, "").split(), NO_EFFECT.get(name, {}), REFUSED.get(name, {}))
            assert sum(field.name in listed for listed in lists) == 1, f"{name}.{field.name}"
            seen += 1
    assert len(REACHABLE) >= 55
    assert seen >= 380


def test_the_list_names_no_message_or_field_that_the_format_does_not_have() -> None:
    for table in (ACTED_ON, NO_EFFECT, REFUSED):
        for name, listed in table.items():
            assert name in REACHABLE, name
            known = REACHABLE[name][0].fields_by_name
            assert set(listed.split() if isinstance(listed, str) else listed) <= set(known), name


@pytest.mark.parametrize(("message", "field"), list(fields_that(Support.REFUSED)))
def test_a_field_that_is_not_supported_is_refused_by_name(message: str, field: str) -> None:
    ((note, is_warning),) = notes_on(message, field)
    assert note.startswith("is not supported yet; ")
    assert not is_warning


@pytest.mark.parametrize(("message", "field"), list(fields_that(Support.NO_EFFECT)))
def test_a_field_without_effect_gets_one_warning_line(message: str, field: str) -> None:
    ((note, is_warning),) = notes_on(message, field)
    assert note.startswith("has no effect here: ")
    assert is_warning


def test_a_field_at_its_default_is_passed_over() -> None:
    seen = 0
    for support in (Support.REFUSED, Support.NO_EFFECT):
        for name, field_name in fields_that(support):
            field = REACHABLE[name][0].fields_by_name[field_name]
            if field.message_type is None and not field.is_repeated:
                assert notes_on(name, field_name, is_default=True) == []
                seen += 1
    assert seen >= 25


def test_a_field_that_is_not_on_the_list_is_a_bug_and_not_ignored() -> None:
    with pytest.raises(KeyError):
        standing("DataConfig", "a_field_of_tomorrow")


def test_a_refusal_stops_the_run_and_a_warning_does_not() -> None:
    warned = lower(parse(changed("batch_size: 64", "pin_memory: false"), "c")).warnings
    assert [str(problem) for problem in warned] == [
        "c:20:3  data_config.pin_memory = false: has no effect here: "
        "batches are moved to the device as the device needs it"
    ]
    with pytest.raises(ConfigError, match=r"data_config\.tdm_sampler: is not supported yet"):
        lower(parse(changed("batch_size: 64", "tdm_sampler {}"), "c"))
