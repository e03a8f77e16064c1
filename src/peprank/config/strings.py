"""The small languages inside string fields: `expression`, `normalizer`, `init_fn`, names of enums, lists of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, TypeVar

from peprank.config.place import Place, listing, meant
from peprank.spec import formula
from peprank.spec.embedding import Distribution, InitSpec
from peprank.spec.feature import Expression, Log10, MinMax, Normalizer, Side, ZScore
from peprank.spec.mlp import Activation

E = TypeVar("E", bound=Enum)

_DERIVED_SIDES: Final = ("feature", "const")  # the format's sides that are no column of the data

_INIT_ARGUMENTS: Final[Mapping[Distribution, tuple[str, ...]]] = {
    Distribution.UNIFORM: ("a", "b"),
    Distribution.NORMAL: ("mean", "std"),
    Distribution.TRUNC_NORMAL: ("mean", "std", "a", "b"),
    Distribution.CONSTANT: ("val",),
    Distribution.ZEROS: (),
    Distribution.ONES: (),
    Distribution.XAVIER_UNIFORM: ("gain",),
    Distribution.XAVIER_NORMAL: ("gain",),
    Distribution.KAIMING_UNIFORM: ("a",),
    Distribution.KAIMING_NORMAL: ("a",),
}

_NORMALIZER_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "log10": ("threshold", "default"),
    "zscore": ("mean", "standard_deviation"),
    "minmax": ("min", "max"),
    "expression": ("expr",),
}
_NO_DEFAULTS: Final = ("zscore", "minmax", "expression")  # methods whose arguments must all be given


def choice(kind: type[E], text: str, at: Place) -> E | None:
    """The member of `kind` with the value `text`."""
    known = [member.value for member in kind]
    if text in known:
        return kind(text)
    at.error(f"is not known{meant(text, known)}; write {' or '.join(repr(name) for name in known if name)}")
    return None


def input_of(expression: str, at: Place) -> tuple[Side, str] | None:
    """Side and column of `side:column`."""
    side, colon, column = expression.partition(":")
    sides = [member.value for member in Side]
    if not colon or not column:
        at.error(f'is not of the form side:column; write "user:{side or column or "column"}", say')
    elif side in _DERIVED_SIDES:
        at.error(f"a '{side}:' input is not supported yet; put the value into a column of the data")
    elif side not in sides:
        at.error(f"the side '{side}' is not known{meant(side, sides)}; write one of {listing(sides)}")
    else:
        return Side(side), column
    return None


def activation(text: str, at: Place) -> Activation | None:
    """An activation, `nn.ReLU` or `ReLU`."""
    name = _after_nn(text)
    by_name = {member.value: member for member in Activation}
    if name not in by_name:
        known = listing(f"nn.{known}" for known in by_name)
        at.error(f"is not a supported activation{meant(name, by_name)}; write one of {known}")
    return by_name.get(name)


def initializer(text: str, at: Place) -> InitSpec | None:
    """`nn.init.uniform_,a=-0.1,b=0.1`: a function of torch.nn.init by name, with numbers; nothing is evaluated."""
    head, _, tail = text.partition(",")
    name = _after_nn(head.strip()).removeprefix("init.")
    by_name = {member.value: member for member in Distribution}
    if name not in by_name:
        known = listing(f"nn.init.{known}" for known in by_name)
        at.error(f"'{head}' is not a supported initializer{meant(name, by_name)}; write one of {known}")
        return None
    arguments = _arguments(tail, at)
    if arguments is None or not _are_known(arguments, _INIT_ARGUMENTS[by_name[name]], name, at):
        return None
    values = {key: number(value, at) for key, value in arguments.items()}
    if None in values.values():
        return None
    return InitSpec(
        distribution=by_name[name],
        arguments=tuple((key, value) for key, value in values.items() if value is not None),
    )


def normalizer(text: str, at: Place) -> Normalizer | None:
    """`method=zscore,mean=0,standard_deviation=1` and its three sisters."""
    arguments = _arguments(text, at)
    if arguments is None:
        return None
    method = arguments.pop("method", "")
    if method not in _NORMALIZER_ARGUMENTS:
        known = listing(f"method={name}" for name in _NORMALIZER_ARGUMENTS)
        at.error(f"the method '{method}' is not known{meant(method, _NORMALIZER_ARGUMENTS)}; write one of {known}")
        return None
    wanted = _NORMALIZER_ARGUMENTS[method]
    if not _are_known(arguments, wanted, method, at):
        return None
    missing = [name for name in wanted if name not in arguments and method in _NO_DEFAULTS]
    if missing:
        at.error(f"the method '{method}' needs {listing(missing)}; add {listing(f'{name}=...' for name in missing)}")
        return None
    if method == "expression":
        return _expression(arguments["expr"], at)
    values = {name: number(value, at) for name, value in arguments.items()}
    given = {name: value for name, value in values.items() if value is not None}
    return _numeric_normalizer(method, given, at) if len(given) == len(values) else None


def _numeric_normalizer(method: str, given: Mapping[str, float], at: Place) -> Normalizer | None:
    if method == "log10":
        return at.build(Log10, **given)
    if method == "zscore":
        return at.build(ZScore, mean=given["mean"], standard_deviation=given["standard_deviation"])
    return at.build(MinMax, min=given["min"], max=given["max"])


def _expression(text: str, at: Place) -> Expression | None:
    return None if at.build(formula.parse, text) is None else Expression(formula=text)


def number(text: str, at: Place) -> float | None:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value - value == 0:  # neither NaN nor infinite
        return value
    at.error(f"'{text}' is not a number; write one such as 0.5")
    return None


def numbers(texts: Iterable[str], at: Place) -> tuple[float, ...] | None:
    """Finite numbers; all that are none are noted."""
    values = [number(text, at) for text in texts]
    return None if None in values else tuple(value for value in values if value is not None)


def _after_nn(name: str) -> str:
    return name.removeprefix("torch.").removeprefix("nn.")


def _arguments(text: str, at: Place) -> dict[str, str] | None:
    """`a=1,b=max(x,1)` as a dict: a comma parts two arguments only where `name=` follows it."""
    arguments: dict[str, str] = {}
    for part in re.split(r",(?=\s*\w+\s*=(?!=))", text) if text.strip() else []:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals:
            at.error(f"'{part}' is not of the form name=value")
            return None
        if name in arguments:
            at.error(f"'{name}' is given twice; give it once")
            return None
        arguments[name] = value.strip()
    return arguments


def _are_known(arguments: Mapping[str, str], wanted: tuple[str, ...], owner: str, at: Place) -> bool:
    unknown = [name for name in arguments if name not in wanted]
    for name in unknown:
        at.error(f"'{owner}' has no argument '{name}'{meant(name, wanted)}; it takes {listing(wanted)}")
    return not unknown
