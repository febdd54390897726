"""Where the tests find real image folders: FIRSTLIGHT_TEST_DATA, else ../shared/data beside the checkout."""

from __future__ import annotations

import contextlib
import itertools
import os
import tarfile
import tempfile
from pathlib import Path

import pytest

# The tests run side by side, a process a core: threads of one would wait for those of the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # text is wrapped only where a test says how wide the terminal is

NUMBERS = itertools.count()
CHECKOUT = Path(__file__).resolve().parent.parent


def archives() -> Path | None:
    """The folder that holds the .tgz archives, or None where there is none."""
    named = os.environ.get("FIRSTLIGHT_TEST_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


def unpacked(name: str) -> Path:
    """The unpacked folder of an archive, kept between runs in the system's folder for temporary files."""
    source = archives()
    if source is None or not (source / f"{name}.tgz").is_file():
        pytest.skip(f"{name}.tgz is not there; set FIRSTLIGHT_TEST_DATA to the folder that holds it")
    archive = source / f"{name}.tgz"
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
        return unpacked(name)

    return fixture


mnist_sample = folder_of("mnist_sample")
mnist_png = folder_of("mnist_png")
cifar10 = folder_of("cifar10")
sign_digits = folder_of("sign_digits")


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(autouse=True)
def own_cache(caches: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a cache folder of its own, so that none sees what another decoded; made when it is used."""
    cache = caches / str(next(NUMBERS))
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(cache))
    return cache
