"""Files and folders that appear complete or not at all, and what killed processes leave of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight.atomic import new_file, new_folder, remove_abandoned, remove_tree
from firstlight.data.fetching.download import get

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot lock a folder; there a day decides")

KILLED = """
import sys
from pathlib import Path
from firstlight.atomic import new_file, new_folder
with new_file(Path(sys.argv[1], "file")) as file, new_folder(Path(sys.argv[1], "folder")) as folder:
    (folder / "inner").mkdir()
    print("ready", flush=True)
    sys.stdin.read()
"""


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@posix
@pytest.mark.slow
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    """Only parts whose process is dead are removed by the next one that writes there."""
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and b"ready\n" == writer.stdout.readline()
        remove_abandoned(tmp_path)
        assert 2 == len(hidden(tmp_path))
        writer.kill()
        writer.wait()
    with new_file(tmp_path / "file") as part:
        assert [part.name] == [name for name in hidden(tmp_path) if name.startswith(".file.")]
    with new_folder(tmp_path / "folder") as part:
        assert [part.name] == hidden(tmp_path)
    assert [] == hidden(tmp_path)


@posix
def test_parts_of_other_names_are_left_alone(tmp_path: Path) -> None:
    """Nothing is removed that does not have exactly the name that a part gets, and no link is followed."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    names = [".a.part", ".a.12345678.part.txt", "a.12345678.part", ".a.1234567.part", ".a.1234567G.part"]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".b.12345678.part").symlink_to(tmp_path / "mine", target_is_directory=True)
    (tmp_path / ".a.12345678.part").write_text("left")
    remove_abandoned(tmp_path)
    assert {*names, ".b.12345678.part", "mine"} == {path.name for path in tmp_path.iterdir()}
    assert "mine" == (tmp_path / "mine" / "file").read_text()


@posix
def test_get_removes_what_killed_ones_left(tmp_path: Path) -> None:
    """A part of any dataset goes at the next call, also where the requested one is there already."""
    for _ in range(2):
        (tmp_path / ".photos.0123abcd.part" / "cat").mkdir(parents=True)
        get("digits_sample", folder=tmp_path)
        assert [] == hidden(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such long paths")
def test_a_folder_of_any_depth_is_removed(tmp_path: Path) -> None:
    """Neither recursion nor the length of a path leaves something behind."""
    there = Path.cwd()
    top = tmp_path / "top"
    top.mkdir()
    try:
        os.chdir(top)
        for _ in range(3000):
            os.mkdir("deep")  # noqa: PTH102 - relative to where we are
            os.chdir("deep")
        Path("file").write_text("x")
    finally:
        os.chdir(there)
    remove_tree(top)
    assert not top.exists()
