"""A real browser for tests: the Chromium of this machine, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 30_000
"""Milliseconds after which what was waited for isn't going to come."""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser without a window. Where there is none the tests are skipped, or, with ANABRANCH_BROWSER=required,
    fail."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        _give_up(f"no browser is installed: none of {', '.join(NAMES)} is on PATH")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
        try:
            browser = playwright.chromium.launch(executable_path=path, args=arguments, timeout=PATIENCE)
        except Error as error:
            _give_up(f"{path} can't be started: {error}")
        yield browser
        browser.close()


def _give_up(why: str) -> NoReturn:
    if os.environ.get("ANABRANCH_BROWSER") == "required":
        pytest.fail(f"ANABRANCH_BROWSER=required, and {why}")
    pytest.skip(why)
