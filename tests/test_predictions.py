"""`Predictions`: what it refuses, what it derives, and that a file gives back what was written."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from scipy.special import log_softmax, softmax

from firstlight.errors import ArgumentError, MissingExtraError, RunError
from firstlight.evaluation.predictions import Predictions

SCORES = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 3.0], [1.0, 1.0, 1.0], [-5.0, -1.0, -9.0]])


def made(**changes: Any) -> Predictions:
    """Four images of three classes; the second and the third are ties."""
    parts: dict[str, Any] = {
        "name": "ink",
        "keys": ("a.png", "b/ä ö.png", "c.png", "d.png"),
        "classes": ("3", "7", "ü"),
        "labels": np.array([0, 2, -1, 1], np.int32),
        "scores": SCORES,
        "temperature": 0.5,
        "split": "validation",
        "unreadable": 2,
        "calibrated_here": True,
    }
    return Predictions(**parts | changes)


def everything(seen: Predictions) -> list[Any]:
    """All that is in predictions, as values that can be compared."""
    about = [seen.name, seen.classes, seen.temperature, seen.split, seen.unreadable, seen.calibrated_here]
    return [*about, seen.keys.to_pylist(), seen.labels.tolist(), seen.scores.tobytes(), seen.scores.shape]


def test_the_highest_score_is_predicted_and_of_equal_ones_the_first() -> None:
    """Ties go to the class that comes first."""
    assert [0, 1, 0, 1] == made().predicted.tolist()
    assert np.int32 == made().predicted.dtype


def test_an_image_without_a_known_class_is_neither_right_nor_wrong() -> None:
    """The tie of the second image is lost, the third has no label and is masked."""
    assert [True, False, None, True] == made().correct.tolist()
    assert 2 / 3 == made().correct.mean()


@pytest.mark.parametrize("temperature", [1e-3, 0.5, 1.0, 40.0])
def test_probabilities_are_the_softmax_of_the_scores(temperature: float) -> None:
    """They equal SciPy's softmax of scores / temperature."""
    seen = made(temperature=temperature)
    np.testing.assert_allclose(softmax(SCORES / temperature, axis=1), seen.probabilities, atol=1e-15)
    np.testing.assert_allclose(log_softmax(SCORES / temperature, axis=1), seen.log_probabilities, rtol=1e-12)


def test_large_scores_do_not_overflow() -> None:
    """Scores of a million give the probabilities that their differences give."""
    shifted = made(scores=SCORES + 1e6)
    np.testing.assert_allclose(made().probabilities, shifted.probabilities, rtol=1e-9)


def test_rows_are_selected_by_booleans_and_by_numbers() -> None:
    """Both give the rows in the order asked, with what belongs to them."""
    kept = made().select(np.array([True, False, False, True]))
    turned = made().select(np.array([3, 0]))
    assert (["a.png", "d.png"], [0, 1]) == (kept.keys.to_pylist(), kept.labels.tolist())
    assert (["d.png", "a.png"], [1, 0]) == (turned.keys.to_pylist(), turned.predicted.tolist())
    assert (2, "validation", 2) == (len(kept), kept.split, kept.unreadable)


def test_keys_may_come_as_arrow_columns() -> None:
    """The column of a table serves as it is, so that a million keys need no Python strings."""
    column = pa.chunked_array([["a.png", "b/ä ö.png"], ["c.png", "d.png"]])
    assert everything(made()) == everything(made(keys=column))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scores": SCORES[:3]}, r"scores \(3, 3\)"),
        ({"scores": SCORES[:, :2]}, r"scores \(4, 2\)"),
        ({"labels": np.array([0, 1])}, r"labels \(2,\)"),
        ({"scores": np.where(SCORES == 2, np.nan, SCORES)}, "not finite"),
        ({"scores": np.where(SCORES == 2, -np.inf, SCORES)}, "not finite"),
        ({"labels": np.array([0, 1, 2, 3])}, r"-1\.\.2"),
        ({"labels": np.array([0, 1, 2, -2])}, r"-1\.\.2"),
        ({"temperature": 0.0}, r"temperature .*0\.0"),
        ({"temperature": float("nan")}, "temperature .*nan"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], said: str) -> None:
    """Wrong shapes, scores that are not finite, labels out of range and odd temperatures are told."""
    with pytest.raises(ArgumentError, match=said):
        made(**changes)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    """Every part is equal after a round trip, the scores to the last bit."""
    made().to_parquet(tmp_path / "new" / "seen.parquet")
    assert everything(made()) == everything(Predictions.from_parquet(tmp_path / "new" / "seen.parquet"))


def test_a_file_without_rows_gives_back_none(tmp_path: Path) -> None:
    """No image is a file too, with its classes and name."""
    none = made().select(np.zeros(4, bool))
    none.to_parquet(tmp_path / "seen.parquet")
    assert everything(none) == everything(Predictions.from_parquet(tmp_path / "seen.parquet"))


