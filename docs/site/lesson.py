"""Runs the lesson's pages while the site is built: code in, code with what it gives out; each also as a notebook."""

from __future__ import annotations

import copy
import hashlib
import re
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
ROW = re.compile(r"^.*\S {2,}\S.*", re.MULTILINE)
PHONE = 48  # characters of an output that a small screen shows side by side
TO_PAGE = re.compile(r"\]\((\d-[a-z-]+)\.md\)")
TO_REST = re.compile(r"\[([^\]]*)\]\(\.\./([a-z/-]+\.md)\)")  # a notebook has no such file next to it

# A cell that does not begin the page is left out of it, or only its code is.
TAGS = {"remove_cell_tags": ["remove-cell"], "remove_input_tags": ["hide-input"]}


def pages() -> list[Path]:
    """The nine pages in their order, and at the end the one that leads to them."""
    return sorted(LESSON.glob("*.md"))


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
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        startup_timeout=SECONDS,
        kernel_name="python3",
        coalesce_streams=True,
        extra_arguments=["--log-level=40"],
    )
    client.execute()
    for number, cell in enumerate(notebook.cells):  # the same page gives the same bytes
        cell.metadata.pop("execution", None)
        cell["id"] = hashlib.blake2b(f"{path.name} {number}".encode(), digest_size=4).hexdigest()
    return notebook


def at_home(text: str) -> str:
    """An output without the name of the reader's own folder."""
    return text.replace(str(Path.home()), "~")


def given_out(notebook: NotebookNode) -> NotebookNode:
    """The notebook for a reader: without the page's checks, the code of pictures folded, links that lead somewhere."""
    given = copy.deepcopy(notebook)
    given.cells = [cell for cell in given.cells if "remove-cell" not in cell.metadata.get("tags", [])]
    for cell in given.cells:
        if "hide-input" in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}
        if cell.cell_type == "markdown":
            cell.source = TO_REST.sub(r"\1 (`docs/\2`)", TO_PAGE.sub(r"](\1.ipynb)", cell.source))
        for output in cell.get("outputs", []):
            for part, name in ((output, "text"), (output.get("data", {}), "text/plain")):
                if name in part:
                    part[name] = at_home(part[name])
    return folded(given)


def folded(given: NotebookNode) -> NotebookNode:
    """The notebook with each cell of an answer folded by itself, since no fold reaches over several cells."""
    inside = False
    for cell in given.cells:
        if "<details" in cell.source:
            inside = "</details>" not in cell.source
            cell.source += "\n\n</details>" if inside else ""
        elif inside and cell.cell_type == "code":
            cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        elif inside:
            answer, end, rest = cell.source.partition("</details>")
            more = f"<details>\n<summary>The answer goes on</summary>\n\n{answer.strip()}\n\n</details>"
            cell.source = (f"{more}\n\n{rest}" if answer.strip() else rest).strip()
            inside = not end
    given.cells = [cell for cell in given.cells if cell.source]
    return given


def in_columns(text: str) -> bool:
    """Whether an output is an array, or a table wider than a phone, whose lines are not to be wrapped."""
    rows = ROW.findall(text)
    return text.startswith("array(") or (len(rows) > 1 and max(map(len, rows)) > PHONE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds each page as a notebook."""
    for path in pages():
        notebook = executed(path, config.extra["images"])
        files.append(File.generated(config, f"lesson/{path.stem}.ipynb", content=nbformat.writes(given_out(notebook))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """The page with what its code gives, and a link to it as a notebook."""
    path = HERE.parent / page.file.src_uri
    if path not in pages():
        return markdown
    settings = Config(
        {"TagRemovePreprocessor": {"enabled": True, **TAGS}, "ExtractOutputPreprocessor": {"enabled": False}}
    )
    exporter = MarkdownExporter(config=settings, extra_template_paths=[str(HERE)], template_file="page.md.j2")
    exporter.register_filter("in_columns", in_columns)
    exporter.register_filter("at_home", at_home)
    text, _resources = exporter.from_notebook_node(executed(path, config.extra["images"]))
    return f"{text}\n\n[This page as a notebook]({path.stem}.ipynb){{ .notebook download }}\n"
