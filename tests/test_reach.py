"""Datasets that are used where they are at hand or within reach: never waited for long, never a failure."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from firstlight.data.fetching import reach
from firstlight.data.fetching.catalog import DATASETS
from firstlight.data.fetching.reach import answers, at_hand, within_reach
from loopback import Site, files, home_fixture, site_fixture, tiny_fixture  # noqa: F401 - fixtures


def named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog has photos at this address."""
    known = replace(DATASETS["mnist_sample"], name="photos", url=url, size=None, sha256=None)
    monkeypatch.setitem(DATASETS, "photos", known)


def test_what_was_fetched_before_is_at_hand(home: Path) -> None:
    """From wherever it came; nothing is asked."""
    assert at_hand("mnist_sample") is None
    (home / "mnist_sample").mkdir(parents=True)
    assert home / "mnist_sample" == at_hand("mnist_sample") == within_reach("mnist_sample")


def test_a_server_that_answers_is_asked_for_the_archive(
    site: Site, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unpacked as `get` does it."""
    named(site.url, monkeypatch)
    found = within_reach("photos", progress=False)
    assert found == home / "photos" == at_hand("photos")


def test_a_server_that_says_nothing_is_not_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that takes the connection and is silent, nor a closed port, nor a name that is none."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.perf_counter()
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}/photos.zip", 0.2)
        assert time.perf_counter() - started < 5
        closed = silent.getsockname()[1]
    named(f"http://127.0.0.1:{closed}/photos.zip", monkeypatch)
    assert within_reach("photos", progress=False) is None
    assert not answers("http://nowhere.invalid/photos.zip", 5)


def test_what_fails_on_the_way_is_not_to_be_had(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of another size or sum, for one."""
    named(site.url, monkeypatch)
    monkeypatch.setitem(DATASETS, "photos", replace(DATASETS["photos"], sha256="0" * 64))
    assert within_reach("photos", progress=False) is None
    assert not (home / "photos").exists()
    assert reach.at_hand("photos") is None
