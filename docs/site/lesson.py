"""Runs the lesson's pages while the site is built: code in, code with what it gives out; each also as a notebook."""

from __future__ import annotations

import copy
import hashlib
import re
import textwrap
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
EMBEDDED = "digits_sample"  # comes with the installation
SECONDS = 300  # a cell may take
COLUMNS = 88  # of an output, so that it need not be moved sideways on a wide screen
TABLE = re.compile(r"\S {2,}\S")  # a line of a table is left as it is

# A cell that does not begin the page is left out of it, or only its code is.
TAGS = {"remove_cell_tags": ["remove-cell"], "remove_input_tags": ["hide-input"]}


def pages() -> list[Path]:
    """The pages that hold code, in their order."""
    return sorted(path for path in LESSON.glob("*.md") if path.name[0].isdigit())


@cache
def executed(path: Path, images: str = EMBEDDED) -> NotebookNode:
    """A page as a notebook that was run from its first cell to its last.

    Args:
        path: of the page.
        images: the dataset that it is told with, as ``fl.get`` takes it: a name, an address or an archive.

    Raises:
        CellExecutionError: where a cell fails.
    """
    notebook = jupytext.read(path)
    for cell in notebook.cells:
        cell.source = cell.source.replace(f'fl.get("{EMBEDDED}")', f'fl.get("{images}")')
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", extra_arguments=["--log-level=40"])
    client.execute()
    for number, cell in enumerate(notebook.cells):  # the same page gives the same bytes
        cell.metadata.pop("execution", None)
        cell["id"] = hashlib.blake2b(f"{path.name} {number}".encode(), digest_size=4).hexdigest()
    return notebook


def for_reading(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the long sentences of its outputs folded, and the reader's folders without a name."""
    shown = copy.deepcopy(notebook)
    for output in (output for cell in shown.cells for output in cell.get("outputs", [])):
        if "text" in output:
            lines = output.text.replace(str(Path.home()), "~").splitlines()
            output.text = "\n".join(line if TABLE.search(line) else folded(line) for line in lines)
    return shown


def folded(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(line, COLUMNS, initial_indent="", subsequent_indent=indent, break_long_words=False)


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
    text, _resources = exporter.from_notebook_node(for_reading(executed(path)))
    return f"{text}\n\n[This page as a notebook]({path.stem}.ipynb){{ .notebook download }}\n"
