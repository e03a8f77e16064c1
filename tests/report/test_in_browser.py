"""The page in a real browser: quiet, sortable, and readable on a phone and at night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.report import world
from tests.report.browser import chromium, opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.page_of_run(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_plot_is_drawn_without_a_complaint_or_a_request(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    with opened(browser, page, width=width, dark=dark) as found:
        found.page.eval_on_selector_all("details", "all => all.forEach((each) => { each.open = true; })")
        found.scroll_through()
        plots = found.page.locator(".plot").count()
        assert plots > 10
        found.page.wait_for_function(f"document.querySelectorAll('.plot .main-svg').length >= {plots}")
        assert found.complaints == []
        assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
        wide, inner = found.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= inner


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
