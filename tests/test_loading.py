"""`Loading` and `Preprocessing`: what they refuse, their plain form, their way into a run and out of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import firstlight as fl
from firstlight.apps.cli import app
from firstlight.data.decoding.align import aligned
from firstlight.data.decoding.loading import Loading, Preprocessing
from firstlight.errors import ArgumentError
from firstlight.runs.records import record
from firstlight.runs.seal import plain as plain_values
from tables import gray_folder, noise, write_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty gray images of 12 x 12 px in two classes."""
    return gray_folder(tmp_path_factory.mktemp("photos"), count=60, side=12)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"size": size} for size in (0, 4097, -3, 2.5, True, "large", (4,), (4, 0), (4, 4, 4), None)),
        *({"color": "red"}, {"color": None}, {"resize": "shrink"}, {"align": "upright"}, {"allow_unreadable": 1}),
    ],
)
def test_a_wrong_value_is_refused_when_it_is_made(wrong: dict[str, Any], tmp_path: Path) -> None:
    """The sentence names the argument and the value; `load` and its keywords refuse the same."""
    ((name, value),) = wrong.items()
    with pytest.raises(ArgumentError) as caught:
        Loading(**wrong)
    assert f"{name}={value!r}" in str(caught.value)
    with pytest.raises(ArgumentError) as again:
        fl.load(fl.scan(gray_folder(tmp_path)), **wrong)
    assert str(caught.value) == str(again.value)


def test_one_number_is_a_square() -> None:
    """32 and (32, 32) are the same loading, and "auto" leaves the size open."""
    assert Loading(size=32) == Loading(size=(32, 32)) == Loading(size=[32, 32])
    assert (32, 32) == Loading(size=32).sides
    assert Loading().sides is None


@pytest.mark.parametrize(
    "loading",
    [
        Loading(),
        Loading(size=9, color="rgb"),
        Loading(size=(9, 4), resize="pad", align="mass", allow_unreadable=True),
    ],
)
def test_a_loading_comes_back_from_json(loading: Loading) -> None:
    """Every field."""
    values = json.loads(json.dumps(plain_values(loading)))
    assert loading == record(Loading, values, "here", "try again")


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"size": [2, 2], "color": "gray"},
        {"size": [2, 2], "color": "gray", "fit": "squish"},
        {"size": [2, 2], "color": "gray", "resize": "squish", "more": 1},
        {"size": "auto", "color": "gray", "resize": "squish"},
        {"size": [2, 2], "color": "auto", "resize": "squish"},
        {"size": [2, 2], "color": "blue", "resize": "squish"},
    ],
)
def test_a_preprocessing_that_is_not_whole_is_refused(plain: dict[str, Any]) -> None:
    """Nothing is guessed: a missing or unknown field, or one that leaves something open."""
    with pytest.raises(ValueError):
        Preprocessing.from_dict(plain)


def test_keywords_and_a_loading_are_the_same(tmp_path: Path) -> None:
    """Size, color, resize and align by name or in one value; not both."""
    table = fl.scan(gray_folder(tmp_path, side=12))
    by_name = fl.load(table, size=(6, 9), color="rgb", resize="pad", align="box")
    loading = Loading(size=(6, 9), color="rgb", resize="pad", align="box")
    np.testing.assert_array_equal(by_name.values, fl.load(table, loading=loading).values)
    assert loading == by_name.loading
    assert Preprocessing((6, 9), "rgb", "pad", "box") == by_name.preprocessing
    with pytest.raises(ArgumentError, match="size"):
        fl.load(table, loading=loading, size=3)


@pytest.mark.parametrize("cache", [True, False])
def test_align_comes_after_the_size(tmp_path: Path, cache: bool) -> None:
    """What is aligned is the image in its size, whether it comes from the cache or not."""
    table = fl.scan(gray_folder(tmp_path, side=12))
    plain = fl.load(table, size=9, cache=cache)
    for _ in range(2):
        found = fl.load(table, size=9, align="mass", cache=cache)
        np.testing.assert_array_equal(aligned(plain.values, "mass"), found.values)


def test_a_loaded_image_and_a_new_one_have_the_same_shape(tmp_path: Path) -> None:
    """`Preprocessing.shaped` gives of one image what `load` gives of many."""
    images = {f"a/{i}.png": noise(20 + i, 40) for i in range(3)}
    pixels = fl.load(fl.scan(write_images(tmp_path, images)), size=16, color="rgb", resize="crop")
    how = pixels.preprocessing
    assert pixels.values.shape[1:] == how.shape
    for image, found in zip(images.values(), pixels.values, strict=True):
        np.testing.assert_array_equal(how.shaped(image[:, :, None]), found)


@pytest.mark.slow
def test_a_climb_from_python_loads_as_the_command_line_does(photos: Path, tmp_path: Path) -> None:
    """`loading=` and the options of the command line give the same numbers and models, and the run folder says both."""
    loading = Loading(size=6, color="rgb", resize="crop", align="mass", allow_unreadable=True)
    ours = fl.climb(photos, rungs=["prior", "centroid-l2"], loading=loading)
    options = ["--size", "6", "--color", "rgb", "--resize", "crop", "--align", "mass", "--allow-unreadable"]
    typed = ["climb", str(photos), "--rungs", "prior,centroid-l2", *options, "--out", str(tmp_path / "run"), "--quiet"]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.output
    theirs = fl.read_run(tmp_path / "run")
    assert ours.fingerprint == theirs.fingerprint
    for one, other in zip(ours, theirs, strict=True):
        assert one.metrics.correct == other.metrics.correct
        np.testing.assert_array_equal(one.predictions.scores, other.predictions.scores)
        for name, values in one.model.tensors.items():
            np.testing.assert_array_equal(values, other.model.tensors[name])
    assert loading == theirs.request.loading
    assert (6, 6, 3) == tuple(theirs["centroid-l2"].model.config["shape"])


def test_pixels_are_not_loaded_twice(photos: Path) -> None:
    """A loading with pixels is refused, since it could not be followed."""
    with pytest.raises(ArgumentError, match="loaded already"):
        fl.climb(fl.load(fl.scan(photos)), loading=Loading(size=3))


def test_a_climb_scans_and_arranges_once(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the command line too."""
    from firstlight.data import arrange, given

    calls: list[str] = []

    def counted(room: ModuleType, name: str) -> Callable[..., Any]:
        whole = getattr(room, name)

        def call(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return whole(*args, **options)

        return call

    for room, name in ((given, "scan"), (arrange, "arrange")):
        monkeypatch.setattr(room, name, counted(room, name))
    typed = ["climb", str(photos), "--rungs", "prior", "--out", str(tmp_path / "run"), "--quiet"]
    assert CliRunner().invoke(app, typed).exit_code == 0
    assert ["scan", "arrange"] == calls


def test_a_run_of_a_list_names_the_list(tmp_path: Path) -> None:
    """What was scanned is in the run, and not the folder that the list is in."""
    root = gray_folder(tmp_path / "images", count=12)
    (root / "labels.csv").write_text("name,label\n" + "".join(f"{key},{key[0]}\n" for key in fl.scan(root).keys))
    run = fl.climb(root / "labels.csv", rungs=["prior"])
    assert str(root / "labels.csv") == run.request.data
