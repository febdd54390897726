"""A damaged, forged or foreign run folder: told in one sentence, and never read as data."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bombs import Bomb
from firstlight.errors import RunError
from firstlight.runs.files import LIMITS
from firstlight.runs.folder import read_run, write_run
from firstlight.runs.seal import digest
from run_folders import edit, everything, made, needs_links, sentence


def damages(data: bytes) -> dict[str, bytes | None]:
    """A file's bytes, damaged in many ways; None stands for a file that is gone."""
    found: dict[str, bytes | None] = {"removed": None, "empty": b"", "half": data[: len(data) // 2]}
    found |= {"one byte short": data[:-1], "one byte more": data + b"\x00", "zeros": bytes(len(data))}
    for place in [*range(0, len(data), max(1, len(data) // 25)), len(data) - 1]:
        for bits in (1, 128):
            changed = bytearray(data)
            changed[place] ^= bits
            found[f"byte {place} ^ {bits}"] = bytes(changed)
    return found


@pytest.mark.slow
def test_every_damage_of_every_file_is_reported_and_never_read_as_data(tmp_path: Path) -> None:
    """Whatever is cut, emptied, removed or flipped gives one sentence, or the very same values."""
    folder = tmp_path / "run"
    whole = everything(write_run(made(), folder))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert 8 == len(files)
    told = 0
    for path in files:
        data = path.read_bytes()
        for what, damaged in damages(data).items():
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            try:
                found = everything(read_run(folder))
            except RunError as error:
                told += 1
                assert str(error).startswith(str(folder)), (path, what)
                assert str(error).endswith("."), (path, what)
                assert "\n" not in str(error), (path, what)
            else:  # only a space or a line end of a JSON file can change without a change of any value
                assert ".json" == path.suffix, (path, what)
                assert whole == found, (path, what)
            path.write_bytes(data)
    assert told > 300
    assert whole == everything(read_run(folder))


def test_files_of_two_rungs_that_were_swapped_are_noticed(tmp_path: Path) -> None:
    """A file that is whole but of another rung does not pass."""
    folder = tmp_path / "run"
    write_run(made(), folder)
    one, other = folder / "rungs" / "prior", folder / "rungs" / "centroid-l1"
    for name in ("predictions.parquet", "model.json", "model.safetensors"):
        shutil.copy(one / name, tmp_path / "kept")
        shutil.copy(other / name, one / name)
        with pytest.raises(RunError):
            everything(read_run(folder))
        shutil.copy(tmp_path / "kept", one / name)
    everything(read_run(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(seed="7"), "seed"),
        (lambda c: c.update(seed=7.5), "seed"),
        (lambda c: c.update(unreadable=True), "unreadable"),
        (lambda c: c.update(classes="37"), "classes"),
        (lambda c: c.update(classes=[3, 7]), "classes"),
        (lambda c: c.update(rungs={}), "rungs"),
        (lambda c: c.update(rungs=[1]), "rungs[0]"),
        (lambda c: c.update(files=[]), "files"),
        (lambda c: c.update(files={}), "rungs/prior/predictions.parquet"),
        (lambda c: c.pop("advice"), "advice"),
        (lambda c: c.update(advice={}), "rung"),
        (lambda c: c.update(request=None), "request"),
        (lambda c: c.update(comparisons=[{}]), "comparisons[0]"),
        (lambda c: c["rungs"][0].pop("name"), "name"),
        (lambda c: c["rungs"][0].update(name="../../x"), "'../../x'"),
        (lambda c: c["rungs"][0].update(name="prior\n"), "prior"),
        (lambda c: c["rungs"][0].update(name="elsewhere"), "elsewhere"),
        (lambda c: c["rungs"][0].update(name="Centroid-L1"), "case"),
        (lambda c: c["rungs"][0]["metrics"].update(accuracy="0.9"), "accuracy"),
        (lambda c: c["rungs"][0]["metrics"].update(accuracy=None), "accuracy"),
        (lambda c: c["rungs"][0]["metrics"].update(interval=[0.1]), "interval"),
        (lambda c: c["rungs"][0]["metrics"].update(interval=["0", "1"]), "interval"),
        (lambda c: c["rungs"][0]["metrics"]["recall"].pop("7"), "other classes for prior"),
        (lambda c: c["rungs"][0]["metrics"].update(mistakes=[["3", "8", 1]]), "other classes for prior"),
        (lambda c: c["rungs"][0]["metrics"].update(mistakes=[["3", "7"]]), "mistakes[0]"),
        (lambda c: c["rungs"][0].update(seconds={"fit": 1}), "predict"),
        (lambda c: c["rungs"][0].update(training={"recipe": 7}), "recipe"),
        (lambda c: c["files"]["rungs/prior/model.json"].update(bytes=1), "bytes instead of 1"),
        (lambda c: c["files"]["rungs/prior/model.json"].update(bytes=None), "bytes"),
        (lambda c: c["files"]["rungs/prior/model.json"].update(blake2b="00"), "digest"),
        (lambda c: c.update(classes=["a", "b", "c"]), "other classes"),
    ],
)
def test_a_forged_run_document_is_refused(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    """A run.json whose digest fits is still held against what each field must be."""
    write_run(made(), tmp_path / "run")
    edit(tmp_path / "run", change)
    with pytest.raises(RunError) as caught:
        everything(read_run(tmp_path / "run"))
    assert said in sentence(caught)


def test_fields_that_this_version_does_not_know_are_passed_over(tmp_path: Path) -> None:
    """A document with one more field is read as far as it is known."""
    whole = everything(write_run(made(), tmp_path / "run"))
    edit(tmp_path / "run", lambda content: content.update(mood="sunny"))
    assert whole == everything(read_run(tmp_path / "run"))


VERSION_1 = """{
"format": "firstlight run 1",
"blake2b": "2ab4fd8b8ee09e3bdd0ce1ba0a7a8e9a",
"asked": {"data": "photos", "rungs": ["prior"], "split": "validation", "pixels": {}, "seeds": [0]},
"decided": [],
"versions": {"firstlight": "0.1.0"},
"seed": 0,
"fingerprint": "00ff",
"classes": ["3", "7"],
"split": "validation",
"unreadable": 0,
"rungs": [{"name": "prior", "split": "validation", "n": 2, "correct": 1, "accuracy": 0.5, "interval": [0.1, 0.9]}],
"comparisons": [],
"advice": {"rung": "prior", "sentence": "prior reaches 0.5.", "later": []},
"files": {}
}
"""


def test_a_run_of_version_1_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """The sentence names both versions, and a new climb into the same numbered place passes by."""
    from firstlight.runs.growing import Numbered, begin_run

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(VERSION_1)
    with pytest.raises(RunError, match=r"another version .*firstlight run 1.*firstlight run 2.*climb again") as caught:
        read_run(tmp_path / "run")
    assert str(tmp_path / "run") in sentence(caught)
    begun = begin_run(replace(made(), rungs=(), comparisons=(), advice=None), Numbered(tmp_path / "run"))
    assert tmp_path / "run-2" == begun.path
    assert VERSION_1 == (tmp_path / "run" / "run.json").read_text()


def test_a_model_file_that_holds_a_pickle_is_refused(tmp_path: Path) -> None:
    """Even where every digest was made to fit, a pickle is not opened as one."""
    folder = tmp_path / "run"
    write_run(made(), folder)
    mark = tmp_path / "it-ran"
    text = pickle.dumps(Bomb(mark))
    home = folder / "rungs" / "prior"
    (home / "model.safetensors").write_bytes(text)
    stated = {"bytes": len(text), "blake2b": digest(text)}
    edit(folder, lambda content: content.update(file=stated), "rungs/prior/model.json")
    described = (home / "model.json").read_bytes()
    edit(
        folder,
        lambda content: content["files"].update(
            {
                "rungs/prior/model.safetensors": stated,
                "rungs/prior/model.json": {"bytes": len(described), "blake2b": digest(described)},
            }
        ),
    )
    run = read_run(folder)
    with pytest.raises(RunError, match=r"model\.safetensors") as caught:
        run["prior"].model  # noqa: B018 - reading is what is tested
    sentence(caught)
    assert not mark.exists()


def test_a_forged_predictions_file_is_refused(tmp_path: Path) -> None:
    """A Parquet file of another kind with a digest that fits is told, and so is no Parquet file at all."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    folder = tmp_path / "run"
    write_run(made(), folder)
    path = folder / "rungs" / "prior" / "predictions.parquet"
    parquet.write_table(pa.table({"a": [1, 2]}), tmp_path / "other.parquet")
    for data in (b"PAR1 nothing PAR1", (tmp_path / "other.parquet").read_bytes()):
        path.write_bytes(data)
        stated = {"rungs/prior/predictions.parquet": {"bytes": len(data), "blake2b": digest(data)}}
        edit(folder, lambda content, stated=stated: content["files"].update(stated))
        run = read_run(folder)
        with pytest.raises(RunError, match=r"predictions\.parquet") as caught:
            run["prior"].predictions  # noqa: B018 - reading is what is tested
        sentence(caught)


@pytest.mark.parametrize(
    ("inside", "said"),
    [("run.json", "bytes"), ("readings.json", "bytes"), ("rungs/prior/model.json", "bytes")],
)
def test_a_file_beyond_its_bound_is_refused_unread(
    tmp_path: Path, inside: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a terabyte is refused by its size alone."""
    write_run(made(), tmp_path / "run")
    with (tmp_path / "run" / inside).open("rb+") as file:
        file.truncate(LIMITS[Path(inside).name] + 1)  # with a hole: no block is used
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read")) if inside == "run.json" else 0
    with pytest.raises(RunError, match=said) as caught:
        read_run(tmp_path / "run")
    sentence(caught)


@needs_links
@pytest.mark.parametrize(
    "inside", ["run.json", "readings.json", "rungs/prior/model.safetensors", "rungs/prior", "rungs"]
)
def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path, inside: str) -> None:
    """Neither a file nor a folder of a run may lie elsewhere, even where its content fits."""
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    write_run(made(), folder)
    (folder / inside).rename(elsewhere)
    (folder / inside).symlink_to(elsewhere)
    with pytest.raises(RunError, match="link") as caught:
        everything(read_run(folder))
    sentence(caught)


@needs_links
def test_a_link_to_the_run_folder_itself_is_fine(tmp_path: Path) -> None:
    """How a person reaches the folder is their own business."""
    whole = everything(write_run(made(), tmp_path / "run"))
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    assert whole == everything(read_run(tmp_path / "latest"))


@needs_links
def test_a_link_that_goes_round_in_a_circle_is_reported(tmp_path: Path) -> None:
    """A circle of links is an error of the folder, not of the program."""
    write_run(made(), tmp_path / "run")
    (tmp_path / "run" / "readings.json").unlink()
    (tmp_path / "run" / "readings.json").symlink_to("readings.json")
    with pytest.raises(RunError, match=r"readings\.json") as caught:
        read_run(tmp_path / "run")
    sentence(caught)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders on Windows")
@pytest.mark.parametrize("inside", ["run.json", "rungs/prior/predictions.parquet"])
def test_a_pipe_or_a_folder_in_place_of_a_file_is_reported(tmp_path: Path, inside: str) -> None:
    """A pipe would be waited for without end, so it is not opened."""
    write_run(made(), tmp_path / "run")
    for make in (os.mkfifo, os.mkdir):
        path = tmp_path / "run" / inside
        path.rmdir() if path.is_dir() else path.unlink()
        make(path)
        with pytest.raises(RunError, match=Path(inside).name) as caught:
            read_run(tmp_path / "run")
        sentence(caught)


def test_what_is_no_run_folder_is_reported(tmp_path: Path) -> None:
    """A missing folder, a file and another folder each have their sentence."""
    (tmp_path / "file").write_text("")
    for path, said in [
        (tmp_path / "nowhere", "nowhere"),
        (tmp_path / "file", "file"),
        (tmp_path, r"run\.json"),
    ]:
        with pytest.raises(RunError, match=said) as caught:
            read_run(path)
        assert str(path) in sentence(caught)


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without the permission to read it is named."""
    write_run(made(), tmp_path / "run")
    run = read_run(tmp_path / "run")

    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(RunError, match=r"model\.json") as caught:
        run["prior"].model  # noqa: B018 - reading is what is tested
    sentence(caught)


def test_a_file_that_was_damaged_after_the_summary_was_read_is_noticed(tmp_path: Path) -> None:
    """The content is checked at the moment when it is read, not when the folder was opened."""
    write_run(made(), tmp_path / "run")
    run = read_run(tmp_path / "run")
    path = tmp_path / "run" / "rungs" / "prior" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(RunError, match="digest"):
        run["prior"].model  # noqa: B018 - reading is what is tested
