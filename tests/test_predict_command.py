"""`firstlight predict`: what may be named, what is printed and written, and that stopped is not lost."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image
from pytest import approx
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

import firstlight as fl
from command import firstlight, refused
from firstlight.apps import predicting
from firstlight.apps.predicted import parts
from firstlight.apps.predicting import Wanted, show_predictions
from firstlight.data.fetching.catalog import write_digits
from firstlight.errors import ArgumentError, DataError, FirstlightError, RunError
from firstlight.reporting.reproducing import reproducing
from tables import noise, write_images

pytestmark = pytest.mark.slow

NUMBERS = itertools.count()
RUNGS = ("centroid-l2", "linear", "mlp", "cnn")
OUTSIDE = "out-of-distribution"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("home") / "digits")


@pytest.fixture(scope="module")
def run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the rungs that need no training."""
    out = tmp_path_factory.mktemp("home") / "run"
    fl.climb(str(digits), rungs=["prior", "ink", "centroid"], out=out)
    return out


@pytest.fixture(scope="module")
def trained(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the networks too."""
    out = tmp_path_factory.mktemp("home") / "trained"
    fl.climb(str(digits), rungs=["centroid-l2", "linear", "mlp", "cnn"], effort="quick", out=out)
    return out


def rows(run: Path, *paths: Path | str, **options: Any) -> list[dict[str, Any]]:
    """The rows that are written for some paths, as a program reads them."""
    out = Path(run).parent / f"{next(NUMBERS)}.jsonl"
    options = {"quiet": True, "rung": None if run.suffix else "centroid-l2"} | options
    show_predictions(run, [str(path) for path in paths], Wanted(out=out, **options))
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def names(found: list[dict[str, Any]]) -> list[str]:
    return [row["path"] for row in found]


@pytest.fixture
def photos(digits: Path, tmp_path: Path) -> Path:
    """Six digits: 0, 1 and 2 twice each."""
    for name in ("0/0000.png", "0/0010.png", "1/0001.png", "1/0011.png", "2/0012.png", "2/0022.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(digits / name, tmp_path / "photos" / name)
    return tmp_path / "photos"


KEYS = ["0/0000.png", "0/0010.png", "1/0001.png", "1/0011.png", "2/0012.png", "2/0022.png"]


# The same answers as the run's own


@pytest.mark.parametrize("rung", ["prior", "ink", "centroid-l1", "centroid-l2", "centroid-cosine"])
def test_the_answers_are_those_that_the_run_kept(run: Path, digits: Path, rung: str) -> None:
    """Of every validation image: the class, all probabilities, the distance to the nearest ideal image."""
    held(run, digits, rung)


def test_framed_images_are_framed_once(digits: Path, tmp_path: Path) -> None:
    """The frame belongs to the model, so that the command applies it too."""
    pixels = fl.load(fl.split(fl.scan(digits), validation=0.2), align="deskew")
    fl.climb(pixels, rungs=["centroid-l2"], out=tmp_path / "run")
    held(tmp_path / "run", digits, "centroid-l2")


@pytest.mark.parametrize("rung", RUNGS[1:])
def test_the_answers_of_networks_are_those_that_the_run_kept(trained: Path, digits: Path, rung: str) -> None:
    """As for the others, though ONNX Runtime computes what torch did."""
    held(trained, digits, rung)


def held(run: Path, digits: Path, rung: str) -> None:
    kept = fl.read_run(run)[rung].predictions
    out = run.parent / f"{rung}.parquet"
    show_predictions(run, [str(digits)], Wanted(rung, out=out, probabilities=True, quiet=True))
    seen = pyarrow.parquet.read_table(out).to_pydict()
    where = {path.removeprefix(f"{digits}/"): row for row, path in enumerate(seen["path"])}
    places = [where[key] for key in kept.keys.to_pylist()]
    assert [kept.classes[label] for label in kept.predicted] == [seen["label"][at] for at in places]
    actual = np.array([seen[f"probability/{name}"] for name in kept.classes]).T[places]  # (N, K)
    np.testing.assert_allclose(actual, kept.probabilities, atol=1e-5)
    np.testing.assert_allclose([seen["probability"][at] for at in places], kept.probabilities.max(axis=1), atol=1e-5)
    if rung.startswith("centroid"):
        actual = np.array([seen[f"distance/{name}"] for name in kept.classes]).T[places]
        np.testing.assert_allclose(actual, -kept.scores, rtol=1e-5)
        np.testing.assert_allclose([seen["distance"][at] for at in places], -kept.scores.max(axis=1), rtol=1e-5)


# What may be named


def test_files_folders_and_archives_give_the_same_rows(run: Path, photos: Path, tmp_path: Path) -> None:
    """Only the paths differ, and stand for where an image lies."""
    shutil.make_archive(str(tmp_path / "packed"), "zip", photos)
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as tar:
        tar.add(photos, ".")
    fl.scan(photos).to_parquet(tmp_path / "saved.parquet")
    (photos / "list.csv").write_text("name,label\n" + "".join(f"{key},{key[0]}\n" for key in KEYS))
    expected = rows(run, *(photos / key for key in KEYS))
    assert [str(photos / key) for key in KEYS] == names(expected)
    assert list("001122") == [row["label"] for row in expected]
    for named in (photos, tmp_path / "packed.zip", tmp_path / "packed.tgz", tmp_path / "saved.parquet"):
        found = rows(run, named)
        prefix = photos if named.suffix == ".parquet" else named
        assert [f"{prefix}/{key}" for key in KEYS] == names(found)
        assert [plain(row) for row in expected] == [plain(row) for row in found]
        assert list("001122") == [row["truth"] for row in found]
    assert [plain(row) for row in expected] == [plain(row) for row in rows(run, photos / "list.csv")]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("path", "truth")}


def test_paths_are_answered_in_the_order_of_their_naming(run: Path, photos: Path) -> None:
    """A folder between two files keeps its place."""
    found = rows(run, photos / KEYS[5], photos / "1", photos / KEYS[0])
    assert [str(photos / key) for key in (KEYS[5], KEYS[2], KEYS[3], KEYS[0])] == names(found)


def test_an_image_next_to_the_class_folders_has_its_row(run: Path, photos: Path, tmp_path: Path) -> None:
    """What has no class can be predicted all the same, in a folder and in a zip."""
    shutil.copy(photos / KEYS[2], photos / "new.png")
    shutil.make_archive(str(tmp_path / "packed"), "zip", photos)
    for named in (photos, tmp_path / "packed.zip"):
        found = rows(run, named)
        assert [f"{named}/{key}" for key in [*KEYS, "new.png"]] == names(found)
        assert ("1", None) == (found[-1]["label"], found[-1]["truth"])


def test_a_file_is_taken_for_an_image_whatever_its_name(run: Path, photos: Path, tmp_path: Path) -> None:
    """Its first bytes decide."""
    shutil.copy(photos / KEYS[0], tmp_path / "upload")
    assert ["0"] == [row["label"] for row in rows(run, tmp_path / "upload")]


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be there")
def test_unusual_names_come_out_as_they_are(run: Path, photos: Path, tmp_path: Path, capsys: Any) -> None:
    """In every form of output; on the screen nothing in a name moves the cursor."""
    odd = ["two words.png", "ü 図.png", "-rf.png", 'a"b,c;d.png', "a\nb.png", "a\x1b[2J.png", "c:d\\e..f.png", "#%.png"]
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in odd:
        shutil.copy(photos / KEYS[0], folder / name)
    expected = sorted((f"{folder}/{name}" for name in odd), key=str.encode)
    for named in ([folder], [f"{folder}/../odd/./{name}" for name in odd], [folder / name for name in odd]):
        found = rows(run, *named)
        assert ["0"] * len(odd) == [row["label"] for row in found]
        if named == [folder]:
            assert expected == names(found)
        else:
            assert list(map(str, named)) == names(found)
    for ending, read in ((".csv", csv_paths), (".parquet", pyarrow.parquet.read_table)):
        show_predictions(run, [str(folder)], Wanted("ink", out=tmp_path / f"odd{ending}", quiet=True))
        assert expected == read(tmp_path / f"odd{ending}")["path"].to_pylist()
    show_predictions(run, [str(folder)], Wanted("ink", quiet=True))
    said = capsys.readouterr().out
    assert "\x1b" not in said and "a\\x1b[2J.png" in said and 1 + len(odd) == len(said.splitlines())


def csv_paths(path: Path) -> Any:
    return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file's name is always text")
def test_a_name_that_is_no_text_has_a_row_that_says_so(run: Path, photos: Path, tmp_path: Path) -> None:
    """The name is shown as its bytes."""
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    shutil.copy(photos / KEYS[0], name)
    (row,) = rows(run, name)
    assert (f"{tmp_path}/\\udcff.png", None) == (row["path"], row["label"])
    assert "UTF-8" in row["problem"]


def test_an_exported_file_answers_as_its_run(run: Path, photos: Path, tmp_path: Path) -> None:
    """A run is not needed any more."""
    pytest.importorskip("onnxruntime")
    fl.export(run, tmp_path / "model.onnx", rung="centroid-l2")
    expected, actual = rows(run, photos), rows(tmp_path / "model.onnx", photos)
    assert [row["label"] for row in expected] == [row["label"] for row in actual]
    np.testing.assert_allclose(
        [row["probability"] for row in actual], [row["probability"] for row in expected], atol=1e-5
    )
    with pytest.raises(ArgumentError, match="--rung ink"):
        rows(tmp_path / "model.onnx", photos, rung="ink")


class Standard:
    """Standard input that holds some bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def test_an_image_comes_through_standard_input(run: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called as it was named; what is no image has its reason."""
    for data, label, problem in (
        ((photos / KEYS[2]).read_bytes(), "1", None),
        (b"<!doctype html>", None, "not an image (text)"),
        (b"", None, "empty file (0 bytes)"),
    ):
        monkeypatch.setattr(sys, "stdin", Standard(data))
        (row,) = rows(run, "-")
        assert ("-", label, problem) == (row["path"], row["label"], row["problem"])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"], ids=["lines", "dos", "nul"])
def test_a_list_comes_through_standard_input(
    run: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    """Files, folders, and what is not there, which has a row; the last end may be missing."""
    named = [str(photos / KEYS[5]), str(photos / "1"), str(photos / "gone.png"), str(photos / "gone.tar")]
    monkeypatch.setattr(sys, "stdin", Standard(end.join(name.encode() for name in named)))
    found = rows(run, photos / KEYS[0], "-", listed=True)
    paths = [photos / KEYS[0], photos / KEYS[5], photos / KEYS[2], photos / KEYS[3], *map(Path, named[2:])]
    assert list(map(str, paths)) == names(found)
    assert ["0", "2", "1", "1", None, None] == [row["label"] for row in found]
    assert [None] * 4 + ["no longer there"] * 2 == [row["problem"] for row in found]


def test_a_split_is_chosen_where_folders_name_one(run: Path, digits: Path, tmp_path: Path) -> None:
    """Files that were named themselves belong to none."""
    for split in ("train", "valid"):
        for name in ("0/0000.png", "1/0001.png"):
            (tmp_path / "data" / split / name).parent.mkdir(parents=True)
            shutil.copy(digits / name, tmp_path / "data" / split / name)
    found = rows(run, tmp_path / "data", digits / "0" / "0010.png", split="validation")
    assert [f"{tmp_path}/data/valid/{key}" for key in ("0/0000.png", "1/0001.png")] == names(found)
    with pytest.raises(DataError, match="test"):
        rows(run, tmp_path / "data", split="test")


# What is said of an image


@pytest.mark.parametrize("own", [True, False], ids=["own splits", "classes in names"])
def test_the_command_for_test_images_that_a_run_lacks_works(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """Prediction of the missing split names it, and after it there is one of the same classes."""
    root = tmp_path / "my photos"
    for number, path in enumerate(sorted(digits.rglob("*.png"))[::4]):
        folder = f"{'val' if number % 5 == 0 else 'train'}/{path.parent.name}/" if own else ""
        copy = root / f"{folder}{path.parent.name}_{path.name}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    monkeypatch.chdir(tmp_path)
    table = fl.scan(root, label_from=None if own else r"(\d)_")
    run = fl.climb(table, rungs=["prior", "ink"], out=tmp_path / "run")
    assert run.test_hint is not None and 0 == run.test_images
    with pytest.raises(DataError, match=re.escape(run.test_hint.command)):
        show_predictions(tmp_path / "run", (), Wanted(split="test"))
    _, command, *words, out = shlex.split(run.test_hint.command)
    assert 0 == firstlight(command, *words, out, folder=tmp_path).returncode
    again = fl.climb(out, rungs=["prior", "ink"])
    assert again.classes == run.classes and again.test_images > 30


def test_a_table_in_memory_has_its_test_images_from_python(digits: Path) -> None:
    """No command line reads it, so neither the hint nor the line that repeats a climb is one."""
    pairs = [(str(path), path.parent.name) for path in sorted(digits.rglob("*.png"))[::40]]
    run = fl.climb(fl.scan(pairs), rungs=["prior", "ink"])
    assert run.test_hint is not None and "fl.climb(fl.split(table, test=0.2))" == run.test_hint.command
    assert reproducing(run.request).startswith("fl.climb(table, ")


def test_the_test_split_of_a_run_is_measured_without_its_folder_and_counted(
    digits: Path, tmp_path: Path, capsys: Any
) -> None:
    """The command that the run names: SciPy's interval, scikit-learn's balanced accuracy, and how often it was read."""
    for number, path in enumerate(sorted(digits.rglob("*.png"))[::4]):
        copy = tmp_path / "some" / ("test" if number % 4 == 0 else "train") / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    run = fl.climb(tmp_path / "some", rungs=["prior", "centroid-l2"], out=tmp_path / "run")
    assert run.test_hint is not None and run.test_images == 113 == run.to_dict()["test_images"]
    assert f"firstlight predict {tmp_path / 'run'} --split test" == run.test_hint.command
    for times in (1, 2):
        out = tmp_path / "test.csv"
        show_predictions(tmp_path / "run", (), Wanted(split="test", out=out, as_json=True))
        printed = capsys.readouterr()
        found, rows = json.loads(printed.out), pyarrow.csv.read_csv(out).to_pydict()
        truth, labels = np.array(rows["truth"]), np.array(rows["label"])
        assert (113, times) == (len(truth), found["test_readings"]) and "/test/" in rows["path"][0]
        right = int((truth == labels).sum())
        interval = binomtest(right, 113).proportion_ci(method="wilson")
        measured = found["measured"]
        assert (right / 113, [interval.low, interval.high]) == (measured["accuracy"], approx(measured["interval"]))
        assert approx(measured["balanced_accuracy"]) == balanced_accuracy_score(truth, labels)
        assert f"accuracy {right / 113:.3f}" in printed.err and f"{times} time" in printed.err
    assert 2 == fl.read_run(tmp_path / "run").test_readings
    for part, own in (("", True), ("train", True), ("test", False)):
        show_predictions(tmp_path / "run", [str(tmp_path / "some" / part)], Wanted(out=tmp_path / f"of {part}.csv"))
        assert own == ("was fitted on or chosen by" in capsys.readouterr().err)


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(split="test")])
def test_without_images_a_run_and_a_split_are_needed(run: Path, tmp_path: Path, wanted: Wanted) -> None:
    """Nothing was named, or the run has no test images."""
    with pytest.raises((ArgumentError, DataError), match=r"pass|set no test images aside"):
        show_predictions(run, (), wanted)


def test_a_table_below_a_file_is_refused_as_such(run: Path, digits: Path, tmp_path: Path) -> None:
    """Where a folder is needed and a file is, the sentence says so, and names no unfinished prediction."""
    (tmp_path / "notes").touch()
    with pytest.raises(FirstlightError, match="could not be written"):
        show_predictions(run, (str(digits / "3" / "0003.png"),), Wanted(out=tmp_path / "notes" / "a.csv"))


def test_top_names_the_most_probable_classes(run: Path, digits: Path) -> None:
    """In descending order, the label first; no more than there are."""
    for row in rows(run, digits / "3", top=3, probabilities=True):
        shares = row["probabilities"]
        assert list("0123456789") == list(shares)
        assert abs(sum(shares.values()) - 1) < 1e-5
        ordered = sorted(shares.items(), key=lambda item: -item[1])[:3]
        assert [{"label": name, "probability": share} for name, share in ordered] == row["top"]
        assert (row["label"], row["probability"]) == ordered[0]
        assert row["distance"] == min(row["distances"].values()) == row["distances"][row["label"]]
    (row,) = rows(run, digits / "3" / "0003.png", top=99, rung="ink")
    assert 10 == len(row["top"]) and "distance" not in row


def test_what_validation_never_showed_is_out_of_distribution(run: Path, digits: Path, tmp_path: Path) -> None:
    """Of the digits nearly all are; a negative is not, nor is noise."""
    share = np.mean([row["in_distribution"] for row in rows(run, digits)])
    assert 0.97 < share < 1
    with Image.open(digits / "0" / "0000.png") as image:
        negative = 255 - np.asarray(image)
    folder = write_images(tmp_path / "odd", {"negative.png": negative, "noise.png": noise(40, 50)})
    assert [False, False] == [row["in_distribution"] for row in rows(run, folder)]


def test_an_unreadable_image_is_a_row_with_its_reason(run: Path, photos: Path, tmp_path: Path, capsys: Any) -> None:
    """It does not end the command, and a line counts it; the others stand where they stood."""
    (photos / KEYS[1]).write_text("<html>not found</html>")
    (photos / KEYS[3]).write_bytes((photos / KEYS[3]).read_bytes()[:50])
    (photos / KEYS[4]).write_bytes(b"")
    problems = [None, "not an image (text)", None, "truncated file", "empty file (0 bytes)", None]
    for ending in (".jsonl", ".csv", ".parquet"):
        out = tmp_path / f"seen{ending}"
        tally = show_predictions(run, [str(photos)], Wanted("centroid-l2", out=out, top=2, probabilities=True))
        assert (6, 3, 3) == (tally.images, tally.unreadable, tally.known)
        assert f"3 of 6 images cannot be read: {photos}/{KEYS[1]}: not an image (text); " in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    parquet = pyarrow.parquet.read_table(tmp_path / "seen.parquet").to_pylist()
    csv = pyarrow.csv.read_csv(
        tmp_path / "seen.csv",
        convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
    ).to_pylist()
    for found in (lines, parquet, csv):
        assert problems == [row["problem"] for row in found]
        assert [problem is not None for problem in problems] == [row["label"] is None for row in found]
        for row in found:
            if row["problem"] is not None:
                assert {"path", "truth", "problem"} == {name for name, value in row.items() if value is not None}
    assert list(parquet[0]) == list(csv[0])
    assert {"label_2", "probability_2", "distance", "in_distribution", "probability/7", "distance/7"} < set(parquet[0])


def test_only_unreadable_images_are_rows_too(run: Path, tmp_path: Path) -> None:
    """There is no answer to take the columns from."""
    folder = write_images(tmp_path / "bad", {f"{number}.png": b"x" * number for number in range(3)})
    assert 3 == sum(row["problem"] is not None for row in rows(run, folder, top=2, probabilities=True))


def test_a_measured_folder_says_its_accuracy(
    run: Path, digits: Path, photos: Path, tmp_path: Path, capsys: Any
) -> None:
    """Where folders name classes that the model knows; what it does not know is not counted."""
    labels = [row["label"] == row["truth"] for row in rows(run, digits)]
    tally = show_predictions(run, [str(digits)], Wanted("centroid-l2", out=tmp_path / "seen.csv"))
    assert (1797, sum(labels)) == (tally.known, tally.correct)
    assert f"centroid-l2: accuracy {sum(labels) / 1797:.3f} [" in capsys.readouterr().err
    (photos / "2").rename(photos / "horse")
    assert [*"0011", None, None] == [row["truth"] for row in rows(run, photos)]
    assert "truth" not in rows(run, photos / "0")[0]


# How it is printed


def test_the_table_has_a_line_for_each_image(
    run: Path, photos: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the names of the columns; out-of-distribution and unreadable images say so at the end."""
    (photos / KEYS[1]).write_text("text")
    Image.fromarray(noise(9, 9)).save(photos / KEYS[4])
    monkeypatch.chdir(photos.parent)
    show_predictions(run, ["photos"], Wanted("centroid-l2", top=2))
    said = capsys.readouterr()
    head, *lines = said.out.splitlines()
    assert ["path", "label", "probability", "label_2", "probability_2", "distance", "truth"] == head.split()
    assert [f"photos/{key}" for key in KEYS] == [line.split()[0] for line in lines]
    assert lines[1].endswith("cannot be read: not an image (text)")
    assert lines[4].endswith(OUTSIDE)
    assert ["0", "0"] == [lines[0].split()[at] for at in (1, -1)]
    assert {head.index("distance") + len("distance")} == {
        len(line[: head.index("truth")].rstrip()) for line in lines[2:4]
    }
    assert "1 of 6 images cannot be read" in said.err


def test_json_is_an_object_a_line(run: Path, photos: Path, capsys: Any) -> None:
    """Those that --out x.jsonl writes; with --out it is one document of what was counted."""
    show_predictions(run, [str(photos)], Wanted("centroid-l2", as_json=True, probabilities=True, quiet=True))
    lines = capsys.readouterr().out.splitlines()
    assert rows(run, photos, probabilities=True) == [json.loads(line) for line in lines]
    out = photos.parent / "seen.csv"
    show_predictions(run, [str(photos)], Wanted("centroid-l2", out=out, as_json=True, quiet=True))
    document = json.loads(capsys.readouterr().out)
    assert ("centroid-l2", str(out), 6, 0) == tuple(document[name] for name in ("rung", "out", "images", "unreadable"))
    assert (6, 1.0) == (document["measured"]["n"], document["measured"]["accuracy"])


# What is refused


def test_what_cannot_be_predicted_is_one_sentence(run: Path, photos: Path, tmp_path: Path) -> None:
    """It names what was passed and says what to do."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    (tmp_path / "cut.tgz").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04")
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    for path, wanted, words in (
        ("nowhere", Wanted(), "nowhere does not exist"),
        ("empty", Wanted(), "empty holds no images"),
        ("texts", Wanted(), "texts holds no images"),
        ("cut.tgz", Wanted(), "cut.tgz is damaged or was cut off"),
        ("cut.zip", Wanted(), "cut.zip is not a zip archive"),
        ("none.zip", Wanted(), "none.zip is empty"),
        ("photos", Wanted(out=tmp_path / "seen.xlsx"), "seen.xlsx must end in one of .parquet, .csv, .jsonl"),
        ("photos", Wanted(top=0), "--top is 0"),
        ("photos", Wanted(rung="cnn"), "has no rung 'cnn'"),
        ("photos", Wanted(listed=True), "pass -"),
    ):
        with pytest.raises(FirstlightError) as refusal:
            show_predictions(run, [str(tmp_path / path)], wanted)
        assert words in str(refusal.value)
        assert str(refusal.value).count("\n") == 0


# Stopped is not lost


def test_an_interrupted_command_goes_on_where_it_was(
    run: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered is not answered again, and the file is the one of an undisturbed command."""
    for ending in (".parquet", ".csv", ".jsonl"):
        wanted = Wanted("centroid-l2", out=tmp_path / f"seen{ending}", top=2, quiet=True)
        show_predictions(run, [str(digits)], wanted)
        expected = wanted.out.read_bytes() if wanted.out else b""
        (tmp_path / f"seen{ending}").unlink()
        answered: list[int] = []
        real = predicting.answered

        def stopping(*args: Any, skip: int) -> Iterator[Any]:
            for batch in real(*args, skip=skip):  # noqa: B023
                answered.append(len(batch.paths))  # noqa: B023
                yield batch
                if len(answered) == 3:  # noqa: B023
                    raise KeyboardInterrupt

        monkeypatch.setattr(predicting, "answered", stopping)
        with pytest.raises(KeyboardInterrupt):
            show_predictions(run, [str(digits)], wanted)
        assert not (tmp_path / f"seen{ending}").exists()
        assert sum(answered) == len(pyarrow.parquet.read_table(tmp_path / f"seen{ending}.parts"))
        show_predictions(run, [str(digits)], wanted)
        monkeypatch.setattr(predicting, "answered", real)
        assert 1797 == sum(answered)
        assert not (tmp_path / f"seen{ending}.parts").exists()
        if ending == ".parquet":
            undisturbed = pyarrow.parquet.read_table(io.BytesIO(expected))
            assert undisturbed.equals(pyarrow.parquet.read_table(tmp_path / f"seen{ending}"))
        else:
            assert expected == (tmp_path / f"seen{ending}").read_bytes()


@pytest.fixture
def begun(run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    """A prediction of ``photos`` that was stopped before its file was put together."""
    wanted = Wanted("centroid-l2", out=tmp_path / "seen.parquet", quiet=True)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            show_predictions(run, [str(photos)], wanted)
    return wanted


def test_another_model_other_options_or_images_do_not_go_on(
    run: Path, photos: Path, digits: Path, begun: Wanted, tmp_path: Path
) -> None:
    """The sentence says which of them; what was begun stays as it was."""
    before = sorted(path.name for path in (tmp_path / "seen.parquet.parts").iterdir())
    other = tmp_path / "other"
    fl.climb(str(digits), rungs=["centroid-l2"], seed=1, out=other)
    for model, wanted, named, what in (
        (run, Wanted("ink", out=begun.out), photos, "model"),
        (other, begun, photos, "model"),
        (run, Wanted("centroid-l2", out=begun.out, top=2), photos, "options"),
        (run, Wanted("centroid-l2", out=begun.out, probabilities=True), photos, "options"),
        (run, begun, photos / "1", "images"),
    ):
        with pytest.raises(RunError, match=rf"seen\.parquet\.parts .*{what}"):
            show_predictions(model, [str(named)], wanted)
    os.utime(photos / KEYS[0], ns=(1, 1))
    with pytest.raises(RunError, match="images"):
        show_predictions(run, [str(photos)], begun)
    assert before == sorted(path.name for path in (tmp_path / "seen.parquet.parts").iterdir())


def test_a_damaged_beginning_is_named(run: Path, photos: Path, begun: Wanted, tmp_path: Path) -> None:
    """A part that does not hold its rows, and a description that is none."""
    folder = tmp_path / "seen.parquet.parts"
    (part,) = folder.glob("*-*.parquet")
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=part.name):
        show_predictions(run, [str(photos)], begun)
    part.rename(folder / "000000000000-000000000005.parquet").write_bytes(whole)
    with pytest.raises(RunError, match=r"000000000000-000000000005\.parquet .*6"):
        show_predictions(run, [str(photos)], begun)
    (folder / "_about.json").write_text("{")
    with pytest.raises(RunError, match=r"seen\.parquet\.parts"):
        show_predictions(run, [str(photos)], begun)
    shutil.rmtree(folder)
    assert 6 == show_predictions(run, [str(photos)], begun).images


def test_a_file_that_is_there_is_replaced(run: Path, photos: Path, tmp_path: Path) -> None:
    """By a whole one, at once."""
    (tmp_path / "seen.csv").write_text("old")
    show_predictions(run, [str(photos)], Wanted("ink", out=tmp_path / "seen.csv", quiet=True))
    assert 7 == len((tmp_path / "seen.csv").read_text().splitlines())


# Whole processes


@pytest.mark.parametrize("rung", RUNGS)
def test_one_image_is_answered_without_torch_in_under_a_second(
    trained: Path, digits: Path, tmp_path: Path, rung: str
) -> None:
    """Of processor time, so that what else the machine does is not counted."""
    code = (
        "import sys; from firstlight.apps.cli import main\n"
        "try: main()\n"
        "except SystemExit as done: assert not done.code\n"
        "slow = ('torch', 'sklearn', 'scipy', 'pandas', 'numba', 'matplotlib', 'fastapi')\n"
        "sys.exit(', '.join(name for name in slow if name in sys.modules) or None)"
    )
    image = digits / "3" / "0003.png"
    seconds = []
    for _ in range(3):  # the first that is fast enough
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code, "predict", trained, image, "--rung", rung, "--json", "--quiet"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert (0, "") == (done.returncode, done.stderr)
        assert str(image) == json.loads(done.stdout)["path"]
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        if seconds[-1] < 1.0:
            break
    assert min(seconds) < 1.0


def test_the_command_says_what_a_person_needs(run: Path, photos: Path, tmp_path: Path) -> None:
    """Exit status 0 with unreadable images, 1 with a sentence; quiet says nothing; a reader may go early."""
    (photos / KEYS[1]).write_text("text")
    done = firstlight("predict", run, "photos", "--rung", "centroid-l2", folder=tmp_path)
    assert 0 == done.returncode
    assert "1 of 6 images cannot be read: photos/0/0010.png: not an image (text)\n" in done.stderr
    assert "photos/2/0022.png" == done.stdout.splitlines()[-1].split()[0]
    quiet = firstlight("predict", run, "photos", "--out", "seen.csv", "--quiet", folder=tmp_path)
    assert (0, "", "") == (quiet.returncode, quiet.stdout, quiet.stderr)
    refused(firstlight("predict", run, "nowhere", folder=tmp_path), "nowhere", "does not exist")
    data = (photos / KEYS[2]).read_bytes()
    command = [str(Path(sys.executable).with_name("firstlight")), "predict", str(run), "-", "--json", "--quiet"]
    piped = subprocess.run([*command, "--rung", "centroid-l2"], input=data, capture_output=True, check=True)
    assert ("-", "1") == tuple(json.loads(piped.stdout)[name] for name in ("path", "label"))
    listed = subprocess.run([*command, "--list"], input=b"photos/1\n", cwd=tmp_path, capture_output=True, check=True)
    assert 2 == len(listed.stdout.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_goes_away_ends_the_command_without_a_word(run: Path, digits: Path) -> None:
    """As of `firstlight predict ... | head`."""
    command = [str(Path(sys.executable).with_name("firstlight")), "predict", str(run), str(digits), "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b'{"path": ')
        process.stdout.close()
        assert b"" == process.stderr.read()


def repeated(root: Path, image: Path, count: int) -> Path:
    """A folder with one image under many names."""
    root.mkdir()
    data = image.read_bytes()
    for number in range(count):
        (root / f"{number:06}.png").write_bytes(data)
    return root


FEW_ROWS = "import firstlight.apps.predicted.parts as parts; parts.PART_ROWS = 500\n"
MAIN = "import sys; from firstlight.apps.cli import main; main()"


@pytest.mark.skipif(sys.platform == "win32", reason="processes end otherwise there")
def test_killed_at_any_moment_it_loses_no_row_and_repeats_none(run: Path, digits: Path, tmp_path: Path) -> None:
    """What was whole at one kill is there at the next, and the end is that of an undisturbed command."""
    root = repeated(tmp_path / "many", digits / "3" / "0003.png", 12_000)
    moments = np.random.default_rng(0)
    words = ["predict", str(run), str(root), "--rung", "centroid-l2", "--quiet", "--out"]
    command = [sys.executable, "-c", FEW_ROWS + MAIN, *words, "seen.parquet"]
    kept, kills = 0, 0
    parts = tmp_path / "seen.parquet.parts"
    for number in range(12):
        before = len(list(parts.glob("*-*.parquet")))
        with subprocess.Popen(command, cwd=tmp_path) as process:
            while number % 3 and process.poll() is None and len(list(parts.glob("*-*.parquet"))) == before:
                time.sleep(0.01)  # every third is killed whether it has kept anything or not
            time.sleep(moments.uniform(0, 0.6))
            process.kill()
        if (tmp_path / "seen.parquet").exists():  # it was done before it was killed
            break
        kills += 1
        last = max([0, *(int(p.stem.split("-")[1]) for p in (tmp_path / "seen.parquet.parts").glob("*-*.parquet"))])
        assert kept <= last <= 12_000
        kept = last
    assert kills and kept
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-c", MAIN, *words, "undisturbed.parquet"], cwd=tmp_path, check=True)
    seen = pyarrow.parquet.read_table(tmp_path / "seen.parquet")
    assert [f"{root}/{number:06}.png" for number in range(12_000)] == seen["path"].to_pylist()
    assert pyarrow.parquet.read_table(tmp_path / "undisturbed.parquet").equals(seen)
    assert not (tmp_path / "seen.parquet.parts").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_keeps_what_was_done(run: Path, digits: Path, tmp_path: Path) -> None:
    """Exit status 130 with the line that goes on."""
    root = repeated(tmp_path / "many", digits / "3" / "0003.png", 15_000)
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + FEW_ROWS + MAIN
    command = [sys.executable, "-c", code, "predict", str(run), str(root), "--rung", "centroid-l2", "--out", "seen.csv"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not list((tmp_path / "seen.csv.parts").glob("*-*.parquet")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert 130 == process.returncode, said
    assert "firstlight predict" in said
    rows = len(pyarrow.parquet.read_table(tmp_path / "seen.csv.parts"))
    assert 500 <= rows < 15_000
    subprocess.run(command, cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    assert 15_001 == len((tmp_path / "seen.csv").read_text().splitlines())


PEAK = (
    "import resource, subprocess, sys\n"
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"  # KiB on Linux
)


def peak(run: Path, root: Path, out: Path) -> float:
    """The most MiB that the command takes."""
    words = ["predict", run, root, "--rung", "centroid-l2", "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, sys.executable, "-c", MAIN, *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is told in other units")
def test_memory_does_not_grow_with_the_images(run: Path, digits: Path, tmp_path: Path) -> None:
    """40,000 take little more than 4,000: their names, sizes and times, and no row, file or pixel."""
    few, many = (repeated(tmp_path / f"{n}", digits / "3" / "0003.png", n) for n in (4_000, 40_000))
    least, most = peak(run, few, tmp_path / "few.parquet"), peak(run, many, tmp_path / "many.parquet")
    assert most < least + 60, (least, most)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is told in other units")
def test_memory_holds_few_photos_at_once(run: Path, tmp_path: Path) -> None:
    """Twenty photos of 12 megapixels are 0.7 GB of pixels, though their files are small."""
    Image.new("RGB", (4000, 3000), "gray").save(tmp_path / "photo.png")
    photos = repeated(tmp_path / "photos", tmp_path / "photo.png", 20)
    assert peak(run, photos, tmp_path / "photos.csv") < 600
