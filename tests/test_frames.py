"""Lists that are in memory: DataFrames, Arrow tables, mappings, pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pytest
from PIL import Image

import firstlight as fl
from firstlight.data.scanning.frames import list_of_rows
from firstlight.data.sources import scan
from firstlight.errors import ArgumentError, DataError

KEYS = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
LABELS = ["cat", "cat", "dog", "dog"]


class Polars:
    """The part of a polars DataFrame that is used."""

    def __init__(self, columns: dict[str, list[str]]) -> None:
        self.columns = columns

    def get_columns(self) -> list[Any]:
        """The columns as Series."""
        return [type("Series", (), {"name": name, "to_list": lambda _, v=v: v})() for name, v in self.columns.items()]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of class folders in the working directory."""
    for key in KEYS:
        (tmp_path / "photos" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / key).write_bytes(key.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


MADE: dict[str, Callable[[list[str]], Any]] = {
    "pandas": lambda paths: pandas.DataFrame({"file": paths, "label": LABELS}),
    "pandas, shuffled": lambda paths: pandas.DataFrame({"file": paths, "label": LABELS}).iloc[::-1],
    "pandas, paths as index": lambda paths: pandas.DataFrame({"breed": LABELS}, index=paths),
    "pandas, category": lambda paths: pandas.DataFrame({"file": paths, "label": LABELS}).astype({"label": "category"}),
    "Series": lambda paths: pandas.Series(LABELS, index=paths),
    "polars": lambda paths: Polars({"age": ["1"] * 4, "file": paths, "label": LABELS}),
    "Arrow": lambda paths: pa.table({"file": paths, "label": LABELS}),
    "mapping": lambda paths: {"label": LABELS, "file": paths},
    "pairs": lambda paths: list(zip(paths, LABELS, strict=True)),
    "iterator": lambda paths: zip(map(Path, paths), LABELS, strict=True),
    "array": lambda paths: np.array([paths, LABELS]).T,
    "records": lambda paths: [{"path": path, "label": label} for path, label in zip(paths, LABELS, strict=True)],
}


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("absolute", [False, True])
def test_any_table_of_paths_and_labels_is_the_folder(photos: Path, kind: str, absolute: bool) -> None:
    """Relative to the working directory or absolute, the table is that of the folder which the images share."""
    paths = [str(photos / key) if absolute else f"photos/{key}" for key in KEYS]
    table, folder = scan(MADE[kind](paths)), scan(photos)
    assert (str(photos), folder.fingerprint, ()) == (table.root, table.fingerprint, table.notes)


def test_names_count_from_the_root_that_is_passed(photos: Path) -> None:
    """Ids without extension are found below it, as in a list."""
    table = scan(pandas.DataFrame({"image_id": [key[:-4] for key in KEYS], "dx": LABELS}), root=photos)
    assert (KEYS, LABELS) == (table.keys, [table.classes[label] for label in table.labels])


def test_a_parquet_file_of_another_program_is_a_list(photos: Path) -> None:
    """Its paths count from its folder, as those of a CSV."""
    frame = pandas.DataFrame({"file": [f"photos/{key}" for key in KEYS], "label": LABELS})
    frame.to_parquet("labels.parquet")
    assert (KEYS, ("cat", "dog")) == (
        [key.removeprefix("photos/") for key in scan("labels.parquet").keys],
        scan("labels.parquet").classes,
    )
    frame[["label"]].to_parquet("other.parquet")
    with pytest.raises(ArgumentError, match=r"other\.parquet"):
        scan("other.parquet")


def test_values_are_the_words_of_a_list(photos: Path) -> None:
    """A float that pandas made of an integer is the integer; missing values are no label; a day has no hours."""
    paths, days = [f"photos/{key}" for key in KEYS], pandas.to_datetime(["2019-01-01"] * 4)
    for labels, expected in (
        ([1.0, float("nan"), 0.0, None], ["1", "", "0", ""]),
        (pandas.array([1, pandas.NA, 0, 1], "Int64"), ["1", "", "0", "1"]),
        ([True, False, np.bool_(True), 2.5], ["True", "False", "True", "2.5"]),
        (days, ["2019-01-01"] * 4),
    ):
        frame = pandas.DataFrame(
            {"path": paths, "label": pandas.Series(labels, dtype=getattr(labels, "dtype", object))}
        )
        assert expected == list_of_rows(frame).labels.to_pylist()


def test_images_that_are_not_there_are_said(photos: Path) -> None:
    """Some missing are a note; all missing an error that says where they were looked for."""
    pairs = [(f"photos/{key}", label) for key, label in zip(KEYS, LABELS, strict=True)]
    table = scan([*pairs, ("photos/cat/9.png", "cat")])
    assert ["photos/cat/9.png" in note for note in table.notes] == [True]
    with pytest.raises(DataError, match=str(photos.parent)):
        scan([("nowhere/1.png", "cat"), ("nowhere/2.png", "dog")])


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (None, "NoneType"),
        (3, "int"),
        ([], "empty"),
        (["a.png"], "a.png"),
        ([("a.png", "cat"), ("b.png",)], "b.png"),
        ({"path": ["a.png"], "label": [["cat"]]}, "label"),
        ({"path": ["a.png"], "label": ["cat", "dog"]}, "1 and 2"),
        (pandas.DataFrame({"path": ["a.png"], "width": [1], "height": [2]}), "width and height"),
        (pandas.DataFrame({"a": [1], "b": [2]}), "a and b"),
    ],
)
def test_what_is_no_table_is_one_sentence(given: Any, value: str) -> None:
    """The sentence has the offending value or column."""
    with pytest.raises(ArgumentError, match=value) as caught:
        scan(given)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_climb_takes_a_frame(tmp_path: Path) -> None:
    """The rungs are fitted and measured on the images that a DataFrame names."""
    paths = [tmp_path / f"{name}{at}.png" for name in LABELS[1:3] for at in range(8)]
    for at, path in enumerate(paths):
        Image.fromarray(np.full((8, 8), at * 9, np.uint8)).save(path)
    frame = pandas.DataFrame({"path": paths, "label": [path.name[:3] for path in paths]})
    run = fl.climb(frame, rungs=["prior", "centroid-l2"])
    assert (("cat", "dog"), 16) == (run.classes, len(scan(frame)))
    assert ["prior", "centroid-l2"] == [rung.name for rung in run.rungs]
