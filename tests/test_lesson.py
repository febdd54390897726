"""The lesson runs from its first page to its last on the embedded digits; every number in its text was computed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from nbclient.exceptions import CellExecutionError

from conftest import CHECKOUT
from firstlight.data.fetching.catalog import DATASETS
from lesson_pages import PAGES, lesson, said
from tables import noise, write_images

CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<[^>]*>", re.DOTALL)
# A number that says how much: with a decimal point, in per cent, or from 100 on. Small whole numbers count pages.
MEASURED = re.compile(r"\d[\d,]*\.\d+|\d+(?=\s?%)|\d{1,3}(?:,\d{3})+|\d{3,}")
KNOWN = {"255", "0.5"}  # white, and a half


pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def typed(text: str, outputs: str) -> list[str]:
    """The measured numbers of a text that no code gave out."""
    return [one for one in MEASURED.findall(CODE.sub(" ", text)) if one not in KNOWN and one not in outputs]


def prose(page: Path) -> str:
    """What is written between the code."""
    return "\n".join(cell.source for cell in jupytext.read(page).cells if cell.cell_type == "markdown")


@pytest.mark.slow
@pages
def test_a_page_runs_and_its_text_holds_no_number_that_was_typed(page: Path) -> None:
    """On the embedded digits, without network."""
    assert [] == typed(prose(page), said(page))


def test_a_typed_number_is_found() -> None:
    """Measured numbers are looked for in what the code gave out; counting words and code are not."""
    assert ["0.93", "91", "1,010"] == typed("It is 0.93, or 91 %, of 1,010 in 2 steps; `x = 3.5`", "0.9 and 10")
    assert [] == typed("It is 0.93 of 1,010.", "0.934 [n=1,010]")


@pytest.mark.slow
@pages
def test_a_page_is_a_notebook_for_a_reader(page: Path) -> None:
    """With the page's text and code, without its checks, which left no name behind; linked to other notebooks."""
    notebook = lesson.given_out(lesson.executed(page))
    assert str(Path.home()) not in jupytext.writes(notebook, "ipynb")
    kept = [cell for cell in jupytext.read(page).cells if "remove-cell" not in cell.metadata.get("tags", [])]
    assert [cell.source for cell in kept if cell.cell_type == "code"] == [
        cell.source for cell in notebook.cells if cell.cell_type == "code"
    ]
    for cell in notebook.cells:
        assert cell.source.count("<details") == cell.source.count("</details>")
    links = re.findall(r"\]\(([^)]*)\)", "\n".join(cell.source for cell in notebook.cells))
    assert [] == [
        link for link in links if not link.startswith("https://") and link[:-6] not in {p.stem for p in PAGES}
    ]


@pytest.mark.slow
def test_a_cell_that_fails_stops_the_site(tmp_path: Path) -> None:
    """The error of the cell is the error of the build."""
    (tmp_path / "1-broken.md").write_text("# Broken\n\n```python\n1 / 0\n```\n")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        lesson.executed(tmp_path / "1-broken.md")


def mkdocs(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Every link leads somewhere; each page of the lesson is there as a page and as a notebook."""
    done = mkdocs("--strict", "--site-dir", tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr
    for page in PAGES:
        place = "" if page.stem == "index" else page.stem
        assert "</html>" in (tmp_path / "lesson" / place / "index.html").read_text()
        assert (tmp_path / "lesson" / f"{page.stem}.ipynb").is_file()


def test_the_site_has_the_images_of_the_chapter_where_they_were_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded digits else, and where a folder of that name came from elsewhere."""
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path))
    assert lesson.EMBEDDED == lesson.images()
    (tmp_path / "mnist_sample").mkdir()
    assert lesson.EMBEDDED == lesson.images()
    (tmp_path / ".mnist_sample.source").write_text(f"{DATASETS['mnist_sample'].url}\n\n")
    assert "mnist_sample" == lesson.images()


PAGE = '# Page\n\n```python\nname = 1\n```\n\n```python tags=["remove-cell"]\nmore = name\n```\n\n'


@pytest.mark.slow
def test_a_page_is_run_once_and_again_where_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another page or package is run anew, and so is what was cut off; a check leaves no name behind."""
    ran: list[str] = []
    run = lesson._run
    monkeypatch.setattr(lesson, "EXECUTIONS", tmp_path / "kept")
    monkeypatch.setattr(lesson, "_run", lambda path, images: ran.append(path.name) or run(path, images))
    page = tmp_path / "1-page.md"
    page.write_text(PAGE + "```python\nname, 'more' in globals()\n```\n")
    first = lesson.executed(page)
    assert "(1, False)" == first.cells[-1].outputs[0]["data"]["text/plain"]
    assert (first, 1) == (lesson.executed(page), len(ran))
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:-40])
    assert (first, 2) == (lesson.executed(page), len(ran))
    monkeypatch.setattr(lesson, "_code", lambda: b"another")
    assert (first, 3) == (lesson.executed(page), len(ran))
    page.write_text(PAGE + "```python\nopen('left', 'w').close()\n```\n")
    with pytest.raises(RuntimeError, match="left"):
        lesson.executed(page)


@pytest.mark.slow
def test_a_broken_link_fails_the_site(tmp_path: Path) -> None:
    """With the site's own settings, one page that leads nowhere."""
    write_images(tmp_path, {"docs/a.png": noise(4, 4)})
    (tmp_path / "docs" / "index.md").write_text("# Start\n\n[gone](gone.md)\n")
    (tmp_path / "mkdocs.yml").write_text(
        f"INHERIT: {CHECKOUT / 'mkdocs.yml'}\nhooks: []\nplugins: []\nnav: []\ndocs_dir: docs\n"
    )
    done = mkdocs("--strict", "--config-file", tmp_path / "mkdocs.yml", "--site-dir", tmp_path / "site")
    assert 0 != done.returncode
    assert "gone.md" in done.stdout + done.stderr
