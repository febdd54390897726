"""The ledger of this machine: readings of the test images are counted by dataset, not by run folder."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.data.pixels import Pixels
from firstlight.runs import ledger
from firstlight.runs.ledger import count_reading, dataset_of, readings_of
from firstlight.runs.readings import count_test_reading


@pytest.fixture
def pixels(tmp_path: Path) -> Pixels:
    """The small 3s and 7s with validation and test images."""
    table = fl.scan(write_digits(tmp_path / "digits", ("3", "7")))
    return fl.load(fl.split(table, validation=0.2, test=0.2))


def test_readings_are_counted_by_dataset(pixels: Pixels, tmp_path: Path) -> None:
    """Runs in two folders and a prediction of the library read the same test images three times."""
    for times, seed in enumerate((0, 1), 1):
        run = fl.climb(pixels, rungs=["prior", "ink"], split="test", seed=seed, out=tmp_path / str(seed))
        assert times == run.test_readings == fl.read_run(tmp_path / str(seed)).test_readings
    chosen = fl.climb(pixels, rungs=["prior", "ink"], out=tmp_path / "chosen")
    assert 2 == chosen.test_readings
    fl.predict(chosen["ink"], pixels, split="validation")
    fl.predict(chosen["ink"], pixels, split="test")
    assert 3 == fl.read_run(tmp_path / "chosen").test_readings == fl.read_run(tmp_path / "0").test_readings
    assert 4 == count_test_reading(tmp_path / "chosen")
    assert "read 4 times" in str(fl.read_run(tmp_path / "chosen"))


def test_a_climb_that_goes_on_or_is_repeated_is_one_reading(pixels: Pixels, tmp_path: Path) -> None:
    """A finished run is only read."""
    for _ in range(3):
        run = fl.climb(pixels, rungs=["prior", "ink"], split="test", out=tmp_path / "run")
    assert 1 == run.test_readings


def test_the_dataset_is_that_of_the_labelled_test_images(pixels: Pixels) -> None:
    """Neither the order nor the other splits matter; fewer of these images are another dataset."""
    table = pixels.table
    one = dataset_of([table])
    assert one == dataset_of([table.select("test")]) == dataset_of([table.select(table.splits[::-1].argsort())])
    assert one != dataset_of([table.select(np.flatnonzero(table.splits == 2)[1:])])
    assert "" == dataset_of([table.select("train")]) == dataset_of([])


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "[]", '{"test readings": 7}', '{"test readings": {"a": -1}}', "\udcff"]
)
def test_a_ledger_that_cannot_be_read_stops_nothing(text: str) -> None:
    """It is begun anew."""
    ledger.ledger().parent.mkdir(parents=True)
    ledger.ledger().write_text(text, "utf-8", "surrogateescape")
    assert 0 == readings_of("a")
    assert [1, 2] == [count_reading("a"), count_reading("a")]


def test_a_ledger_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file where the folder should be costs the count and not the command."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "file"))
    assert 1 == count_reading("a")
    assert 0 == readings_of("a")


def test_the_ledger_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset that was counted longest ago goes first."""
    monkeypatch.setattr(ledger, "MOST", 2)
    for name in "abac":
        count_reading(name)
    assert [2, 0, 1] == [readings_of(name) for name in "abc"]


def count_some(cache: str) -> None:
    os.environ["FIRSTLIGHT_CACHE"] = cache
    for _ in range(8):
        count_reading("a")


@pytest.mark.slow
def test_several_processes_lose_no_reading(own_cache: Path) -> None:
    """Each waits until the other has written."""
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        list(pool.map(count_some, [str(own_cache)] * 3))
    assert 24 == readings_of("a")
