"""How a command ends where the machine or the shell gives it less than it needs: one sentence and an exit status."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from command import COMMAND, firstlight
from firstlight.apps.ending import sentence
from firstlight.apps.entrance import enter
from firstlight.apps.terminal import Escaping, OutputError
from firstlight.errors import MissingExtraError, require

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="there is no shell of this kind")
EVIL = ("ca\x1b[31mt\x1b]0;title\x07", "d\u202eog\u2066")


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of the shell, in which ``firstlight`` is the command."""
    home = str(Path(COMMAND).parent)
    settings = os.environ | {"PATH": f"{home}{os.pathsep}{os.environ['PATH']}"} | environment
    return subprocess.run(["/bin/sh", "-c", line], cwd=folder, env=settings, capture_output=True)


def entered(monkeypatch: pytest.MonkeyPatch, *words: str, encoding: str = "utf-8") -> tuple[int, str, str]:
    """Exit status, standard output and standard error of the command, run in this process through its entrance."""
    files = [io.BytesIO(), io.BytesIO()]
    for name, file in zip(("stdout", "stderr"), files, strict=True):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(file, encoding))
    monkeypatch.setattr(sys, "argv", ["firstlight", *words])
    status = enter()
    return status, *(file.getvalue().decode(encoding) for file in files)


def grow(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for index in range(12):
            Image.new("L", (6, 6), 200 * number + index).save(root / name / f"{index}.png")
    return root


@UNIX
@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["firstlight get > /dev/full", "firstlight --help > /dev/full", "firstlight get --json > /dev/full"]
)
def test_a_full_disk_behind_standard_output_is_one_sentence(tmp_path: Path, line: str) -> None:
    """With exit status 1, whoever prints."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    done = shell(line, tmp_path)
    assert 1 == done.returncode
    assert 1 == len(done.stderr.splitlines()) and os.strerror(errno.ENOSPC).encode() in done.stderr


@UNIX
@pytest.mark.slow
def test_a_closed_stream_is_an_empty_one(tmp_path: Path) -> None:
    """Standard input that is closed holds no image; closed output is nobody's."""
    done = shell("firstlight predict nowhere - <&-", tmp_path)
    assert 1 == done.returncode and 1 == len(done.stderr.splitlines())
    assert 0 == shell("firstlight get >&- 2>&-", tmp_path).returncode


@pytest.mark.slow
def test_every_name_can_be_printed_in_every_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Windows pipe or an old locale does not have is written out; the run is finished, files are UTF-8."""
    photos = grow(tmp_path / "photos", "猫", "犬")
    for number, encoding in enumerate(("cp1252", "ascii")):
        words = ["climb", str(photos), "--rungs", "prior,ink", "--out", str(tmp_path / f"run{number}")]
        status, said, _ = entered(monkeypatch, *words, encoding=encoding)
        assert 0 == status and "\\u72ac" in said
        assert "猫" in (tmp_path / f"run{number}" / "report.html").read_text("utf-8")
        status, said, _ = entered(monkeypatch, *words, "--json", encoding=encoding)
        assert ["犬", "猫"] == sorted(json.loads(said)["classes"])


@UNIX
@pytest.mark.slow
def test_no_name_reaches_the_terminal_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On either stream, from the command's own lines to those of a wrong option."""
    photos, run = str(grow(tmp_path / "photos", *EVIL)), str(tmp_path / "run")
    for words in (
        ["scan", photos],
        ["climb", photos, "--rungs", "prior,ink", "--out", run],
        ["audit", photos],
        ["predict", run, photos, "--rung", "ink"],
        ["explain", run, "--rung", "ink", "--count", "1"],
        ["scan", f"{photos}/{EVIL[0]}/0.png"],
        ["scan", f"no{EVIL[0]}"],
        [f"sc{EVIL[1]}n"],
        ["scan", f"--{EVIL[0]}"],
    ):
        _, said, remarked = entered(monkeypatch, *words)
        assert said + remarked and not set("\x1b\x07\u202e\u2066") & set(said + remarked), words


