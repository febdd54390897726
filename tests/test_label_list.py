"""`firstlight audit --labels --out`: the labels to check as a list and as a page; progress with an estimate."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from command import firstlight, refused
from firstlight.data.fetching.catalog import write_digits
from firstlight.models.auditing import labels
from firstlight.models.auditing.labels import loading_for
from firstlight.progress import Meter
from tables import noise, write_images


@pytest.mark.slow
def test_planted_label_errors_head_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CSV with the class that the model suggests and both probabilities, and as a page with the images."""
    monkeypatch.setattr(labels, "find_spec", lambda name: None)
    root = write_digits(tmp_path / "digits", ("0", "1", "4"))
    planted = []
    for number, name in enumerate(sorted((root / "0").iterdir())[:4]):
        (root / "1" / f"={number}.png").write_bytes(name.read_bytes())
        name.unlink()
        planted.append(f"1/={number}.png")
    done = firstlight("audit", root, "--labels", "--out", "labels.csv", folder=tmp_path)
    assert 0 == done.returncode, done.stderr
    assert "labels to check in labels.csv" in done.stderr
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert set(planted) <= {row["key"] for row in rows[:8]}
    assert all(row["label"] != row["suggested"] for row in rows)
    assert all(0 <= float(row["label_probability"]) <= float(row["probability"]) <= 1 for row in rows[:4])
    assert 0 == firstlight("audit", root, "--labels", "--out", "labels.html", folder=tmp_path).returncode
    page = (tmp_path / "labels.html").read_text("utf-8")
    assert len(rows) == page.count("<img ") and "data:image/png" in page and "1/=0.png" in page


def test_a_list_needs_labels_and_a_known_ending(tmp_path: Path) -> None:
    """Before anything is read."""
    refused(firstlight("audit", "nowhere", "--out", "labels.csv", folder=tmp_path), "--labels")
    refused(firstlight("audit", "nowhere", "--labels", "--out", "labels.txt", folder=tmp_path), "labels.txt", ".csv")
    (tmp_path / "folder.csv").mkdir()
    refused(firstlight("audit", "nowhere", "--labels", "--out", "folder.csv", folder=tmp_path), "folder.csv")


def test_large_photos_are_checked_small(tmp_path: Path) -> None:
    """Where their shorter sides are over 32 px; small drawings keep their size."""
    from firstlight.data.auditing.facts import gather
    from tables import table_of

    for side, size in ((28, None), (90, (32, 32))):
        root = write_images(tmp_path / str(side), {f"a/{n}.png": noise(side, side, seed=n) for n in range(3)})
        assert size == loading_for(gather(table_of(root))).sides


def test_a_line_of_progress_says_how_long_it_will_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first within a second, where there is no terminal."""
    now = [100.0]
    monkeypatch.setattr("firstlight.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with Meter("checking", quiet=False, unit="steps") as meter:
        for done, seconds in ((1, 0.1), (10, 1.0), (11, 1.1), (50, 6.5)):
            now[0] = 100 + seconds
            meter(done, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert ["checking: 10 of 1,000, about 99 s left", "checking: 50 of 1,000, about 2 min left"] == lines
