"""The page in a real browser: quiet, sortable, and readable on a phone and at night."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from peprank.report.comparison import comparison_page
from peprank.report.html import render
from peprank.report.runs import page_of
from tests.report import world
from tests.report.browser import Opened, chromium, opened
from tests.report.contest import DOMAINS, NASTY, contest
from tests.report.several import three

_SIZES = [(390, False), (390, True), (1280, False), (1280, True)]
_SIZE_NAMES = ["phone by day", "phone at night", "desk by day", "desk at night"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.page_of_run(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("comparison") / "page.html"
    made = comparison_page(contest(), None, name="by hand", made_at=world.MADE_AT, version="1")
    path.write_text(render(made), "utf-8")
    return path


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("several") / "page.html"
    base, wide, deep = three()
    path.write_text(render(page_of([base, wide, replace(deep, name=NASTY)])), "utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def check_all_of(found: Opened) -> None:
    """Open every fold and scroll by everything: all is drawn, nothing is complained of, asked for or too wide."""
    found.page.eval_on_selector_all("details", "all => all.forEach((each) => { each.open = true; })")
    found.scroll_through()
    plots = found.page.locator(".plot").count()
    assert plots > 9
    found.page.wait_for_function(f"document.querySelectorAll('.plot > .plot-container').length === {plots}")
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
    wide, inner = found.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)], ids=["phone at night", "desk by day"])
def test_the_page_of_a_run_is_whole_and_quiet(browser: Browser, page: Path, width: int, dark: bool) -> None:
    with opened(browser, page, width=width, dark=dark) as found:
        check_all_of(found)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)], ids=["phone by day", "desk at night"])
def test_the_page_of_a_comparison_is_whole_and_quiet(
    browser: Browser, comparison: Path, width: int, dark: bool
) -> None:
    with opened(browser, comparison, width=width, dark=dark) as found:
        check_all_of(found)


@pytest.mark.parametrize(("width", "dark"), _SIZES, ids=_SIZE_NAMES)
def test_the_page_of_several_runs_is_whole_and_quiet(browser: Browser, several: Path, width: int, dark: bool) -> None:
    with opened(browser, several, width=width, dark=dark) as found:
        check_all_of(found)
        seen = found.page.evaluate(_CONTRAST)
        ratio, node = seen["lowest"]
        assert ratio >= 4.5, node  # WCAG 2.1, level AA


def test_a_map_of_runs_shows_both_numbers_under_the_pointer(browser: Browser, several: Path) -> None:
    with opened(browser, several) as found:
        plot = found.page.locator("#differences .plot").first
        plot.scroll_into_view_if_needed()
        area = plot.locator(".nsewdrag").first
        area.wait_for()
        box = area.bounding_box()
        assert box is not None
        found.page.mouse.move(box["x"] + 20, box["y"] + 3.5 * box["height"] / 9)  # fourth line, first run
        said = plot.locator(".hoverlayer .hovertext").first
        said.wait_for()
        text = said.text_content() or ""
        assert "click · all, wide" in text
        assert "GAUC 0.7300, base 0.7000: gain +0.0300" in text


def test_a_table_of_runs_sorts_by_any_task(browser: Browser, several: Path) -> None:
    with opened(browser, several) as found:
        table = found.page.locator("#tasks table").first
        names = table.locator("tbody tr > :first-child")
        assert names.all_text_contents() == ["base", "wide", NASTY]
        table.locator("thead button", has_text="click").click()
        assert names.all_text_contents() == ["wide", "base", NASTY]
        table.locator("thead button", has_text="like").click()
        assert names.all_text_contents() == ["base", "wide", NASTY]


def test_names_are_shown_as_they_are_and_numbers_under_the_pointer(browser: Browser, comparison: Path) -> None:
    with opened(browser, comparison) as found:
        plot = found.page.locator("#differences .plot").first
        plot.scroll_into_view_if_needed()
        area = plot.locator(".nsewdrag").first
        area.wait_for()
        box = area.bounding_box()
        assert box is not None
        found.page.mouse.move(
            box["x"] + box["width"] - 20, box["y"] + 2.5 * box["height"] / 9
        )  # third line, last model
        said = plot.locator(".hoverlayer .hovertext").first
        said.wait_for()
        text = said.text_content() or ""
        for part in (
            f"mean · tab {DOMAINS[1]}, {NASTY}",
            "GAUC -0.0300 against single",
            "95 % [",
            "corrected 0.008: worse",
        ):
            assert part in text
        assert plot.locator(".hoverlayer img").count() == 0
        assert found.complaints == []


def test_plots_in_closed_folds_wait_until_they_are_opened(browser: Browser, page: Path) -> None:
    with opened(browser, page) as found:
        found.scroll_through()
        fold = found.page.locator("#curves details").first
        assert fold.locator(".main-svg").count() == 0
        fold.locator("summary").click()
        fold.locator(".main-svg").first.wait_for()


def test_a_map_shows_its_number_under_the_pointer(browser: Browser, page: Path) -> None:
    with opened(browser, page) as found:
        plot = found.page.locator("#domains .plot").first
        plot.scroll_into_view_if_needed()
        plot.locator(".heatmaplayer image, .heatmaplayer path").first.wait_for()
        box = plot.locator(".nsewdrag").first.bounding_box()
        assert box is not None
        found.page.mouse.move(box["x"] + 10, box["y"] + 10)
        said = plot.locator(".hoverlayer .hovertext").first
        said.wait_for()
        assert "AUC 0." in (said.text_content() or "")


def column(found: Any, position: int) -> list[str]:
    cells = found.page.locator(f"#tasks tbody tr > :nth-child({position})")
    return [text.strip() for text in cells.all_text_contents()]


def test_tables_sort_by_mouse_and_by_keyboard(browser: Browser, page: Path) -> None:
    with opened(browser, page) as found:
        before = column(found, 1)
        heading = found.page.locator("#tasks thead th").nth(1)
        assert heading.get_attribute("aria-sort") == "none"
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == "descending"
        assert column(found, 2) == sorted(column(found, 2), key=float, reverse=True)
        heading.locator("button").press("Enter")
        assert heading.get_attribute("aria-sort") == "ascending"
        assert column(found, 2) == sorted(column(found, 2), key=float)
        name = found.page.locator("#tasks thead th").first
        name.locator("button").press("Space")
        assert (name.get_attribute("aria-sort"), heading.get_attribute("aria-sort")) == ("ascending", "none")
        assert column(found, 1) == sorted(before)


def test_missing_numbers_stay_last_whichever_way_a_table_is_sorted(browser: Browser, page: Path) -> None:
    with opened(browser, page) as found:
        fold = found.page.locator("#domains details").first
        fold.locator("summary").click()
        for _ in range(2):
            fold.locator("thead button").nth(1).click()
            assert fold.locator("tbody tr").last.locator("th").text_content() == world.NASTY


def test_the_contents_lead_to_every_section_and_stay_in_sight(browser: Browser, page: Path) -> None:
    for width in (390, 1280):
        with opened(browser, page, width=width) as found:
            links = found.page.locator("nav a")
            targets = [link.get_attribute("href") for link in links.all()]
            assert targets == [
                f"#{part}" for part in found.page.eval_on_selector_all("section", "all => all.map(s => s.id)")
            ]
            links.last.click()
            top = found.page.locator("#config h2").bounding_box()
            assert top is not None
            assert 0 <= top["y"] < 900
            assert links.first.is_visible()
            box = links.first.bounding_box()
            assert box is not None
            assert 0 <= box["y"] < 900


_CONTRAST = """() => {
    const light = (text) => {
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour;
        }
    };
    const ratio = (one, other) => {
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const texts = [...document.querySelectorAll("h1, h2, p, th, td, a, small, summary, code, li, figcaption, caption")];
    const html = texts.map((node) => [ratio(getComputedStyle(node).color, ground(node)), node.outerHTML.slice(0, 80)]);
    const axes = [...document.querySelectorAll(".plot .xtick text, .plot .ytick text, .plot .legendtext")];
    const plots = axes.map((node) => [ratio(getComputedStyle(node).fill, ground(node)), node.outerHTML.slice(0, 80)]);
    return { lowest: [...html, ...plots].sort((a, b) => a[0] - b[0])[0], num: html.length, axes: plots.length };
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_stands_out_from_its_ground(browser: Browser, page: Path, dark: bool) -> None:
    with opened(browser, page, dark=dark) as found:
        found.scroll_through()
        seen = found.page.evaluate(_CONTRAST)
        assert seen["num"] > 100
        assert seen["axes"] > 20
        ratio, node = seen["lowest"]
        assert ratio >= 4.5, node  # WCAG 2.1, level AA


def test_plots_follow_when_night_falls(browser: Browser, page: Path) -> None:
    with opened(browser, page) as found:
        tick = found.page.locator("#domains .plot .xtick text").first
        tick.wait_for()
        by_day = tick.evaluate("node => getComputedStyle(node).fill")
        found.page.emulate_media(color_scheme="dark")
        found.page.wait_for_function(
            "day => getComputedStyle(document.querySelector('#domains .plot .xtick text')).fill !== day", arg=by_day
        )
        assert found.complaints == []
