"""What a notebook shows of a value: `Shown`, HTML in which every text is escaped; `data_frame()`, its table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

from firstlight.characters import visible
from firstlight.errors import require

if TYPE_CHECKING:
    import pandas

MOST_ROWS = 20


@dataclass(frozen=True)
class View:
    """A heading, a table below it, and sentences below that.

    Attributes:
        title: the heading.
        columns: the names of the columns; empty where there is no table.
        rows: the cells, as long as the columns; only the first are shown.
        total: how many rows there are in all; 0 where all are given.
        remarks: sentences.

    Example:
        >>> print(View("Classes", ("class",), [("<b>",)]).html())
        <div><strong>Classes</strong><table><tr><th>class</th></tr><tr><td>&lt;b&gt;</td></tr></table></div>
    """

    title: str
    columns: Sequence[str] = ()
    rows: Iterable[Sequence[object]] = ()
    total: int = 0
    remarks: Sequence[str] = ()

    def html(self) -> str:
        """The view as HTML without styles and scripts."""
        shown = list(islice(self.rows, MOST_ROWS + 1))
        total = max(self.total, len(shown))
        more = [f"and {total - MOST_ROWS:,} more"] if total > MOST_ROWS else []
        lines = [_line("th", self.columns), *(_line("td", row) for row in shown[:MOST_ROWS])] if self.columns else []
        table = f"<table>{''.join(lines)}</table>" if lines else ""
        remarks = "".join(f"<p>{_text(one)}</p>" for one in [*more, *self.remarks])
        return f"<div><strong>{_text(self.title)}</strong>{table}{remarks}</div>"


class Shown:
    """A value that notebooks show as a heading with a table."""

    def _view(self) -> View:
        return View(repr(self))

    def _repr_html_(self) -> str:
        return self._view().html()


def data_frame(rows: Any, columns: Sequence[str] | None = None) -> pandas.DataFrame:
    """Rows, or columns by name, as a data frame; where pandas is missing, the error is the line that installs it."""
    with require("pandas", purpose="Data frames"):
        import pandas
    return pandas.DataFrame(rows, columns=columns)


def _line(tag: str, cells: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(cell)}</{tag}>' for cell in cells)}</tr>"


def _text(value: object) -> str:
    """A number with three decimals, nothing for None, else the text, escaped."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return escape(visible(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value))
