"""The page at `/` in a real browser: quiet, usable on a phone and by keyboard, with the library's numbers, and safe."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from peprank import bundle as bundles
from peprank.api import load
from peprank.bundle import ConfigSource
from peprank.infer import Precision
from peprank.models import build
from peprank.serve.start import Running
from tests import tiny
from tests.report.browser import Opened, chromium, opened
from tests.serve.house import serving
from tests.serve.models import save_bundle

STAGES = ("decode", "encode", "queue", "model", "reply")
EVIL = "</script><img src=x onerror=\"document.title='evil'\">"
EVIL_COLUMN = "<img src=x onerror=alert(1)>&amp;"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bundle(tmp_path_factory.mktemp("page") / "tiny")


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Running]:
    with serving(bundle, precision=Precision.FLOAT32) as running:
        yield running


@pytest.fixture(scope="module")
def tab(server: Running) -> Iterator[Opened]:
    """One for all tests: a second load of a page costs a third of the first."""
    with chromium() as browser, opened(browser, server.settings.url) as tab:
        yield tab


@pytest.fixture
def found(tab: Opened, server: Running) -> Opened:
    """The page, loaded anew."""
    load_anew(tab, server)
    return tab


def load_anew(tab: Opened, server: Running) -> None:
    tab.page.unroute_all()
    tab.complaints.clear()
    tab.page.goto(server.settings.url)
    ready(tab.page)


def ready(page: Page) -> None:
    page.locator("#sides input").first.wait_for()
    page.locator("#versions tr").first.wait_for()


def scored(page: Page) -> None:
    """Press the button, and wait until its answer is on the page; the policy allows no functions to wait for."""
    with page.expect_response("**/explain"):
        page.locator("#score").click()
    page.locator("#score:not([aria-disabled])").wait_for()
    page.locator("#result").wait_for()


def numbers(page: Page) -> dict[str, float]:
    lines = page.locator("#scores tr").evaluate_all("all => all.map(({dataset}) => [dataset.output, dataset.value])")
    return {name: float(value) for name, value in lines}


def expected(bundle: Path, rows: pa.Table) -> dict[str, float]:
    table = load(bundle).predict(rows)
    return {name: table[name][0].as_py() for name in table.column_names if not name.startswith("logits_")}


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)], ids=["phone at night", "desk by day"])
def test_the_page_is_whole_and_quiet(found: Opened, server: Running, width: int, dark: bool) -> None:
    page = found.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if dark else "light")
    scored(page)
    assert (page.locator("#state").text_content() or "").startswith("✓ Ready")
    assert page.locator("h2").all_text_contents() == ["Models", "Try it"]
    assert page.locator("legend").all_text_contents() == ["User", "Context", "Item"]
    assert page.locator("#gates tr").count() > 5
    unnamed = "all => all.filter((each) => !each.labels.length || !each.labels[0].textContent.trim()).length"
    assert page.locator("input, select, textarea").evaluate_all(unnamed) == 0
    wide, inner = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith((server.settings.url, "data:"))] == []


def test_golden_rows_score_as_the_library_scores_them(found: Opened, bundle: Path) -> None:
    golden = bundles.read_rows(bundle)
    for k in (1, 63):
        found.page.locator("#row").select_option(str(k))
        scored(found.page)
        assert numbers(found.page) == pytest.approx(expected(bundle, golden.slice(k, 1)), abs=1e-6)


def test_typed_features_score_as_the_library_scores_them(found: Opened, bundle: Path) -> None:
    row = {
        "user": [7],
        "item": ['it\'s "new"'],
        "tags": [["a", "x y"]],
        "tab": ["search"],
        "price": [None],
        "age": [33.5],
    }
    page = found.page
    scored(page)
    page.locator("#row").select_option("")
    assert "old" in (page.locator("#result").get_attribute("class") or "")  # it shows another row's scores
    for label, text in {"user": "7", "item": 'it\'s "new"', "tab": "search", "age": "33.5"}.items():
        page.get_by_label(label).first.fill(text)
    page.get_by_label("tags").fill("a\nx y\n")
    page.get_by_label("age").press("Enter")
    page.locator("#result:not(.old)").wait_for()
    assert (page.locator("#took").text_content() or "").startswith(f"ctr {numbers(page)['probs_ctr']:.4f} · ")
    assert numbers(page) == pytest.approx(expected(bundle, pa.table(row)), abs=1e-6)


def test_the_request_to_copy_gives_the_same_scores(found: Opened) -> None:
    found.page.get_by_label("item", exact=False).first.fill('it\'s \\ "new"')
    scored(found.page)
    shown, code = numbers(found.page), found.page.locator("#code pre").all_text_contents()
    done = subprocess.run(["bash", "-c", code[0]], capture_output=True, text=True, check=True, timeout=60)
    outputs = {out["name"]: out["data"][0] for out in json.loads(done.stdout)["outputs"]}
    assert {name: outputs[name] for name in shown} == pytest.approx(shown, abs=1e-9)
    assert "tritonclient" in code[1]
    compile(code[1], "python", "exec")


def test_gates_are_shown_as_the_server_tells_them(found: Opened) -> None:
    with found.page.expect_response("**/explain") as told:
        scored(found.page)
    gates = json.loads(told.value.text())["gates"]
    epnet = next(gate for gate in gates if gate["name"] == "EPNet")
    cells = sorted(epnet["cells"][1:], key=lambda cell: -abs(cell["mean"][0] - 1))
    block = found.page.locator("#gates h4", has_text="EPNet").locator("..")
    assert block.locator("th").all_text_contents() == [cell["part"] for cell in cells]
    values = block.locator("tr").evaluate_all("all => all.map(({dataset}) => Number(dataset.value))")
    assert values == [cell["mean"][0] for cell in cells]


def test_what_the_server_refuses_is_said_beside_the_form(found: Opened) -> None:
    page = found.page
    scored(page)
    page.get_by_label("user").first.fill(EVIL)
    page.locator("#score").click()
    error = page.locator("#error")
    error.wait_for()
    text = error.text_content() or ""
    assert text.startswith("Input 'user': value 0")
    assert "INT64 takes whole numbers" in text
    assert not page.locator("#result").is_visible()
    page.get_by_label("user").first.fill("7")
    scored(page)
    assert not error.is_visible()


def test_a_server_that_has_gone_is_said(found: Opened) -> None:
    found.page.route("**/*", lambda route: route.abort("connectionrefused"))
    found.page.locator("#score").click()
    found.page.locator("#error").wait_for()
    gone = "The server does not answer. Is it still running?"
    assert found.page.locator("#error").text_content() == gone
    expect(found.page.locator("#state")).to_have_text(f"✗ {gone}")


def test_counts_and_latency_live_on(found: Opened) -> None:
    answered = found.page.locator("#versions tr td").nth(5)
    before = int(answered.text_content() or "")
    scored(found.page)
    expect(answered).to_have_text(str(before + 2))
    expect(found.page.locator("#versions .quiet")).to_have_text(
        re.compile("^On average " + " · ".join(rf"{stage} [\d.]+ ms" for stage in STAGES) + "$")
    )
    assert " ms" in (found.page.locator("#versions tr td").nth(2).text_content() or "")


def test_the_form_is_filled_and_sent_by_keyboard_alone(found: Opened) -> None:
    for _ in range(30):
        found.page.keyboard.press("Tab")
        if found.page.evaluate("document.activeElement.id") == "score":
            break
    found.page.keyboard.press("Space")
    found.page.locator("#result").wait_for()


def evil_bundle(path: Path) -> Path:
    """Names of columns and features, words and values that would be scripts if anybody took them for HTML."""
    config = tiny.CONFIG.replace('"item:tags"', f'"item:{EVIL_COLUMN}"').replace('"c"', json.dumps(EVIL))
    config = config.replace('"price"', json.dumps(EVIL)).replace(
        "vocab_list: [", f"vocab_list: [{json.dumps(EVIL + '?')}, "
    )
    source = ConfigSource(text=config, assets={})
    rows = tiny.rows(8).rename_columns([EVIL_COLUMN if name == "tags" else name for name in tiny.rows(1).column_names])
    rows = rows.set_column(1, "item", pa.array([EVIL] * 8))
    bundles.save(path, source, build(source.lower().spec.model, seed=3).weights(), rows, step=1)
    return path


def test_nothing_of_a_bundle_becomes_a_part_of_the_page(tab: Opened, tmp_path: Path) -> None:
    with serving(evil_bundle(tmp_path / "evil")) as running:
        load_anew(tab, running)
        scored(tab.page)
        labels = tab.page.locator("#sides label").all_text_contents()
        assert any(label.startswith(EVIL_COLUMN) for label in labels)
        assert EVIL in tab.page.locator("#gates th").all_text_contents()
        assert tab.page.get_by_label("item").first.input_value() == EVIL
        assert tab.page.locator("img, script").count() == 1  # the page's own script
        assert tab.page.title() == "peprank"
        assert tab.complaints == []


def test_the_page_may_load_nothing_and_stand_in_no_other(server: Running) -> None:
    answer = httpx.get(server.settings.url)
    policy = answer.headers["content-security-policy"]
    for part in (
        "default-src 'none'",
        "frame-ancestors 'none'",
        "connect-src 'self'",
        "require-trusted-types-for 'script'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "access-control-allow-origin" not in answer.headers
    assert "http" not in answer.text.replace("http://", "", 2).replace("tritonclient.http", "").partition("<script>")[0]


def test_without_a_page_nobody_sees_golden_rows(bundle: Path) -> None:
    with serving(bundle, page=False) as running, httpx.Client(base_url=running.settings.url) as client:
        for place in ("/", "/v2/models/tiny/form"):
            assert client.get(place).status_code == 404
        assert client.post("/v2/models/tiny/explain").status_code == 404
        assert client.get("/v2/models/tiny").status_code == 200


def test_scores_of_candidates_are_those_of_rows(found: Opened, bundle: Path) -> None:
    golden = bundles.read_rows(bundle)
    mixed = golden.slice(1, 20)
    for name in ("user", "tab", "age"):
        place = golden.column_names.index(name)
        mixed = mixed.set_column(
            place, name, pa.chunked_array([pa.concat_arrays([golden[name].chunk(0).slice(0, 1)] * 20)])
        )
    probs = load(bundle).predict(mixed)["probs_ctr"].to_numpy()
    found.page.locator("#beside").select_option(index=1)
    scored(found.page)
    lines = found.page.locator("#others tbody tr")
    assert lines.count() == 21
    names, shown = lines.locator("th").all_text_contents(), lines.locator("td:nth-child(2)").all_text_contents()
    of_items = {name: float(value) for name, value in zip(names, shown, strict=True)}
    found_probs = [of_items[f"item of golden row {k + 2}"] for k in range(20)]
    np.testing.assert_allclose(found_probs, probs, atol=6e-5)
    assert names.count("▸ the item above") == 1
    assert list(of_items.values()) == sorted(of_items.values(), reverse=True)
