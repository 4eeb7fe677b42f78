"""The page that shows a run, in a real browser: live, failed, stopped, replayed; and whatever the run says is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers import PATIENCE, open_browser
from contrasts import LEGIBLE, contrast
from playwright.sync_api import Browser, Page, expect
from watched import Gate, record, served, watching

from anabranch.nodes import RunnableLambda, RunnablePassthrough
from anabranch.viz.watched_runs import WatchedRun

pytestmark = [pytest.mark.together("browser"), pytest.mark.may_block]  # Playwright keeps a loop in this thread

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


class Tab:
    """The page of all tests, with what went wrong on it and what it asked for."""

    def __init__(self, browser: Browser) -> None:
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page = page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Tab:
    return Tab(browser)


@pytest.fixture
def page(tab: Tab) -> Iterator[Page]:
    """A page on which nothing may go wrong, and which may ask its own server only."""
    tab.wrong.clear()
    tab.asked.clear()
    yield tab.page
    wrong, asked, own = [*tab.wrong], [*tab.asked], tab.page.url
    tab.page.goto("about:blank")
    assert not wrong
    assert asked
    assert all(url.startswith(own) for url in asked), asked


def part(page: Page, label: str) -> str:
    """The selector of the part of the picture with a label."""
    return f"#picture .node:has(text:text-is('{label}'))"


def has_state(page: Page, selector: str, state: str) -> None:
    expect(page.locator(selector)).to_have_attribute("data-state", state)


def row(name: str) -> str:
    return f".row[data-name={name!r}]"


def divide(number: int) -> float:
    return 1 / number


def after(number: float) -> float:
    return number


def test_steps_light_up_and_texts_grow_as_the_run_goes(page: Page, tmp_path: Path) -> None:
    gate = Gate()
    with watching(gate.chain, "honey bear", tmp_path) as server:
        page.goto(server.url)
        has_state(page, part(page, "shout"), "done")
        has_state(page, part(page, "halves"), "running")
        has_state(page, "body", "running")
        expect(page.locator("#output pre")).to_have_text("HONEY")
        page.click(row("halves"))
        expect(page.locator("#name")).to_have_text("halves")
        expect(page.locator("#output h3")).to_have_text("Output so far")
        gate.open()
        expect(page.locator("#output pre")).to_have_text("HONEY BEAR")
        for label in ("shout", "halves", "echo"):
            has_state(page, part(page, label), "done")
            has_state(page, row(label), "done")
        has_state(page, "body", "done")
        expect(page.locator("#stop")).to_be_hidden()
        expect(page.locator(row("echo") + " .said")).to_have_text(re.compile("HONEY BEAR$"))
        assert "chunks" in page.inner_text("#facts")


def test_a_step_is_chosen_in_the_picture(page: Page, tmp_path: Path) -> None:
    chain = RunnableLambda(divide) | {"first": after, "second": RunnablePassthrough()}
    with watching(chain, 4, tmp_path) as server:
        page.goto(server.url)
        has_state(page, part(page, "after"), "done")
        page.click(part(page, "after"))
        expect(page.locator("#name")).to_have_text("after")
        expect(page.locator("#output pre")).to_have_text("0.25\n")
        expect(page.locator("#input pre")).to_have_text("0.25")
        expect(page.locator(row("after"))).to_have_attribute("aria-pressed", "true")


def test_an_error_is_shown_where_it_happened(page: Page, tmp_path: Path) -> None:
    with watching(RunnableLambda(divide) | after, 0, tmp_path) as server:
        page.goto(server.url)
        has_state(page, part(page, "divide"), "failed")
        has_state(page, part(page, "after"), "skipped")
        expect(page.locator("#error")).to_have_text("divide: ZeroDivisionError: division by zero")
        expect(page.locator(row("divide") + " .said")).to_have_text("ZeroDivisionError: division by zero")
        expect(page.locator("#name")).to_have_text("divide")
        expect(page.locator("#failed pre")).to_have_text("ZeroDivisionError: division by zero")
        has_state(page, "body", "failed")


def test_an_error_that_was_made_good_is_no_failure_of_the_run(page: Page, tmp_path: Path) -> None:
    with watching(RunnableLambda(divide).with_fallbacks([RunnableLambda(after)]), 0, tmp_path) as server:
        page.goto(server.url)
        has_state(page, part(page, "divide"), "failed")
        has_state(page, part(page, "after"), "done")
        has_state(page, "body", "done")
        expect(page.locator("#error")).to_be_empty()


def test_a_step_that_was_tried_again_is_as_the_last_attempt(page: Page, tmp_path: Path) -> None:
    numbers = iter([0, 1])
    retried = RunnableLambda(lambda text: divide(next(numbers)), name="retried") | after
    with watching(retried.with_retry(wait_exponential_jitter=False), "", tmp_path) as server:
        page.goto(server.url)
        has_state(page, "body", "done")
        states = page.eval_on_selector_all(row("retried"), "rows => rows.map((row) => row.dataset.state)")
        assert states == ["failed", "done"]
        has_state(page, part(page, "retried"), "done")
        has_state(page, part(page, "after"), "done")


def test_the_slider_goes_back_and_forth_through_a_recorded_run(page: Page, tmp_path: Path) -> None:
    gate = Gate()
    gate.open()
    with served(WatchedRun("run.jsonl", record(gate.chain, "honey bear", tmp_path), gate.chain)) as server:
        page.goto(server.url)
        has_state(page, "body", "done")
        expect(page.locator("#output pre")).to_have_text("HONEY BEAR")
        slider = page.locator("#slider")
        slider.press("Home")
        has_state(page, "body", "running")
        has_state(page, part(page, "echo"), "waiting")
        expect(page.locator("#output")).to_be_hidden()
        moments = 0
        while page.get_attribute("body", "data-state") != "done":  # two moments a run at most
            page.click("#forward")
            moments += 1
            assert moments <= 8
        expect(page.locator("#output pre")).to_have_text("HONEY BEAR")
        page.click("#back")
        has_state(page, "body", "running")
        slider.press("End")
        has_state(page, "body", "done")


def test_a_run_is_played_again(page: Page, tmp_path: Path) -> None:
    with served(WatchedRun("run.jsonl", record(RunnableLambda(divide) | after, 4, tmp_path))) as server:
        page.goto(server.url)
        has_state(page, "body", "done")
        expect(page.locator("#picture")).to_contain_text("name its chain with --chain")
        page.locator("#slider").press("Home")
        has_state(page, "body", "running")
        page.click("#play")
        has_state(page, "body", "done")
        expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
        assert page.eval_on_selector_all(".row", "rows => rows.map((row) => row.dataset.name)") == [
            "RunnableSequence",
            "divide",
            "after",
        ]


def test_going_back_leaves_a_live_run_going(page: Page, tmp_path: Path) -> None:
    gate = Gate()
    with watching(gate.chain, "honey bear", tmp_path) as server:
        page.goto(server.url)
        expect(page.locator("#output pre")).to_have_text("HONEY")
        page.locator("#slider").press("Home")
        expect(page.locator("#live")).to_be_visible()
        expect(page.locator("#output")).to_be_hidden()
        page.click("#live")
        expect(page.locator("#output pre")).to_have_text("HONEY")
        expect(page.locator("#live")).to_be_hidden()


def test_a_run_is_stopped_from_the_page(page: Page, tmp_path: Path) -> None:
    gate = Gate()
    with watching(gate.chain, "honey bear", tmp_path) as server:
        page.goto(server.url)
        expect(page.locator("#output pre")).to_have_text("HONEY")
        page.click("#stop")
        has_state(page, "body", "cancelled")
        expect(page.locator("#output pre")).to_have_text("HONEY")
        assert gate.closed.is_set()


def test_several_browsers_see_the_same_and_may_go(browser: Browser, page: Page, tmp_path: Path) -> None:
    gate = Gate()
    with watching(gate.chain, "honey bear", tmp_path) as server:
        other = browser.new_page()
        for each in (page, other):
            each.goto(server.url)
            expect(each.locator("#output pre")).to_have_text("HONEY")
        other.close()
        gate.open()
        expect(page.locator("#output pre")).to_have_text("HONEY BEAR")
        page.reload()  # the whole is there for whoever comes later
        expect(page.locator("#output pre")).to_have_text("HONEY BEAR")


EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>&amp;<b>"


def test_whatever_a_run_says_is_text(page: Page, tmp_path: Path) -> None:
    def fail(text: str) -> str:
        raise ArithmeticError(text)

    echo = RunnableLambda(lambda text: text, name=EVIL)
    with watching(echo | RunnableLambda(fail, name="</text></svg>" + EVIL), EVIL, tmp_path) as server:
        page.goto(server.url)
        has_state(page, "body", "failed")
        expect(page.locator("#failed pre")).to_have_text(f"ArithmeticError: {EVIL}")
        expect(page.locator("#input pre")).to_have_text(EVIL)
        expect(page.locator(".row .label").nth(1)).to_have_text(EVIL)
        assert page.locator("#picture .node").count() == 4
        assert page.locator("img, #picture script, b").count() == 0
        assert page.title() == "a run · anabranch"


def test_a_long_run_is_folded_and_its_rows_are_bounded(page: Page, tmp_path: Path) -> None:
    chain = RunnableLambda(after) | {f"key {number}": RunnableLambda(after) for number in range(449)}
    with watching(chain, 1, tmp_path) as server:
        page.goto(server.url)
        has_state(page, "body", "done")
        expect(page.locator("#more")).to_have_text("52 more runs are not shown here.")
        assert page.locator(".row").count() == 400


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_legible_on_light_and_on_dark_paper(browser: Browser, theme: str, tmp_path: Path) -> None:
    with served(
        WatchedRun("run", record(RunnableLambda(divide) | after, 0, tmp_path), RunnableLambda(divide) | after)
    ) as server:
        page = browser.new_page(color_scheme="dark" if theme == "dark" else "light")
        page.goto(server.url)
        has_state(page, part(page, "divide"), "failed")
        for text, around in (
            ("#name", "body"),
            ("#error", "header"),
            ("#facts", "body"),
            ("#failed pre", "#failed pre"),
        ):
            ink = page.eval_on_selector(text, "node => getComputedStyle(node).color")
            paper = page.eval_on_selector(around, "node => getComputedStyle(node).backgroundColor")
            assert contrast(ink, paper) >= LEGIBLE, (text, ink, paper)
        page.close()
