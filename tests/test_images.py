"""A run's own images: found again as they were loaded, from whatever was typed; refused where they are others now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.decoding.loading import Loading
from firstlight.errors import RunError
from firstlight.models.exporting.parity import images_of
from firstlight.runs.images import own_images
from tables import gray_folder, noise, write_images


def climbed(data: Any, **options: Any) -> fl.Run:
    return fl.climb(data, rungs=["prior", "centroid-l2"], **options)


@pytest.mark.parametrize(
    "loading",
    [
        Loading(),
        Loading(size=(5, 9), color="rgb", resize="pad"),
        Loading(size=7, resize="crop", align="mass", allow_unreadable=True),
    ],
)
@pytest.mark.parametrize("broken", [0, 2])
def test_the_images_are_those_that_were_loaded(tmp_path: Path, loading: Loading, broken: int) -> None:
    """The same pixels, labels and splits by every loading option, images that could not be read left out again."""
    root = gray_folder(tmp_path / "images", count=60, side=12, broken=broken)
    steps: list[fl.Step] = []
    run = climbed(root, loading=loading, progress=steps.append, out=tmp_path / "run")
    seen = [step.result for step in steps if isinstance(step.result, fl.Pixels)]
    for known in (run, fl.read_run(tmp_path / "run")):
        images = own_images(known)
        pixels = images.pixels()
        np.testing.assert_array_equal(seen[0].values, pixels.values)
        assert (seen[0].table.fingerprint, seen[0].keys) == (pixels.table.fingerprint, pixels.keys)
        assert seen[0].preprocessing == pixels.preprocessing
        predictions = known["prior"].predictions
        rows = images.places(predictions)
        assert predictions.keys.to_pylist() == images.table.select(rows).keys
        np.testing.assert_array_equal(predictions.labels, pixels.labels[rows])


@pytest.mark.parametrize("kind", ["zip", "csv", "parquet"])
def test_the_source_is_found_as_it_was_typed(tmp_path: Path, kind: str) -> None:
    """A list beside class folders, a saved table with splits of its own, an archive."""
    root = gray_folder(tmp_path / "images", count=40)
    table = fl.split(fl.scan(root), validation=0.5, seed=3)
    source = root / f"source.{kind}"
    if kind == "csv":  # which names other classes than the folders do
        rows = (f"{key},{'xy'[number % 2]}\n" for number, key in enumerate(table.keys))
        source.write_text("name,label\n" + "".join(rows))
    elif kind == "parquet":
        table.to_parquet(source)
    else:
        import shutil

        shutil.make_archive(str(tmp_path / "source"), "zip", root)
        source = tmp_path / "source.zip"
    run = climbed(source)
    assert run.fingerprint == own_images(run).pixels().table.fingerprint
    assert images_of(run, run["prior"])[1] == "validation"


def test_the_test_split_is_there_where_it_was_measured(tmp_path: Path) -> None:
    """A run on test is of train and test; the source has every split."""
    for split in ("train", "test"):
        gray_folder(tmp_path / split, count=20)
    images = own_images(climbed(tmp_path, split="test"))
    assert {"train", "test"} == set(images.table.counts()) == set(images.source.counts())
    other = own_images(climbed(tmp_path))
    assert {"train", "validation"} == set(other.table.counts())
    assert {"train", "validation", "test"} == set(other.source.counts())


def changed(root: Path, how: str) -> None:
    first = next(root.rglob("*.png"))
    if how == "gone":
        root.rename(root.with_name("elsewhere"))
    elif how == "fewer":
        first.unlink()
    elif how == "more":
        write_images(root, {"a/another.png": noise(6, 6)})
    elif how == "larger":
        first.write_bytes(first.read_bytes() + b"more")
    elif how == "empty":
        for path in root.rglob("*.png"):
            path.unlink()


@pytest.mark.parametrize("how", ["gone", "fewer", "more", "larger", "empty"])
def test_images_that_changed_are_refused_in_one_sentence(tmp_path: Path, how: str) -> None:
    """The sentence names the source; an export is checked with the run's samples, and says so."""
    root = gray_folder(tmp_path / "images", count=40)
    run = climbed(root, out=tmp_path / "run")
    changed(root, how)
    with pytest.raises(RunError, match=r"images.*climb again\.$"):
        own_images(run)
    found, of = images_of(run, run["prior"])
    assert of == "samples" and len(found)


def test_a_run_with_splits_of_its_own_is_refused(tmp_path: Path) -> None:
    """Splits that were made in Python cannot be made again from the folder."""
    table = fl.split(fl.scan(gray_folder(tmp_path, count=40)), validation=0.5)
    with pytest.raises(RunError, match="splits"):
        own_images(climbed(table))


def test_only_the_expected_error_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own does not pass as images that are gone."""
    from firstlight.models.exporting import parity

    def broken(*_: object) -> None:
        raise KeyError("a fault")

    run = climbed(gray_folder(tmp_path, count=40))
    monkeypatch.setattr(parity, "own_images", broken)
    with pytest.raises(KeyError, match="a fault"):
        images_of(run, run["prior"])
