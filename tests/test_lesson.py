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

import firstlight as fl
from conftest import CHECKOUT, archive_of
from firstlight.data.fetching.catalog import DATASETS
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


def said(page: Path, images: str = lesson.EMBEDDED) -> str:
    """Everything that the page's code gives out, as text."""
    texts = []
    for cell in lesson.executed(page, images).cells:
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


@pytest.fixture
def fetched(mnist_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The chapter's images as `fl.get` takes them: their archive, or their name where they were fetched before."""
    archive = archive_of("mnist_sample")
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path if archive else mnist_sample.parent))
    return str(archive or fl.get("mnist_sample", progress=False).name)


@pytest.mark.slow
def test_the_figures_of_the_chapter_are_computed(fetched: str) -> None:
    """By all pages with mnist_sample in place of the digits, by the one word that differs; none fails, and what the
    golden file knows of these images stands in what they give out."""
    assert [1] * len(PAGES) == [page.read_text("utf-8").count(f'fl.get("{lesson.EMBEDDED}")') for page in PAGES]
    everything = "\n".join(said(page, fetched) for page in PAGES)
    golden = Path(__file__).with_name("golden.json")  # computed from the files with float64 NumPy and Pillow alone
    known = json.loads(golden.read_text())["mnist_sample"]
    right, three = known["correct_on_valid"], known["train/3/10000.png"]
    pairs = known["mcnemar_exact"]
    figures = [
        f"{distance} {right[distance]['all']} {right[distance]['accuracy']}" for distance in ("l1", "l2", "cosine")
    ]
    figures += [f"{place}/{name} {n}" for place, classes in known["images"].items() for name, n in classes.items()]
    figures += [", ".join(f"{value:3d}" for value in row) for row in three["rows 4:10, columns 4:10"]]
    for name in ("3", "7"):
        distances = three[f"distance_to_mean_{name}"]
        figures.append(f"to the ideal {name}: L1 {distances['l1']:.4f}, L2 {distances['l2_rmse']:.4f}")
        figures.append(f"{name}: {right['l1'][name]} of {known['images']['valid'][name]}, recall")
    figures.append(f"{right['l1']['accuracy']} [{', '.join(map(str, right['l1']['wilson95']))}]")
    figures.append(f"{right['ink']['accuracy']:.3f} [{', '.join(f'{end:.3f}' for end in right['ink']['wilson95'])}]")
    figures += [f"{pair['only_second_right']} : {pair['only_first_right']} " for pair in pairs.values()]
    figures += [f"{name}: {known['mean_pixel_in_[0,1]'][name]:.4f} is ink" for name in ("3", "7")]
    figures.append(f"median image    {right['l1_to_class_median']['accuracy']:.3f}")
    figures += ["-> 0.4333", "-> 0.2333", "tensor(6.)", "tensor([ 6.,  8., 20.])", "here 23,581"]  # of its last group
    assert [] == [figure for figure in figures if figure not in everything]
    trained = {name: float(share) for name, share in re.findall(r"(\S+), \d+ epochs: accuracy ([\d.]+)", everything)}
    linear = re.search(
        r"([\d.]+)-([\d.]+)$", known["sgd_from_the_book_(ranges_not_exact)"]["linear, lr 1, batch 256, 10 epochs"]
    )
    assert linear is not None
    assert float(linear[1]) <= trained["linear"] <= float(linear[2])
    assert 0.98 <= trained["hidden"]


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
