"""The page of a timeline, in a real browser: it zooms, moves, tells about a bar, asks for nothing, and text is text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers import PATIENCE, open_browser
from playwright.sync_api import Browser, Locator, Page

from anabranch.viz import RunRecord, StepRun, timeline

pytestmark = [pytest.mark.together("browser"), pytest.mark.may_block]  # Playwright keeps a loop in this thread

NASTY = "<script>window.broken=1</script><img src=x onerror=window.broken=1>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def record() -> RunRecord:
    """Ten steps of a second each, with a hundred chunks each; the last has failed."""
    root = StepRun("root", "root", start=0.0)
    for at in range(10):
        step = StepRun(str(at), f"step {at} {NASTY if at == 9 else ''}", start=float(at))
        step.chunk_times = [at + chunk / 100 for chunk in range(100)]
        step.over(at + 1.0, f"ValueError: {NASTY}" if at == 9 else "")
        root.children.append(step)
    root.over(10.0, f"ValueError: {NASTY}")
    return RunRecord([root])


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page on which nothing may go wrong, and which may ask for nothing but itself."""
    path, wrong, asked = tmp_path / "run.html", [], []
    timeline(record(), path=path)
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert page.evaluate("window.broken") is None
    page.close()
    assert not wrong
    assert asked == [path.as_uri()]


def width(bar: Locator) -> float:
    return float(bar.locator("rect.body").get_attribute("width") or 0)


def step(page: Page, number: int) -> Locator:
    return page.locator(".bar", has_text=f"step {number} ").last


def settled(page: Page) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_it_zooms_and_shows_all_again(page: Page) -> None:
    first, ticks = width(step(page, 5)), step(page, 5).locator(".ticks")
    few = (ticks.get_attribute("d") or "").count("M")
    page.locator("#timeline").focus()
    for _ in range(3):
        page.keyboard.press("+")
    settled(page)
    assert width(step(page, 5)) == pytest.approx(first / 0.6**3, rel=0.05)
    assert (ticks.get_attribute("d") or "").count("M") > few
    page.keyboard.press("0")
    settled(page)
    assert width(step(page, 5)) == pytest.approx(first, rel=0.01)


def test_the_wheel_zooms_where_the_mouse_is_and_dragging_moves(page: Page) -> None:
    box = step(page, 8).locator("rect.body").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    page.wait_for_function("document.querySelectorAll('.bar[display=none]').length > 0")
    after = step(page, 8).locator("rect.body").bounding_box()
    assert after is not None
    assert after["x"] <= x <= after["x"] + after["width"]
    page.mouse.down()
    page.mouse.move(x + 150, y, steps=3)
    page.mouse.up()
    settled(page)
    moved = step(page, 8).locator("rect.body").bounding_box()
    assert moved is not None
    assert moved["x"] == pytest.approx(after["x"] + 150, abs=12)
    assert page.locator("#told").inner_text() == ""


def test_a_click_tells_all_about_a_bar_as_text(page: Page) -> None:
    step(page, 9).locator("rect.body").click()
    told = page.locator("#told").inner_text()
    assert f"error: ValueError: {NASTY}" in told
    assert "chain, failed" in told
    assert page.locator("#told *").count() == 0
    assert page.locator("img").count() == 0