def test_other_readers_find_names_and_not_numbers(tmp_path: Path) -> None:
    """The columns label and predicted hold class names, null where the class is not known."""
    made().to_parquet(tmp_path / "seen.parquet")
    rows = parquet.ParquetFile(tmp_path / "seen.parquet").read().to_pydict()
    assert ["3", "ü", None, "7"] == rows["label"]
    assert ["3", "7", "3", "7"] == rows["predicted"]
    assert SCORES.tolist() == rows["scores"]


def changed(path: Path, *, about: dict[str, Any] | None = None, **columns: pa.Array) -> Path:
    """A file of predictions with some columns or some of its description replaced, as a forger would."""
    made().to_parquet(path)
    rows = parquet.ParquetFile(path).read()
    metadata = dict(rows.schema.metadata)
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    name = b"firstlight.predictions"
    metadata[name] = json.dumps(json.loads(metadata[name]) | (about or {})).encode()
    parquet.write_table(rows.replace_schema_metadata(metadata), path)
    return path


NOT_NUMBERS = pa.FixedSizeListArray.from_arrays(np.full(12, np.nan), 3)


@pytest.mark.parametrize(
    ("about", "columns"),
    [
        ({"temperature": "cold"}, {}),
        ({"temperature": -1}, {}),
        ({"classes": ["3", "7"]}, {}),
        ({"classes": ["3", "7", "8"]}, {}),
        ({"unreadable": None}, {}),
        ({}, {"scores": NOT_NUMBERS}),
        ({}, {"scores": pa.array([1.0, 2.0, 3.0, 4.0])}),
        ({}, {"label": pa.array(["3", "7", "9", None])}),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, about: dict[str, Any], columns: dict[str, pa.Array]) -> None:
    """Descriptions and columns that do not fit together are told in a sentence that names the file."""
    path = changed(tmp_path / "seen.parquet", about=about, **columns)
    with pytest.raises(RunError, match=r"seen\.parquet"):
        Predictions.from_parquet(path)


@pytest.mark.parametrize("column", ["key", "label", "scores"])
def test_a_file_without_a_column_is_refused(tmp_path: Path, column: str) -> None:
    """Each column that is read back has to be there."""
    made().to_parquet(tmp_path / "seen.parquet")
    rows = parquet.ParquetFile(tmp_path / "seen.parquet").read()
    parquet.write_table(rows.drop_columns([column]), tmp_path / "seen.parquet")
    with pytest.raises(RunError, match="does not hold"):
        Predictions.from_parquet(tmp_path / "seen.parquet")


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    """Whatever is left of the file, and no file at all, is told and never read as fewer rows."""
    made().to_parquet(tmp_path / "seen.parquet")
    data = (tmp_path / "seen.parquet").read_bytes()
    for length in [0, 1, 8, len(data) // 2, len(data) - 5, len(data) - 1]:
        (tmp_path / "cut.parquet").write_bytes(data[:length])
        with pytest.raises(RunError, match="does not hold"):
            Predictions.from_parquet(tmp_path / "cut.parquet")
    with pytest.raises(RunError, match="does not hold"):
        Predictions.from_parquet(tmp_path / "nowhere.parquet")


def test_a_full_disk_leaves_what_stood_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails is told in one sentence, and the older file is still whole."""
    path = tmp_path / "seen.parquet"
    made().to_parquet(path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    with pytest.raises(RunError, match="disk"):
        made(name="other").to_parquet(path)
    assert [path] == list(tmp_path.iterdir())
    assert "ink" == Predictions.from_parquet(path).name


def test_the_frame_has_a_row_an_image() -> None:
    """Key, names of both classes, the probability of the predicted one, and whether it is right."""
    frame = made().frame()
    assert ["key", "label", "predicted", "probability", "correct"] == list(frame.columns)
    assert ["3", "7", "3", "7"] == frame["predicted"].tolist()
    assert [True, False, None, True] == frame["correct"].astype(object).where(frame["correct"].notna(), None).tolist()
    expected = softmax(SCORES / 0.5, axis=1).max(axis=1)
    np.testing.assert_allclose(expected, frame["probability"], rtol=1e-12)
    assert [False, False, True, False] == frame["label"].isna().tolist()


def test_a_frame_without_pandas_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the command to type."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[pandas\]"'):
        made().frame()


def test_predictions_print_short() -> None:
    """However many images and classes, they print as one line of less than 100 characters."""
    text = repr(
        Predictions("cnn", [str(i) for i in range(999)], [str(i) for i in range(999)], np.zeros(999, int), np.eye(999))
    )
    assert "cnn" in text
    assert len(text) < 100
    assert "\n" not in text
