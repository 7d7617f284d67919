"""What several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bootstrap import find_browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, as playwright's Browser. It reaches nothing outside this machine."""
    from playwright.sync_api import sync_playwright

    path = find_browser()
    assert path, "These tests need Chromium: install it, or name it in the variable CHROMIUM."
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    outside = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=[*quiet, outside])
        yield running
        running.close()
