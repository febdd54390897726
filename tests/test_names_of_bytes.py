"""Paths whose bytes are not UTF-8: one sentence before any work, or they work."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import DataError, FirstlightError, RunError
from firstlight.evaluation.predictions import Predictions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are any bytes")
NAME = os.fsdecode(b"caf\xe9")


def test_images_in_such_a_folder_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """A link with another name is the way around."""
    write_digits(tmp_path / NAME, ("3", "7"))
    for take in (fl.scan, fl.climb, fl.audit):
        with pytest.raises(DataError, match=r"caf\\udce9 is not a path in UTF-8"):
            take(tmp_path / NAME)
    (tmp_path / "link").symlink_to(tmp_path / NAME)
    assert 362 == len(fl.scan(tmp_path / "link"))


@pytest.mark.slow
def test_a_run_is_not_begun_under_such_a_name_and_read_from_it(tmp_path: Path) -> None:
    """Nothing is left where nothing can be finished; a folder that was renamed is read."""
    data = write_digits(tmp_path / "digits", ("3", "7"))
    with pytest.raises(RunError, match=r"caf\\udce9 is not a name in UTF-8"):
        fl.climb(data, rungs=["prior"], out=tmp_path / NAME)
    assert not (tmp_path / NAME).exists()
    fl.climb(data, rungs=["prior", "ink"], out=tmp_path / "run")
    shutil.move(tmp_path / "run", tmp_path / NAME)
    run = fl.read_run(tmp_path / NAME)
    assert len(run["ink"].predictions) == run["ink"].metrics.n
    assert (tmp_path / NAME / "report.html") == fl.report(run)


def test_files_that_arrow_writes_say_so(tmp_path: Path) -> None:
    """The sentence names the path."""
    seen = Predictions("ink", ["a"], ("3", "7"), np.array([0]), np.array([[2.0, 0.0]]))
    with pytest.raises(FirstlightError, match=r"caf\\udce9.* UTF-8"):
        seen.to_parquet(tmp_path / NAME)
    assert [] == list(tmp_path.iterdir())
