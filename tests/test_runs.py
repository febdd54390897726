"""The run folder: whole or not there, never overwritten, and every damage told instead of read."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firstlight.errors import ArgumentError, RunError
from firstlight.evaluation.advice import Advice
from firstlight.runs import folder as runs
from firstlight.runs import outputs
from firstlight.runs.folder import next_folder, read_run, write_run
from firstlight.runs.readings import count_test_reading
from firstlight.runs.results import Run
from run_folders import edit, everything, made, needs_links, sentence


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Predictions, models, metrics and decisions are equal after a round trip, floats to the last bit."""
    written = write_run(made(), tmp_path / "runs" / "photos")
    assert everything(written) == everything(read_run(tmp_path / "runs" / "photos"))
    assert tmp_path / "runs" / "photos" == written.path


def test_a_run_that_was_read_can_be_written_elsewhere(tmp_path: Path) -> None:
    """A copy through read and write holds the same."""
    write_run(made(), tmp_path / "a")
    write_run(read_run(tmp_path / "a"), tmp_path / "b")
    assert everything(read_run(tmp_path / "a")) == everything(read_run(tmp_path / "b"))


def test_the_folder_holds_these_files_and_no_others(tmp_path: Path) -> None:
    """The layout is part of what is promised, and nothing temporary stays beside it."""
    write_run(made(rungs=("prior",)), tmp_path / "run")
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    home = "run/rungs/prior"
    expected = [f"{home}/model.json", f"{home}/model.safetensors", f"{home}/predictions.parquet"]
    assert sorted([*expected, "run/run.json", "run/readings.json"]) == found


def test_the_document_is_strict_json_with_the_promised_keys() -> None:
    """What --json prints has the agreed keys, and an infinite log loss is null."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    document = json.loads(json.dumps(made().to_dict()), parse_constant=refuse)
    keys = ["classes", "split", "unreadable", "rungs", "comparisons", "advice", "test_readings", "test_images"]
    keys += ["test_command", "run"]
    assert keys == list(document)
    first, second = document["rungs"]
    expected = {
        **{"name": "prior", "split": "validation", "n": 12, "correct": 5, "accuracy": 5 / 12, "interval": [0.1, 0.7]},
        **{"balanced_accuracy": 0.4375, "log_loss": None, "calibration_error": 0.1, "majority_share": 8 / 12},
        **{
            "balanced_accuracy_interval": [0.2, 0.7],
            "log_loss_interval": None,
            "calibration_error_interval": [0.0, 0.3],
        },
        **{"unreadable": 2, "mistakes": [["7", "3", 5], ["3", "ä ö", 2]]},
        **{"against_previous": None, "seconds": {"fit": 0.25, "predict": 1e-6}, "training": {}},
    }
    recall = {"3": (4, 2, [0.15, 0.85]), "7": (8, 3, [0.1, 0.7]), "ä ö": (0, 0, [0, 1])}
    expected["recall"] = {name: {"n": n, "correct": c, "interval": ends} for name, (n, c, ends) in recall.items()}
    assert expected == first
    before = second["against_previous"]
    assert (0.1, 1e-17, "better") == (before["difference"], before["p"], before["verdict"])
    assert {"rung": "centroid-l1", "enough": True} == {name: document["advice"][name] for name in ("rung", "enough")}


def test_rungs_are_found_by_name_in_their_order() -> None:
    """A run is a sequence of rungs that can be asked by name."""
    run = made()
    assert ["prior", "centroid-l1"] == [rung.name for rung in run]
    assert 2 == len(run)
    assert run.rungs[1] is run["centroid-l1"]
    assert "prior" in run
    assert "cnn" not in run
    with pytest.raises(ArgumentError, match=r"'cnn'.* prior, centroid-l1"):
        run["cnn"]


def test_a_run_prints_as_a_summary(tmp_path: Path) -> None:
    """The summary names the folder, and each rung with its interval and n, one below the other."""
    lines = str(write_run(made("test"), tmp_path / "photos")).splitlines()
    assert f"{tmp_path / 'photos'}: 2 rungs on test, 3 classes, seed 7" in lines[0]
    assert "2 unreadable images" in lines[0]
    assert "  prior        0.417 [0.100, 0.700]  n=12" == lines[1]
    assert lines[1].index("[") == lines[2].index("[")


def test_a_run_prints_its_advice() -> None:
    """Below the rungs, in lines that fit a notebook."""
    advice = Advice("prior", "Stop at prior, " + "and so on, " * 20 + "for now.")
    run = replace(made(), advice=advice)
    *last, _, command = str(run).removeprefix(f"{run!r}\n").splitlines()
    assert advice.sentence == " ".join(last)
    assert "  firstlight split photos --test 0.2 --out with-test.parquet" == command
    assert 88 >= max(map(len, last)) > 70


def test_predictions_and_models_are_read_once_and_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary of a big run costs no reading of its arrays."""
    write_run(made(), tmp_path / "run")
    read = []
    for name in ("unchanged", "unpack"):
        real = getattr(outputs, name)
        monkeypatch.setattr(outputs, name, lambda *a, _real=real, _name=name: (read.append(_name), _real(*a))[1])
    run = read_run(tmp_path / "run")
    assert "prior" in str(run)
    assert [] == read
    assert run["prior"].model is run["prior"].model
    assert ["unchanged", "unchanged", "unpack"] == read
    assert run["prior"].predictions is run["prior"].predictions
    assert 4 == len(read)


