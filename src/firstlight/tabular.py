"""Tables as text: aligned columns, of which the least important are dropped where a line would be too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from firstlight.characters import columns_of, padded, visible


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its head.
        width: characters; at least those of its head.
        right: whether cells are aligned to the right.
        rank: 0 for a column that is never dropped; of the others the lowest rank is shown first.
    """

    name: str
    width: int = 0
    right: bool = False
    rank: int = 0

    def cell(self, text: str) -> str:
        """A text in this column's width; characters that a terminal would act on are written out."""
        return padded(visible(text), max(self.width, columns_of(visible(self.name))), right=self.right)


@dataclass(frozen=True)
class TextTable:
    """Lines of a table whose widths are known before its first row.

    Attributes:
        columns: from left to right.
        most: characters of a line; None for as many as there are.

    Example:
        >>> table = TextTable((Column("rung", 8), Column("n", 5, right=True), Column("remark", rank=1)), most=16)
        >>> print(table.head, table.line(["prior", "357", "simple"]), sep="\\n")
        rung          n
        prior       357
    """

    columns: tuple[Column, ...]
    most: int | None = None

    @cached_property
    def shown(self) -> list[int]:
        """The places of the columns that are not dropped."""
        shown: list[int] = []
        for place in sorted(range(len(self.columns)), key=lambda place: self.columns[place].rank):
            more = sorted([*shown, place])
            width = columns_of(self._line(more, [""] * len(self.columns)))
            if self.most is None or width <= self.most or not self.columns[place].rank:
                shown = more
        return shown

    @property
    def head(self) -> str:
        """The names of the columns."""
        return self.line([column.name for column in self.columns])

    def line(self, cells: Sequence[str]) -> str:
        """A row, from one cell for each column."""
        return self._line(self.shown, cells).rstrip()

    def _line(self, shown: Sequence[int], cells: Sequence[str]) -> str:
        return "  ".join(self.columns[place].cell(cells[place]) for place in shown)


def text_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], most: int | None = None) -> list[str]:
    """The lines of a table, its columns as wide as their widest cell.

    Example:
        >>> lines = text_table([Column("rung"), Column("p")], [("prior", "0.171"), ("centroid-l1", "<0.001")])
        >>> print(*lines, sep="\\n")
        rung         p
        prior        0.171
        centroid-l1  <0.001
    """
    shown = ([columns_of(visible(cell)) for cell in cells] for cells in zip(*rows, strict=True))
    widths = [max(cells) for cells in shown] if rows else [0] * len(columns)
    fitted = (replace(column, width=width) for column, width in zip(columns, widths, strict=True))
    table = TextTable(tuple(fitted), most)
    return [table.head, *map(table.line, rows)]
