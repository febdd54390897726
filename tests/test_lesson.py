"""The lesson runs from its first page to its last, with both sets of images; every number in its text was computed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jupytext
import pytest
from nbclient.exceptions import CellExecutionError

from conftest import CHECKOUT
from tables import noise, write_images

DOCS = CHECKOUT / "docs"

CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<[^>]*>", re.DOTALL)
# A number that says how much: with a decimal point, in per cent, or from 100 on. Small whole numbers count pages.
MEASURED = re.compile(r"\d[\d,]*\.\d+|\d+(?=\s?%)|\d{1,3}(?:,\d{3})+|\d{3,}")
KNOWN = {"255", "0.5"}  # white, and a half


def loaded(path: Path) -> ModuleType:
    """A module of the site's own."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lesson = loaded(DOCS / "site" / "lesson.py")
PAGES = lesson.pages()
pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def said(page: Path, data: str | None = None) -> str:
    """Everything that the page's code gives out, as text."""
    texts = []
    for cell in lesson.executed(page, data).cells:
        for output in cell.get("outputs", []):
            texts += [output.get("text", ""), *map(str, output.get("data", {}).values())]
    return "\n".join(texts)


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
def test_a_page_runs_with_the_images_of_the_chapter(page: Path, mnist_sample: Path) -> None:
    """Every cell ends well with mnist_sample's 14,434 images in place of the digits."""
    assert said(page, str(mnist_sample))


@pytest.mark.slow
def test_the_figures_of_the_chapter_are_computed(mnist_sample: Path) -> None:
    """The counts that the golden file has stand in what the pages give out: by L1, L2 and cosine, and the numbers."""
    golden = CHECKOUT.parent / "shared" / "golden.json"
    if not golden.is_file():
        pytest.skip("golden.json is not beside the checkout")
    known = json.loads(golden.read_text())["mnist_sample"]
    everything = "\n".join(said(page, str(mnist_sample)) for page in PAGES)
    for distance in ("l1", "l2", "cosine"):
        assert f"{distance} {known['correct_on_valid'][distance]['all']}" in everything
    for figure in ("6131", "6265", "0.4333", "0.2333", "23,581"):
        assert figure in everything, figure


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
    """Every link leads somewhere; each page of the lesson is there as a page and as a notebook that runs."""
    done = mkdocs("--strict", "--site-dir", tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr
    for page in PAGES:
        assert "</html>" in (tmp_path / "lesson" / page.stem / "index.html").read_text()
        notebook = jupytext.read(tmp_path / "lesson" / f"{page.stem}.ipynb")
        assert [cell.source for cell in jupytext.read(page).cells] == [cell.source for cell in notebook.cells]


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