# --- never overwriting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["run", "folder", "empty folder", "file", pytest.param("link to nothing", marks=needs_links)]
)
def test_whatever_stands_there_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    """A folder, a file or a link under the name is never overwritten, and the sentence says what to do."""
    out = tmp_path / "out"
    if kind == "run":
        write_run(made(), out)
    elif kind in ("folder", "empty folder"):
        out.mkdir()
        if kind == "folder":
            (out / "mine.txt").write_text("mine")
    elif kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    before = sorted((path, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*"))
    with pytest.raises(RunError, match=out.name) as caught:
        write_run(made(), out)
    assert str(out) in sentence(caught)
    assert "--out" in str(caught.value)
    assert before == sorted((path, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*"))


def test_a_folder_that_appears_during_the_writing_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process was faster, its folder stays and this one is told."""
    out, real = tmp_path / "out", runs._write

    def slow(run: Run, folder: Path) -> Run:
        if not out.exists():
            (out / "theirs").mkdir(parents=True)
        return real(run, folder)

    monkeypatch.setattr(runs, "_write", slow)
    with pytest.raises(RunError, match=out.name):
        write_run(made(), out)
    assert [out, out / "theirs"] == sorted(tmp_path.rglob("*"))


def test_the_next_free_name_is_counted_on(tmp_path: Path) -> None:
    """runs/photos, runs/photos-2 and so on, and a gap is filled."""
    found = []
    for _ in range(3):
        found.append(next_folder(tmp_path, "photos"))
        found[-1].mkdir()
    assert ["photos", "photos-2", "photos-3"] == [path.name for path in found]
    found[1].rmdir()
    assert found[1] == next_folder(tmp_path, "photos")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """A run folder stands right below its parent."""
    with pytest.raises(ArgumentError, match=re.escape(repr(name))):
        next_folder(tmp_path, name)


def test_of_many_writers_at_once_one_writes_and_the_others_are_refused(tmp_path: Path) -> None:
    """Eight writers of one name end with one complete folder and seven errors."""
    run, barrier = made(rungs=("prior",)), threading.Barrier(8)
    paths: list[Path | None] = []
    refused: list[RunError] = []

    def write() -> None:
        barrier.wait()
        try:
            paths.append(write_run(run, tmp_path / "run").path)
        except RunError as error:
            refused.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [tmp_path / "run"] == paths == list(tmp_path.iterdir())
    assert 7 == len(refused)
    assert everything(read_run(tmp_path / "run"))[1:] == everything(run)[1:]


# --- failing while writing ----------------------------------------------------------------------------


@pytest.mark.parametrize("call", [0, 3])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Where the disk is full at any point, no file is left and the sentence says what to do."""
    calls = iter(range(100))

    def full(handle: int) -> None:
        if next(calls) >= call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="disk") as caught:
        write_run(made(), tmp_path / "out")
    assert str(tmp_path / "out") in sentence(caught)
    assert [] == list(tmp_path.iterdir())


def test_a_disk_that_fills_while_an_array_is_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer itself may run out of room."""

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(runs, "put", full)
    with pytest.raises(RunError, match="disk"):
        write_run(made(), tmp_path / "out")
    assert [] == list(tmp_path.iterdir())


def test_a_folder_without_write_permission_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No permission is one sentence that names the path."""
    if sys.platform != "win32" and os.geteuid() != 0:
        tmp_path.chmod(0o500)
    else:  # root may write anywhere, so the refusal is made by hand
        make = Path.mkdir

        def denied(path: Path, *arguments: object, **options: object) -> None:
            if path.suffix == ".part":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            make(path, *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(Path, "mkdir", denied)
    try:
        with pytest.raises(RunError, match="permission") as caught:
            write_run(made(), tmp_path / "out")
        assert str(tmp_path / "out") in sentence(caught)
    finally:
        tmp_path.chmod(0o700)


def test_a_path_below_a_file_is_reported(tmp_path: Path) -> None:
    """A run folder cannot stand inside a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="out"):
        write_run(made(), tmp_path / "file" / "out")


def test_an_array_that_cannot_be_saved_leaves_nothing(tmp_path: Path) -> None:
    """NaN in the last rung's model takes back what the first one wrote."""
    run = made()
    run.rungs[1].model.tensors["means"][0, 0] = np.nan  # type: ignore[index]
    with pytest.raises(RunError, match=r"'means'.* NaN"):
        write_run(run, tmp_path / "out")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [("../x",), ("",), ("a/b",), ("a.b",), ("a b",), ("prior", "Prior"), ("a", "a")])
def test_rung_names_that_make_no_safe_path_are_not_written(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A rung's name is a folder's name on every system."""
    with pytest.raises(RunError):
        write_run(made(rungs=names), tmp_path / "out")
    assert [] == list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import firstlight.runs.folder as runs
from run_folders import made
def kill(*_): os.kill(os.getpid(), signal.SIGKILL)
if {point!r} == "in the middle":
    runs.put = kill
else:
    Path.rename = kill
runs.write_run(made(), Path({out!r}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("point", ["in the middle", "before the renaming"])
def test_a_killed_writer_leaves_no_folder_under_the_name(tmp_path: Path, point: str) -> None:
    """After a kill nothing stands under the final name, and the same command goes through."""
    out = tmp_path / "out"
    code = KILLED.format(tests=str(Path(__file__).parent), point=point, out=str(out))
    assert -9 == subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert not out.exists()
    assert list(tmp_path.glob(".out.*.part"))
    write_run(made(), out)
    assert everything(read_run(out))[1:] == everything(made())[1:]


# --- the readings of the test split -------------------------------------------------------------------


def test_readings_of_the_test_split_are_counted(tmp_path: Path) -> None:
    """A run on validation starts with none, a run on test with one, and each reading adds one."""
    assert 0 == write_run(made(), tmp_path / "a").test_readings
    assert 1 == write_run(made("test"), tmp_path / "b").test_readings
    assert [1, 2] == [count_test_reading(tmp_path / "a") for _ in range(2)]
    assert 2 == count_test_reading(tmp_path / "b")
    assert (2, 2) == tuple(read_run(tmp_path / name).test_readings for name in "ab")
    assert 2 == read_run(tmp_path / "a").to_dict()["test_readings"]


@pytest.mark.parametrize("test", [-1, 1.5, "1", None])
def test_a_count_that_is_none_is_refused(tmp_path: Path, test: object) -> None:
    """Readings are counted in whole numbers from zero on."""
    write_run(made(), tmp_path / "run")
    edit(tmp_path / "run", lambda content: content.update(test=test), "readings.json")
    with pytest.raises(RunError):
        count_test_reading(tmp_path / "run")


def test_a_count_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk does not lose what was counted."""
    write_run(made("test"), tmp_path / "run")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match="disk"):
            count_test_reading(tmp_path / "run")
    assert 1 == read_run(tmp_path / "run").test_readings
    assert 2 == len([path for path in (tmp_path / "run").iterdir() if path.is_file()])


def test_reading_a_summary_imports_neither_safetensors_nor_parquet(tmp_path: Path) -> None:
    """What is imported only for the arrays is not paid for by whoever wants the numbers."""
    write_run(made(), tmp_path / "run")
    code = (
        "import sys; from firstlight.runs.folder import read_run; print(read_run(sys.argv[1]));"
        "late = {'safetensors', 'pyarrow.parquet', 'pandas', 'torch', 'sklearn', 'PIL', 'numba'};"
        "assert not late & set(sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], check=False, capture_output=True, text=True
    )
    assert (0, "") == (found.returncode, found.stderr)
