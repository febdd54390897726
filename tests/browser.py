"""A real Chromium for tests of pages, driven by Playwright; skipped aloud where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = "no Chromium was found; apt-get install chromium, or set FIRSTLIGHT_CHROMIUM to its path"


def chromium() -> str:
    """The browser's path; the test is skipped where none is installed."""
    path = os.environ.get("FIRSTLIGHT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        pytest.skip(HOW)
    return path


@dataclass
class Opened:
    """A page that was opened, with what it said and asked for meanwhile."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def serious(self) -> list[str]:
        """What axe-core finds of serious or critical accessibility faults: rule and first place."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {one['nodes'][0]['html'][:120]} {one['nodes'][0]['failureSummary']}" for one in grave]


@contextmanager
def opened(path: Path, *, width: int = 1280, scripts: bool = True, dark: bool = False) -> Iterator[Opened]:
    """A file in a real Chromium without network, in a window of this width."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                java_script_enabled=scripts,
                offline=True,
                color_scheme="dark" if dark else "light",
            )
            result = Opened(context.new_page())
            grave = ("error", "warning")
            result.page.on("console", lambda said: said.type in grave and result.errors.append(said.text))
            result.page.on("pageerror", lambda error: result.errors.append(str(error)))
            result.page.on("request", lambda asked: result.requests.append(asked.url))
            result.page.goto(path.as_uri())
            yield result
        finally:
            browser.close()
