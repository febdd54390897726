"""A real Chromium for tests of pages, driven by Playwright; the tests are skipped where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = "no Chromium was found; apt-get install chromium, or set FIRSTLIGHT_CHROMIUM to its path"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

_RUNNING: list[Any] = []  # at most one browser
_ENDS = ExitStack()  # closes it


def chromium() -> str:
    """The browser's path; the test is skipped where none is installed."""
    path = os.environ.get("FIRSTLIGHT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        pytest.skip(HOW)
    return path


def running() -> Any:
    """The browser that all tests of a module share, with a fake camera; started by the first that asks."""
    from playwright.sync_api import sync_playwright

    if _RUNNING and not _RUNNING[0].is_connected():
        close()
    if not _RUNNING:
        path = chromium()
        playwright = _ENDS.enter_context(sync_playwright())
        _RUNNING.append(playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *CAMERA]))
        _ENDS.callback(_RUNNING[0].close)
    return _RUNNING[0]


def close() -> None:
    """Ends the browser, if one runs: as long as it does, Playwright's event loop stays in this thread."""
    _RUNNING.clear()
    _ENDS.close()


@contextmanager
def context(**options: Any) -> Iterator[Any]:
    """A context of its own, which shares no storage with another test's."""
    opened = running().new_context(**options)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def profile(home: Path) -> Iterator[Any]:
    """A browser that is no private window: those install nothing, and have no room for large files."""
    options = {"executable_path": chromium(), "args": ["--no-sandbox"]}
    opened = running().browser_type.launch_persistent_context(str(home / "profile"), **options)
    try:
        yield opened
    finally:
        opened.close()


@dataclass
class Opened:
    """A page that was opened, with its errors and requests since then."""

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
    """A file in Chromium without network, in a window of this width."""
    options = {"viewport": {"width": width, "height": 900}, "java_script_enabled": scripts, "offline": True}
    with context(**options, color_scheme="dark" if dark else "light") as browser:
        result = Opened(browser.new_page())
        grave = ("error", "warning")
        result.page.on("console", lambda said: said.type in grave and result.errors.append(said.text))
        result.page.on("pageerror", lambda error: result.errors.append(str(error)))
        result.page.on("request", lambda asked: result.requests.append(asked.url))
        result.page.goto(path.as_uri())
        yield result
