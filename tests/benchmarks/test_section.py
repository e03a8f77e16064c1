from __future__ import annotations

import json

import pytest

from benchmarks.section import Aim, Section, number, spread, table

SECTION = Section(
    title="Step",
    text="Two ways.",
    columns=("way", "rows/s"),
    rows=[("ours", "12,000"), ("theirs | plain", "9,000")],
    notes=["On one core."],
    aims=[Aim("rate", 10_000, (9_000, 12_000, 12_500), "rows/s")],
)


def test_a_section_is_a_heading_text_a_table_and_notes() -> None:
    assert SECTION.markdown() == (
        "## Step\n\nTwo ways.\n\n"
        "| way | rows/s |\n| --- | --- |\n| ours | 12,000 |\n| theirs / plain | 9,000 |\n\n"
        "- On one core.\n"
    )


def test_a_section_survives_json() -> None:
    kept = Section.from_json(json.loads(json.dumps(SECTION.to_json())))
    assert kept.markdown() == SECTION.markdown()
    assert [aim.cells for aim in kept.aims] == [aim.cells for aim in SECTION.aims]


def test_a_row_with_a_missing_cell_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Step: row \('ours',\) has 1 cells: must be 2"):
        Section(title="Step", columns=("way", "rows/s"), rows=[("ours",)])


@pytest.mark.parametrize(
    ("aim", "verdict"),
    [
        (Aim("rate", 10, (11, 9, 10)), "met"),  # the median is 10
        (Aim("rate", 10, (8, 8, 9)), "fell short by 20 %"),
        (Aim("time", 4, (4,), at_most=True), "met"),
        (Aim("time", 4, (3, 5, 6), at_most=True), "fell short by 25 %"),  # 1 of 4 too many
        (Aim("time", 4, ()), "not measured"),
    ],
)
def test_an_aim_is_judged_by_the_median_of_its_rounds(aim: Aim, verdict: str) -> None:
    assert aim.verdict == verdict


def test_an_aim_shows_target_median_spread_and_remark() -> None:
    aim = Aim("time", 4, (3, 5, 6), "s", at_most=True, remark="two cores")
    assert aim.cells == ("time", "<= 4.00 s", "5.00 (3.00 to 6.00) s", "fell short by 25 %; two cores")
    assert Aim("time", 4, ()).cells == ("time", ">= 4.00", "-", "not measured")


def test_numbers_have_three_digits_or_all_before_the_point() -> None:
    assert [number(x) for x in (12345.6, 99.94, 3.14159, 0.0123456, 0)] == ["12,346", "99.9", "3.14", "0.0123", "0"]
    assert spread([2.0]) == "2.00"


def test_no_columns_make_no_table() -> None:
    assert table((), ()) == ""
