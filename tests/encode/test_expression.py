import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peprank.encode.expression import evaluate
from peprank.errors import SpecError
from peprank.spec.formula import FUNCTIONS, MAX_TOKENS, parse


def value(formula: str, x: float = 0.0) -> float:
    result: float = evaluate(parse(formula), np.array([x]))[0]
    return result


@pytest.mark.parametrize(
    ("formula", "x", "expected"),
    [
        ("x", 3.5, 3.5),
        ("1 + 2 * x", 3, 7),
        ("(1 + 2) * x", 3, 9),
        ("8 - 3 - 2", 0, 3),  # left to right
        ("2 ^ 3 ^ 2", 0, 512),  # right to left
        ("-x ^ 2", 3, -9),  # the sign binds less than ^
        ("2 ^ -1", 0, 0.5),
        ("-x * 2", 3, -6),
        ("--x", 3, 3),
        ("+x", 3, 3),
        ("-7 % 3", 0, -1),  # the sign of the dividend, as in C
        ("mod(x, 3)", -7, -1),
        ("x / 4", 2, 0.5),
        (".5 + 1e2 + 2.", 0, 102.5),
        ("x > 1 && x <= 2", 2, 1),
        ("x < 1 || x >= 3", 2, 0),
        ("1 || 0 && 0", 0, 1),  # && binds more than ||
        ("x == 2", 2, 1),
        ("x != 2", 2, 0),
        ("!x", 0, 1),
        ("!x + 1", 0, 2),
        ("x > 0 ? 1 : x < 0 ? 2 : 3", -1, 2),
        ("x > 0 ? 1 : x < 0 ? 2 : 3", 0, 3),
        ("round(x)", 2.5, 3),  # halves away from zero
        ("round(x)", -2.5, -3),
        ("rint(x)", 2.5, 2),  # halves to even
        ("roundp(x, 2)", 3.14159, 3.14),
        ("sign(x) * log1p(abs(x))", -1, -math.log(2)),
        ("log(x)", math.e, 1),
        ("ln(x)", math.e, 1),
        ("log2(x) + log10(x)", 1, 0),
        ("sigmoid(x)", 0, 0.5),
        ("pow(x, 2)", 3, 9),
        ("min(3, x, 2)", 1, 1),
        ("max(3, x)", 1, 3),
        ("sum(1, 2, x)", 3, 6),
        ("avg(1, 2, x)", 3, 2),
        ("floor(x) + ceil(x) + trunc(x)", -1.5, -4),
        ("_pi + _e - _e", 0, math.pi),
        ("\n x\t", 1, 1),
    ],
)
def test_a_formula_has_the_value_of_its_arithmetic(formula: str, x: float, expected: float) -> None:
    assert value(formula, x) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "exp"])
def test_functions_of_the_maths_library_are_named_as_there(name: str) -> None:
    function: Callable[[float], float] = getattr(math, name)
    assert value(f"{name}(x)", 0.7) == pytest.approx(function(0.7))


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(-100, 100))
def test_operators_agree_with_python(x: float, y: float) -> None:
    formula = f"(x - {y!r}) * 2 < 1 ? x + {abs(y)!r} : -x"
    assert value(formula, x) == (x + abs(y) if (x - y) * 2 < 1 else -x)


def test_every_function_of_the_grammar_has_a_meaning() -> None:
    for name, (least, _) in FUNCTIONS.items():
        arguments = ", ".join(["x"] * least)
        assert evaluate(parse(f"{name}({arguments})"), np.array([0.5, 0.25])).shape == (2,)
    assert len(FUNCTIONS) == 34


def test_a_constant_formula_has_a_value_per_row() -> None:
    assert evaluate(parse("2"), np.zeros(3)).tolist() == [2, 2, 2]


def test_a_value_that_does_not_exist_is_nan_or_inf_without_a_warning() -> None:
    assert math.isnan(value("log(x)", -1))
    assert math.isinf(value("1 / x", 0))


@pytest.mark.parametrize(
    ("formula", "rule"),
    [
        ("", "has the end at character 1, where a value is expected"),
        ("x +", "has the end at character 4, where a value is expected"),
        ("(x", "has the end at character 3, where ')' is expected"),
        ("x)", "has ')' at character 2, where an operator or the end is expected"),
        ("x y", "has 'y' at character 3, where an operator or the end is expected"),
        ("x ? 1", "has the end at character 6, where ':' is expected"),
        ("2 * * x", "has '*' at character 5, where a value is expected"),
        ("x @ 2", "does not know '@' at character 3"),
        ("__import__('os')", 'does not know "\'" at character 12'),
        ("y + 1", "does not know 'y'; the column's value is x, the constants are ['_e', '_pi']"),
        ("sqrt(x, 2)", "gives sqrt 2 arguments; it takes 1"),
        ("mod(x)", "gives mod 1 arguments; it takes 2"),
    ],
)
def test_a_mistake_is_named_with_its_place(formula: str, rule: str) -> None:
    with pytest.raises(SpecError) as error:
        parse(formula)
    assert str(error.value) == f"normalizer expr = {formula!r}: {rule}"


def test_an_unknown_function_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SpecError) as error:
        parse("eval(x)")
    assert error.value.rule == f"does not know the function 'eval'; known are {sorted(FUNCTIONS)}"


@pytest.mark.parametrize("formula", ["(" * MAX_TOKENS, "-" * MAX_TOKENS, "x+" * (MAX_TOKENS // 2)])
def test_the_deepest_formula_fails_by_its_grammar_and_a_longer_one_by_its_length(formula: str) -> None:
    with pytest.raises(SpecError, match="where a value is expected"):
        parse(formula)
    with pytest.raises(SpecError, match=f"has {MAX_TOKENS + 1} symbols; write it with at most {MAX_TOKENS}"):
        parse(formula + "x")


def test_the_longest_formula_has_a_value() -> None:
    assert value("x" + "+x" * (MAX_TOKENS // 2 - 1), 1.0) == MAX_TOKENS // 2