@UNIX
@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.08, 0.15, 0.25])
def test_ctrl_c_while_it_starts_ends_with_130(tmp_path: Path, wait: float) -> None:
    """Without a traceback, whatever is being imported."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from firstlight.apps.cli import main; print('here', flush=True)\n"
        "import sys; sys.argv = ['firstlight', 'climb', '.']; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert b"Traceback" not in said
    assert process.returncode in (130, 1)  # 1: the empty folder was faster


def test_what_the_machine_refuses_is_a_sentence() -> None:
    """Memory, threads, files, libraries that cannot be loaded; our own mistakes stay what they are."""
    for error in (
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        ImportError("libarrow.so: failed to map segment from shared object"),
    ):
        assert "memory" in str(sentence(error))
    assert "threads" in str(sentence(RuntimeError("can't start new thread")))
    said = sentence(PermissionError(errno.EACCES, "Permission denied", "photos/cat"))
    assert said is not None and "photos/cat" in said and "Permission denied" in said
    assert None is sentence(KeyError("cat")) is sentence(RuntimeError("odd"))


def test_a_package_that_cannot_be_loaded_is_not_missing() -> None:
    """Only one that is not installed is named with the line that installs it."""
    with pytest.raises(MissingExtraError), require("train", purpose="Networks"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    with pytest.raises(ImportError, match="libtorch") as caught, require("train", purpose="Networks"):
        raise ImportError("libtorch.so: cannot open shared object file", name="torch")
    assert not isinstance(caught.value, MissingExtraError)


class _Full(io.RawIOBase):
    """A device without room."""

    def writable(self) -> bool:
        return True

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self) -> int:
        return os.open(os.devnull, os.O_WRONLY)


def test_a_stream_that_nobody_needs_fails_in_silence() -> None:
    """Standard error that is full stops no command; standard output does, and says why."""
    streams = [io.TextIOWrapper(io.BufferedWriter(_Full(), 1)) for _ in range(2)]
    Escaping(streams[0], needed=False).write("a remark\n")
    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)):
        Escaping(streams[1], needed=True).write("a result\n")


@pytest.mark.slow
def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    """A file where a folder is needed, a folder where a file is needed: one sentence, and nothing is changed."""
    grow(tmp_path / "photos", "cat", "dog")
    assert 0 == firstlight("climb", "photos", "--rungs", "prior,ink", "--out", "run", folder=tmp_path).returncode
    (tmp_path / "file").write_text("mine")
    for ending in ("html", "csv", "parquet", "onnx", "jsonl"):
        (tmp_path / f"folder.{ending}").mkdir()
    for words in (
        ["explain", "run", "--rung", "ink", "--count", "1", "--out", "file"],
        ["explain", "run", "--rung", "ink", "--count", "1", "--out", "file/pictures"],
        ["report", "run", "--out", "folder.html"],
        ["report", "run", "--out", "file/report.html"],
        ["scan", "photos", "--out", "folder.csv"],
        ["scan", "photos", "--out", "file/table.parquet"],
        ["predict", "run", "photos", "--rung", "ink", "--out", "folder.jsonl"],
        ["predict", "run", "photos", "--rung", "ink", "--out", "file/seen.csv"],
        ["export", "run", "--rung", "ink", "--out", "folder.onnx"],
        ["export", "run", "--rung", "ink", "--to", "page", "--out", "file"],
        ["climb", "photos", "--rungs", "prior", "--out", "file/run"],
    ):
        done = firstlight(*words, folder=tmp_path)
        sentences = [line for line in done.stderr.splitlines() if line.startswith("firstlight: ")]
        assert (1, 1) == (done.returncode, len(sentences)), done.stderr
        assert str(words[-1]) in sentences[0]
    assert "mine" == (tmp_path / "file").read_text()
