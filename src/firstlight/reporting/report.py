"""`report()`: a run folder -> one HTML file that can be mailed; it needs neither the images nor torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.atomic import new_file
from firstlight.errors import ArgumentError, RunError
from firstlight.reporting.chapters import content
from firstlight.runs.evidence_file import read_evidence
from firstlight.runs.folder import read_run
from firstlight.runs.results import Run

if TYPE_CHECKING:
    from jinja2 import Template

REPORT = "report.html"  # inside the run folder, unless another path is passed


def report(run: Run | str | Path, path: str | Path | None = None) -> Path:
    """Writes the report of a run: advice, ladder, classes, data, decisions, and how each rung decided.

    The page needs no network and no scripts, and can be mailed or printed.

    Args:
        run: what `climb` gave with ``out=``, or its folder.
        path: the HTML file, which is replaced if it exists; ``report.html`` in the run folder where left out.

    Returns:
        The path of the report.

    Raises:
        RunError: where the folder is not a run folder, the run is not finished, or the file cannot be written.
        ArgumentError: where the path has another suffix than .html.

    Example:
        >>> import tempfile
        >>> import firstlight as fl
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = fl.climb(digits, rungs=["prior", "centroid"], out=f"{folder}/digits")
        ...     fl.report(run).name
        'report.html'
    """
    if not isinstance(run, Run):
        run = read_run(run)
    if path is None and run.path is None:
        raise ArgumentError("The run has no folder, so the report needs a path; pass path=.")
    target = Path(path) if path is not None else Path(str(run.path)) / REPORT
    if target.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"{target} is not the name of a web page; give it the ending .html.")
    page = render(run)
    with new_file(target, RunError) as part:
        part.write_text(page, encoding="utf-8", errors="backslashreplace")  # names of files may not be UTF-8
    return target


def render(run: Run) -> str:
    """The report as text.

    Args:
        run: a finished run.

    Raises:
        RunError: where the run is not finished, or its evidence cannot be read.
    """
    if not run.finished:
        raise RunError(f"{run.path or 'The run'} is not finished, so there is no advice yet; repeat the climb.")
    return _template().render(**content(run, read_evidence(run)))


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = lambda value: f"{value:.3f}"
    return environment.get_template("report.html")
