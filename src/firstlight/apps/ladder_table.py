"""The ladder on the terminal: a line for each rung, as wide as the terminal allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from firstlight.characters import columns_of, cut, visible
from firstlight.evaluation.metrics import Recall
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult
from firstlight.tabular import Column, TextTable
from firstlight.wording import plural, rough

NAME_WIDTH = 15  # of centroid-cosine, the longest name that a ladder has by default
CLASS_COLUMNS = 4  # up to so many classes each has a column of recall; of more the lowest recall is shown
RECALL = 1  # rank of its columns
LONGEST = 20  # characters of a class name next to its recall


@dataclass(frozen=True)
class LadderTable:
    """The table of a climb, whose rows are printed one by one.

    Attributes:
        classes: the class names.
        most: characters of a line; None for as many as there are.
    """

    classes: Sequence[str]
    most: int | None = None

    @cached_property
    def by_class(self) -> bool:
        """Whether each class has a column of recall."""
        table = self._table(by_class=True)
        fits = all(place in table.shown for place, column in enumerate(table.columns) if column.rank == RECALL)
        return len(self.classes) <= CLASS_COLUMNS and fits

    @cached_property
    def table(self) -> TextTable:
        """The columns."""
        return self._table(self.by_class)

    def head(self, first: RungResult) -> list[str]:
        """What was measured, and the names of the columns."""
        n, split = first.metrics.n, first.metrics.split
        about = f"Accuracy on {plural(n, f'{split} image')} with 95 % interval; gain over the rung before:"
        return [about, "", self.table.head]

    def line(self, rung: RungResult, before: RungResult | None = None) -> str:
        """One rung, with its gain over the rung before; whether that is shown depends on the rungs to come."""
        seen, (low, high) = rung.metrics, rung.metrics.interval
        gain = "" if before is None else f"{seen.accuracy - before.metrics.accuracy:+.3f}"
        cells = [rung.name, f"{seen.accuracy:.3f}", f"{low:.3f} {high:.3f}", gain]
        cells += [*self._recalls(seen.recall), rough(rung.seconds.fit)]
        return self.table.line([*cells, rough(rung.seconds.predict / seen.n)])

    def _recalls(self, classes: Mapping[str, Recall]) -> list[str]:
        recall = {name: one.recall for name, one in classes.items() if one.recall is not None}
        if self.by_class:
            return [f"{recall[name]:.3f}" if name in recall else "-" for name in classes]
        lowest = min(recall, key=lambda name: recall[name])
        return [f"{recall[lowest]:.3f} ({cut(visible(lowest), LONGEST)})"]

    def _table(self, by_class: bool) -> TextTable:
        widest = len("0.000 ()") + min(LONGEST, max(columns_of(visible(name)) for name in self.classes))
        recalls = [Column(cut(visible(name), 6), 5, rank=RECALL) for name in self.classes]
        columns = (
            Column("rung", NAME_WIDTH),
            Column("accuracy"),
            Column("interval", len("0.000 0.000")),
            Column("gain", len("+0.000")),
            *(recalls if by_class else [Column("lowest recall", widest, rank=RECALL)]),
            Column("fit", len("120 min"), right=True, rank=2),
            Column("per image", right=True, rank=3),
        )
        return TextTable(columns, self.most)


def comparison_lines(run: Run, most: int | None) -> list[str]:
    """Every other rung compared with the advised one; none where there is one rung only."""
    if run.advice is None or not run.advice.comparisons:
        return []
    return ["", *run.advice.compared.lines(most)]
