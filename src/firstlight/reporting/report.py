"""`report()`: a run folder -> one HTML file that can be mailed; nothing else is needed, torch least of all."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.atomic import new_file
from firstlight.errors import ArgumentError, RunError
from firstlight.reporting.chapters import content
from firstlight.runs.evidence import read_evidence
from firstlight.runs.folder import read_run
from firstlight.runs.results import Run

if TYPE_CHECKING:
    from jinja2 import Template

REPORT = "report.html"  # inside the run folder, where no other place is asked for


def report(run: Run | str | Path, path: str | Path | None = None) -> Path:
    """Writes the report of a run: advice, ladder, classes, data, decisions, and how each rung decided.

    The page asks nothing of the network, works without scripts, and can be mailed or printed.

    Args:
        run: what `climb` gave with ``out=``, or its folder.
        path: the HTML file; ``report.html`` in the run folder where left out. A report that stands there is
            replaced; another kind of file is not.

    Returns:
        Where it was written.

    Raises:
        RunError: where the folder is no run, is not finished, or cannot be written to.
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
        raise ArgumentError("The run was not written to a folder, so the report has no place; pass path=.")
    target = Path(path) if path is not None else Path(str(run.path)) / REPORT
    if target.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"{target} is no name for a web page; give it the ending .html.")
    page = render(run)
    with new_file(target, RunError) as part:
        part.write_text(page, encoding="utf-8")
    return target


def render(run: Run) -> str:
    """The report as text.

    Args:
        run: finished, with its folder where there is evidence.

    Raises:
        RunError: where the run is not finished, or its evidence cannot be read.
    """
    if not run.finished:
        raise RunError(f"{run.path or 'The run'} is not finished, so there is nothing to advise yet; climb it again.")
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
