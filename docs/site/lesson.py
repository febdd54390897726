"""Runs the lesson's pages while the site is built: code in, code with what it gives out; each also as a notebook."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import re
import sys
import tempfile
from functools import cache
from importlib.metadata import distributions
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

import firstlight
from firstlight.atomic import new_file
from firstlight.data.fetching.download import data_folder, get
from firstlight.data.fetching.reach import at_hand
from firstlight.errors import DownloadError

HERE = Path(__file__).parent
LESSON = HERE.parent / "lesson"
EXECUTIONS = HERE.parent.parent / "build" / "lesson"
EMBEDDED = "digits_sample"  # comes with the installation
CHAPTER = "mnist_sample"
SECONDS = 300  # a cell may take
ROW = re.compile(r"^.*\S {2,}\S.*", re.MULTILINE)
PHONE = 48  # characters of an output that a small screen shows side by side
TO_PAGE = re.compile(r"\]\((\d+-[a-z-]+)\.md\)")
TO_REST = re.compile(r"\[([^\]]*)\]\(\.\./([a-z/-]+\.md)\)")  # a notebook has no such file next to it

# A cell that does not begin the page is left out of it, or only its code is.
TAGS = {"remove_cell_tags": ["remove-cell"], "remove_input_tags": ["hide-input"]}


def pages() -> list[Path]:
    """The pages in their order, and at the end the one that leads to them."""
    return sorted(LESSON.glob("*.md"), key=lambda path: (path.stem.partition("-")[0].rjust(2), path.stem))


def images() -> str:
    """The dataset of the lesson: the chapter's where it was fetched before, else the embedded digits."""
    with contextlib.suppress(DownloadError):  # where a folder of that name came from elsewhere
        if at_hand(CHAPTER):
            get(CHAPTER, progress=False)
            return CHAPTER
    return EMBEDDED


def executed(path: Path, images: str = EMBEDDED) -> NotebookNode:
    """A page as a notebook that was run from its first cell to its last, in an empty folder.

    A page is run once: what it gave is read again as long as the page, the package, the versions of what it uses and
    the place of the data are the same. The cells that check the page leave no name behind, so the page runs without
    them too.

    Args:
        path: of the page.
        images: the dataset that it is told with, as ``fl.get`` takes it: a name, an address or an archive.

    Raises:
        CellExecutionError: where a cell fails.
        RuntimeError: where it leaves a file in its folder.
    """
    entry = EXECUTIONS / f"{path.stem}-{_key(path, images)}.ipynb"
    with contextlib.suppress(OSError, ValueError):
        digest, text = entry.read_text("utf-8").split("\n", 1)
        if digest == _digest(text.encode()):  # whole, as it was written
            return nbformat.reads(text, as_version=4)
    text = nbformat.writes(_run(path, images))
    entry.parent.mkdir(parents=True, exist_ok=True)
    with new_file(entry) as part:
        part.write_text(f"{_digest(text.encode())}\n{text}", "utf-8")
    return nbformat.reads(text, as_version=4)


def _digest(data: bytes, size: int = 16) -> str:
    return hashlib.blake2b(data, digest_size=size).hexdigest()


def _key(path: Path, images: str) -> str:
    """Of all that what a page gives out depends on; the dataset only where the page has one."""
    page = path.read_bytes()
    has_images = f'fl.get("{EMBEDDED}")'.encode() in page
    parts = [
        page,
        Path(__file__).read_bytes(),
        f"{images if has_images else ''} {data_folder()} {sys.version}".encode(),
        _code(),
    ]
    return _digest(b"".join(_digest(part).encode() for part in parts))


@cache
def _code() -> bytes:
    """The package, and the versions of all others that are installed."""
    home = Path(firstlight.__file__).parent
    files = sorted(path for path in home.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    versions = sorted(f"{one.name} {one.version}" for one in distributions())
    return "\n".join(
        [*(f"{path.relative_to(home)} {_digest(path.read_bytes())}" for path in files), *versions]
    ).encode()


def _run(path: Path, images: str) -> NotebookNode:
    """The page, run by a kernel of its own."""
    notebook = jupytext.read(path)
    sources = [cell.source.replace(f'fl.get("{EMBEDDED}")', f'fl.get("{images}")') for cell in notebook.cells]
    for cell, source in zip(notebook.cells, sources, strict=True):
        check = "remove-cell" in cell.metadata.get("tags", [])
        cell.source = f"exec({source!r}, dict(globals()))" if check else source
    with tempfile.TemporaryDirectory() as empty:
        NotebookClient(
            notebook,
            timeout=SECONDS,
            startup_timeout=SECONDS,
            kernel_name="python3",
            coalesce_streams=True,
            extra_arguments=["--log-level=40"],
            resources={"metadata": {"path": empty}},
        ).execute()
        if left := [one.name for one in Path(empty).iterdir()]:
            raise RuntimeError(f"{path.name} leaves {left} where it runs.")
    for number, (cell, source) in enumerate(zip(notebook.cells, sources, strict=True)):
        cell.source = source
        cell.metadata.pop("execution", None)  # the same page gives the same bytes
        cell["id"] = _digest(f"{path.name} {number}".encode(), size=4)
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
        notebook = executed(path, images())
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
    text, _resources = exporter.from_notebook_node(executed(path, images()))
    return f"{text}\n\n[This page as a notebook]({path.stem}.ipynb){{ .notebook download }}\n"
