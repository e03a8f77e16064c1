"""Evaluate a parsed formula over an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from peprank.spec.formula import Call, Formula, Number, Variable

FloatArray: TypeAlias = NDArray[np.float64]


def evaluate(formula: Formula, x: FloatArray) -> FloatArray:
    """The formula's value for each x; nan or inf where it has none. Truth is 1.0, falsehood 0.0.

    Shapes: float64 [...] -> float64 [...]

    Example:
        >>> from peprank.spec.formula import parse
        >>> evaluate(parse("x > 2 ? log2(x) : 0"), np.array([1.0, 8.0]))
        array([0., 3.])
    """
    with np.errstate(all="ignore"):
        return np.broadcast_to(_value(formula, x), x.shape)


def _value(formula: Formula, x: FloatArray) -> FloatArray:
    match formula:
        case Number():
            return np.array(formula.value, np.float64)
        case Variable():
            return x
        case Call():
            value = _MEANING[formula.function](*(_value(argument, x) for argument in formula.arguments))
            return np.asarray(value, np.float64)
        case _:
            assert_never(formula)


def _round(x: FloatArray, digits: FloatArray | float = 0.0) -> FloatArray:
    """To `digits` decimals, halves away from zero as C does; numpy rounds them to even."""
    scale = np.power(10.0, digits)
    rounded: FloatArray = np.trunc(x * scale + np.copysign(0.5, x)) / scale
    return rounded


def _sum(*terms: FloatArray) -> FloatArray:
    return reduce(np.add, terms)


_MEANING: Mapping[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,  # the sign of the dividend, as in C
    "^": np.float_power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "&&": np.logical_and,
    "||": np.logical_or,
    "!": np.logical_not,
    "negate": np.negative,
    "?:": lambda condition, yes, no: np.where(condition != 0, yes, no),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "log": np.log,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "sign": np.sign,
    "abs": np.abs,
    "rint": np.rint,  # halves to even
    "floor": np.floor,
    "ceil": np.ceil,
    "round": _round,
    "trunc": np.trunc,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "mod": np.fmod,
    "pow": np.float_power,
    "roundp": _round,
    "min": lambda *terms: reduce(np.minimum, terms),
    "max": lambda *terms: reduce(np.maximum, terms),
    "sum": _sum,
    "avg": lambda *terms: _sum(*terms) / len(terms),
}
