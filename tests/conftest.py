"""Where the tests find real image folders, a cache for each test, and what the last lines say of tests left out."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import browser
from firstlight.data.fetching.catalog import DATASETS
from firstlight.data.fetching.download import data_folder

# The tests run side by side, a process a core: threads of one would wait for those of the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # text is wrapped only where a test says how wide the terminal is

NUMBERS = itertools.count()
# The files that take longest come first, so that the last minute is not one of them alone.
LONGEST = (
    *("test_pages", "test_lesson_figures", "test_lesson", "test_page", "test_offline", "test_predict_command"),
    *("test_parity", "test_resume", "test_cli", "test_report"),
)
CHECKOUT = Path(__file__).resolve().parent.parent
FETCHED = data_folder()  # where `firstlight get` puts data; tests set another place


def archive_of(name: str) -> Path | None:
    """The archive of a dataset: in FIRSTLIGHT_TEST_DATA, else in ../shared/data next to the checkout; else None."""
    named = os.environ.get("FIRSTLIGHT_TEST_DATA")
    folders = [Path(named)] if named else []
    found = (folder / f"{name}.tgz" for folder in [*folders, CHECKOUT.parent / "shared" / "data"])
    return next((path for path in found if path.is_file()), None)


def dataset(name: str) -> Path:
    """The folder of a dataset: of its archive, unpacked once into the temporary files, or from the user's data.

    The test is skipped where there is neither.
    """
    archive = archive_of(name)
    if archive is None:
        if (FETCHED / name).is_dir():
            return FETCHED / name
        get = f"type firstlight get {name}, or " if name in DATASETS else ""
        pytest.skip(f"{name} is not here; {get}set FIRSTLIGHT_TEST_DATA to the folder that holds {name}.tgz")
    home = Path(tempfile.gettempdir()) / f"firstlight-test-data-{archive.stat().st_size}"
    if not (home / name).is_dir():
        home.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as part, tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
            with contextlib.suppress(OSError):  # another worker was faster
                (Path(part) / name).rename(home / name)
    return home / name


def folder_of(name: str):
    @pytest.fixture(scope="session", name=name)
    def fixture() -> Path:
        return dataset(name)

    return fixture


mnist_sample = folder_of("mnist_sample")
mnist_png = folder_of("mnist_png")
cifar10 = folder_of("cifar10")
sign_digits = folder_of("sign_digits")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of slow tests only is not even imported where those are left out."""
    if config.option.markexpr == "not slow" and collection_path.match("test_*.py"):
        return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text("utf-8") or None
    return None


def pytest_collection() -> None:
    """What collecting makes is needed to the end, so the garbage collector need not look through it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Five thousand tests and PyTorch's modules are never garbage; each collection would walk through all of them."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; `--no-loadscope-reorder` keeps that order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(autouse=True)
def own_cache(caches: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a cache folder of its own, so that none sees what another decoded; made when it is used."""
    cache = caches / str(next(NUMBERS))
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(cache))
    return cache


@pytest.fixture(autouse=True, scope="module")
def one_browser() -> Iterator[None]:
    """The Chromium that a module's tests share is closed after the last of them."""
    yield
    browser.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Last of all: how many tests were left out, why, and how to have them."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} {'test was' if count == 1 else 'tests were'} left out: {reason}")
