"""The run folder while it grows: readable at every moment, taken up by the same climb alone; epochs as CSV."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firstlight.errors import RunError
from firstlight.runs.folder import read_run
from firstlight.runs.growing import Numbered, add_rung, begin_run, end_run, load_checkpoint, save_checkpoint
from firstlight.runs.history import COLUMNS, Epoch, from_csv, to_csv
from firstlight.runs.request import Request
from firstlight.runs.results import Run
from firstlight.runs.tensors import SavedModel
from run_folders import everything, made

EPOCH = Epoch(
    epoch=1, epochs=2, train_loss=0.5, accuracy=0.1 + 0.2, interval=(0.25, 1 / 3), n=7, lr=1e-3, seconds=0.125
)


ADVICE = made().advice
assert ADVICE is not None


def begun() -> Run:
    return replace(made(), rungs=(), comparisons=(), advice=None)


def test_a_run_grows_rung_by_rung_and_can_be_read_in_between(tmp_path: Path) -> None:
    """The end is what would have been written at once."""
    whole = made()
    run = begin_run(begun(), tmp_path / "run")
    for number, rung in enumerate(whole):
        assert number == len(read_run(tmp_path / "run"))
        run = add_rung(run, rung)
        assert not read_run(tmp_path / "run").finished
    run = end_run(run, whole.comparisons, ADVICE)
    assert read_run(tmp_path / "run").finished
    assert everything(whole) == everything(read_run(tmp_path / "run")) == everything(run)


def test_the_same_climb_is_taken_up_and_another_is_refused(tmp_path: Path) -> None:
    """The sentence says what differs."""
    add_rung(begin_run(begun(), tmp_path / "run"), made()["prior"])
    assert ["prior"] == [rung.name for rung in begin_run(begun(), tmp_path / "run")]
    for change, said in (
        ({"seed": 8}, "other seed"),
        ({"request": Request(data="photos", rungs=("prior",))}, "other arguments"),
        ({"fingerprint": "ff00"}, "other images"),
        ({"versions": {"numpy": "0.1"}, "split": "test"}, "other versions and split"),
    ):
        with pytest.raises(RunError, match=f"run .*{said}"):
            begin_run(replace(begun(), **change), tmp_path / "run")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="file"):
        begin_run(begun(), tmp_path / "file")
    assert "mine" == (tmp_path / "file").read_text()


def test_numbered_folders_are_found_again_or_counted_on(tmp_path: Path) -> None:
    """The same climb has one folder; another gets the next; what is no run is left alone."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    first = begin_run(begun(), Numbered(tmp_path / "run"))
    other = begin_run(replace(begun(), seed=8), Numbered(tmp_path / "run"))
    assert [tmp_path / "run-2", tmp_path / "run-3"] == [first.path, other.path]
    assert first.path == begin_run(begun(), Numbered(tmp_path / "run")).path
    assert ["thesis.txt"] == [path.name for path in (tmp_path / "run").iterdir()]


def test_what_a_killed_writer_left_of_a_rung_is_written_over(tmp_path: Path) -> None:
    """Files of a rung that run.json does not name count for nothing."""
    run = begin_run(begun(), tmp_path / "run")
    home = tmp_path / "run" / "rungs" / "prior"
    home.mkdir(parents=True)
    for name in ("model.json", "predictions.parquet", "training-0.safetensors", ".model.json.0123abcd.part"):
        (home / name).write_bytes(b"cut off")
    assert 0 == len(read_run(tmp_path / "run"))
    add_rung(run, made()["prior"])
    assert np.array_equal(made()["prior"].predictions.scores, read_run(tmp_path / "run")["prior"].predictions.scores)
    assert not (home / "training-0.safetensors").exists()


def test_the_state_of_a_training_is_kept_whole_or_not(tmp_path: Path) -> None:
    """The last one is found; one that was cut off is none."""
    run = begin_run(begun(), tmp_path / "run")
    assert load_checkpoint(run, "cnn", 0) is None
    for step in (1, 2):
        state = SavedModel({"kind": "training", "step": step}, {"weights": np.full(5, step, np.float32)})
        save_checkpoint(run, "cnn", 0, state, [EPOCH])
    found = load_checkpoint(run, "cnn", 0)
    assert found is not None and 2 == found.config["step"]
    assert [2.0] * 5 == found.tensors["weights"].tolist()
    path = tmp_path / "run" / "rungs" / "cnn" / "training-0.safetensors"
    data = path.read_bytes()
    for damaged in (data[:-1], data[:50], data[:-3] + b"\x00\x00\x01", b"\xff" * 30):
        path.write_bytes(damaged)
        assert load_checkpoint(run, "cnn", 0) is None


def test_history_is_a_table_that_any_program_reads() -> None:
    """A line an epoch under a head; numbers come back to the last bit, and what is unknown is empty."""
    data = to_csv([EPOCH, replace(EPOCH, epoch=2)])
    rows = list(csv.reader(data.decode().splitlines()))
    assert list(COLUMNS) == rows[0]
    assert ["0", "1", "2", "0.5", "", "0.30000000000000004"] == rows[1][:6]
    assert (EPOCH, replace(EPOCH, epoch=2)) == from_csv(data, Path("history.csv"))


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"seed,epoch\n0,1\n", b"no table", to_csv([EPOCH]).replace(b"0.5", b"half")]
)
def test_a_damaged_history_is_reported(data: bytes) -> None:
    """With the name of the file; an empty one has no epochs."""
    if data == b"no table":
        assert () == from_csv(data, Path("history.csv"))
        return
    with pytest.raises(RunError, match=r"history\.csv"):
        from_csv(data, Path("history.csv"))


def test_a_folder_in_which_nothing_was_reached_takes_another_climb(tmp_path: Path) -> None:
    """What a climb left that failed in its first rung is no reason to refuse the corrected command."""
    begin_run(begun(), tmp_path / "run")
    other = replace(begun(), seed=8)
    assert 8 == begin_run(other, tmp_path / "run").seed == read_run(tmp_path / "run").seed
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="remove the folder"):
        begin_run(begun(), tmp_path / "run")
    assert "mine" == (tmp_path / "run" / "notes.txt").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="there a day decides")
def test_what_a_killed_climb_left_half_written_goes_when_it_is_taken_up(tmp_path: Path) -> None:
    """In the folder of the run and of each rung."""
    run = add_rung(begin_run(begun(), tmp_path / "run"), made()["prior"])
    for place in (tmp_path / "run", tmp_path / "run" / "rungs" / "prior"):
        (place / ".run.json.0123abcd.part").write_text("left")
    assert run.path == begin_run(begun(), tmp_path / "run").path
    assert [] == list((tmp_path / "run").rglob("*.part"))
