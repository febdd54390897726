"""Runs the lesson's pages while the site is built: code in, code with what it gives out; each also as a notebook."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbformat import NotebookNode
from traitlets.config import Config

HERE = Path(__file__).parent
LESSON = HERE.parent / "lesson"
SECONDS = 300  # a cell may take

# A cell that does not begin the page is left out of it, or only its code is.
TAGS = {"remove_cell_tags": ["remove-cell"], "remove_input_tags": ["hide-input"]}


def pages() -> list[Path]:
    """The pages that hold code, in their order."""
    return sorted(path for path in LESSON.glob("*.md") if path.name[0].isdigit())


@cache
def executed(path: Path, data: str | None = None) -> NotebookNode:
    """A page as a notebook that was run from its first cell to its last.

    Args:
        path: of the page.
        data: the folder of images that it is told with; the embedded digits where left out.

    Raises:
        CellExecutionError: where a cell fails.
    """
    notebook = jupytext.read(path)
    environment = {**os.environ, "FIRSTLIGHT_LESSON_DATA": data or ""}
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", extra_arguments=["--log-level=40"])
    client.execute(env=environment)
    for number, cell in enumerate(notebook.cells):  # the same page gives the same bytes
        cell.metadata.pop("execution", None)
        cell["id"] = hashlib.blake2b(f"{path.name} {number}".encode(), digest_size=4).hexdigest()
    return notebook


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds each page as a notebook."""
    for path in pages():
        text = nbformat.writes(executed(path))
        files.append(File.generated(config, f"lesson/{path.stem}.ipynb", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """The page with what its code gives, and a link to it as a notebook."""
    path = HERE.parent / page.file.src_uri
    if path not in pages():
        return markdown
    settings = Config(
        {"TagRemovePreprocessor": {"enabled": True, **TAGS}, "ExtractOutputPreprocessor": {"enabled": False}}
    )
    exporter = MarkdownExporter(config=settings, extra_template_paths=[str(HERE)], template_file="page.md.j2")
    text, _resources = exporter.from_notebook_node(executed(path))
    return f"{text}\n\n[This page as a notebook]({path.stem}.ipynb){{ .notebook download }}\n"
