"""Whatever the README and the pages of docs/ tell one to type is typed, in a folder with nothing but images in it."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest
from torch import nn

import firstlight as fl
from conftest import CHECKOUT
from firstlight.data.fetching.catalog import write_digits
from serving import runtime

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
ELSEWHERE = {
    "git clone": "needs the network",
    "./scripts/": "demo, test and site are run by tests of their own",
    "pip install": "what is installed is what is tested",
    "python -m http.server": "test_offline gives the page out and opens it",
    "jupyter lab": "test_lesson runs every notebook",
    "firstlight get mnist_sample": "needs the network; test_download fetches from a server of its own",
}
HERE = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}

pytestmark = pytest.mark.slow


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def typed(page: Path) -> list[str]:
    """The commands of a page, in their order: of its blocks, and of its tables' second columns."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    cells = re.findall(r"^\| [^|]+ \| `(firstlight [^`]+)` \|", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    every = [line[2:].partition("  #")[0].strip() for line in lines] + cells
    return [line for line in every if not line.startswith(tuple(ELSEWHERE))]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two classes by folder, the same by a list, and new ones."""
    home = tmp_path_factory.mktemp("user")
    digits = write_digits(home / "digits", ("3", "7"))
    (home / "photos").mkdir()
    rows = []
    for name, known in (("cat", "3"), ("dog", "7")):
        shutil.copytree(digits / known, home / "photos" / name)
        images = sorted((home / "photos" / name).iterdir())
        for folder in ("new", "new-images", "golden"):
            (home / folder).mkdir(exist_ok=True)
            shutil.copy(images[0], home / folder / f"{name}.png")
        for place, path in enumerate(images):
            rows.append([path.relative_to(home).as_posix(), name, ("north", "south")[place % 2]])
    shutil.rmtree(digits)
    for file, some in (("labels.csv", rows), ("new.csv", rows[:5])):
        with (home / file).open("w", newline="") as text:
            csv.writer(text).writerows([["path", "label", "camera"], *some])
    for file in ("image.jpg", "image.png", "photos/cat/1.jpg"):
        shutil.copy(home / rows[0][0], home / file)
    (home / "downloads").mkdir()
    for place, (path, name, _) in enumerate(rows):
        shutil.copy(home / path, home / "downloads" / f"{name}.{place}.jpg")
    return home


@pytest.fixture(scope="module")
def run(once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an earlier climb left."""
    out = tmp_path_factory.mktemp("runs") / "photos"
    fl.climb(once / "photos", rungs=["prior", "centroid", "linear"], effort="quick", out=out)
    return out


@pytest.fixture
def user(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a page is followed, a copy for each."""
    home = tmp_path / "user"
    shutil.copytree(once, home)
    monkeypatch.chdir(home)
    return home


def stopped(command: str) -> str:
    """What a service prints, until its address answers and Ctrl-C has ended it."""
    line = f"exec {command} --port 0"
    with subprocess.Popen(line, shell=True, env=HERE, stdout=PIPE, stderr=STDOUT, text=True) as process:  # noqa: S602
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "http://" in line)
            with urllib.request.urlopen(line.split()[-1].partition("#")[0], timeout=30) as page:  # noqa: S310
                assert 200 == page.status
        finally:
            process.send_signal(signal.SIGINT)
        return line + process.stdout.read()


def quick(command: str) -> str:
    """The same with the least effort, for its time; the longer run of a page stays another one than its first."""
    if command.startswith("firstlight climb") and "--effort" not in command:
        return f"{command} --effort quick"
    return command.replace("--effort thorough", "--effort quick")


def times(folder: Path) -> dict[Path, int]:
    """When each file of a folder was written, in nanoseconds."""
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def before() -> dict[tuple[str, bool], Path]:
    """What each command of an earlier page wrote, by the command and whether some images were set aside for testing."""
    return {}


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page)], ids=lambda path: path.stem)
def test_the_commands_of_a_page_work(
    page: Path, user: Path, run: Path, before: dict[tuple[str, bool], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One after the other, as a reader would; each ends well and says something or writes something.

    A command that a page before has too is not run again: what it wrote there is put here.
    """
    for name, made_by in (("photos", "climb photos/"), ("longer", "--out runs/longer")):
        if not any(made_by in command for command in typed(page)):
            shutil.copytree(run, user / "runs" / name)
    testing = any("--split test" in command for command in typed(page))
    if testing:
        for image in [*user.glob("photos/cat/*0.png"), *user.glob("photos/dog/*0.png")]:
            kept = user / "photos" / "test" / image.parent.name / image.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            image.rename(kept)
    for command in typed(page):
        if command.startswith("firstlight serve"):
            assert "Ctrl-C" in stopped(command)
            continue
        command = quick(command)
        key = command, testing
        if key in before:
            shutil.copytree(before[key], user, dirs_exist_ok=True)
            continue
        earlier = times(user)
        if "--to page" in command:
            command += f" --runtime {runtime()}"
        done = subprocess.run(command, shell=True, env=HERE, capture_output=True, text=True)  # noqa: S602 - our pages
        assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"
        written = [path for path, when in times(user).items() if earlier.get(path) != when]
        assert done.stdout or written, command
        before[key] = tmp_path_factory.mktemp("written")
        for path in written:
            (before[key] / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(user / path, before[key] / path)


def test_the_check_of_the_page_about_ci_ends_with_1_where_a_loss_is_shown(user: Path, run: Path) -> None:
    """Fed as the page has it: one document in a file, an exit status out."""
    page = CHECKOUT / "docs" / "how-to" / "in-ci.md"
    (check,) = blocks(page, "python")
    (user / "check.py").write_text(check)
    for against, status in (("linear", 1), ("prior", 0)):
        line = f"firstlight compare {run} --against {against} --json > compared.json && python check.py"
        done = subprocess.run(line, shell=True, cwd=user, env=HERE)  # noqa: S602 - our pages
        assert status == done.returncode, against


def lines_of_python() -> Iterator[str]:
    """The third column of the page with everything on it."""
    text = (CHECKOUT / "docs" / "all-of-firstlight.md").read_text(encoding="utf-8")
    yield from re.findall(r"^\|.*\| `([^`]+)` \|$", text, flags=re.MULTILINE)


def test_all_of_firstlight_in_python_runs(user: Path, run: Path) -> None:
    """The lines of the table, in their order, with the names that their text speaks of."""
    names = {"fl": fl, "module": nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), "longer": fl.read_run(run)}
    ran = 0
    for line in lines_of_python():
        if line == 'fl.get("mnist_sample")':
            continue
        exec(line, names)  # noqa: S102 - our own page
        if line.startswith("pixels = "):
            names["classifier"] = fl.fit("centroid", names["pixels"])
            names["values"] = names["pixels"].select("validation").values.mean(axis=(1, 2, 3))
        ran += 1
    assert 15 <= ran
