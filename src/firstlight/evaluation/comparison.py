"""`Comparison` of two classifiers on the same images, and `Comparisons` of several with one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from firstlight.characters import visible
from firstlight.errors import ArgumentError
from firstlight.evaluation.paired import smallest_shown
from firstlight.notebook import Shown, View, data_frame
from firstlight.tabular import Column, text_table
from firstlight.wording import p_number, p_value, plural, signed

if TYPE_CHECKING:
    import pandas

ALPHA = 0.05  # a difference with a p-value below this counts as shown
NOTHING = "no difference shown"


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """One classifier compared with another on the same images.

    The interval excludes 0 exactly where p is below 0.05: where p is corrected, so is the interval.

    Attributes:
        name: the classifier.
        against: the one that it is compared with.
        n: the number of images.
        difference: accuracy of ``name`` minus accuracy of ``against``.
        interval: of the difference, at ``level``, see `paired_interval`.
        only_this: images that are right by ``name`` only.
        only_other: images that are right by ``against`` only.
        p: exact two-sided McNemar; among several comparisons corrected by Holm's method.
        level: of the interval: 0.95 for a comparison alone, more where p is corrected.
        pairs: the number of comparisons that p and interval are corrected for; 1 for a comparison alone.
        verdict: ``"better"``, ``"worse"`` or ``"no difference shown"``.
        smallest_shown: the smallest difference that so many images show with 80 % power, see `smallest_shown`.

    Example:
        >>> import firstlight as fl
        >>> run = fl.climb(digits, rungs=["prior", "ink"])
        >>> found = fl.compare(run["ink"], against=run["prior"])
        >>> found.difference > 0, found.verdict in ("better", "no difference shown")
        (True, True)
    """

    name: str
    against: str
    n: int
    difference: float
    interval: tuple[float, float]
    only_this: int
    only_other: int
    p: float
    level: float = 1 - ALPHA
    pairs: int = 1

    def __post_init__(self) -> None:
        if not (0 <= min(self.only_this, self.only_other) <= self.only_this + self.only_other <= self.n and self.n):
            raise ArgumentError(
                f"{self.name} is compared with {self.against} on {self.n} images, {self.only_this} of them right by "
                f"the first only and {self.only_other} by the second only; pass counts that fit together."
            )
        if not (0 <= self.p <= 1 and 0 < self.level < 1 and self.pairs >= 1):
            raise ArgumentError(
                f"The comparison of {self.name} with {self.against} has p {self.p}, level {self.level} and "
                f"{self.pairs} pairs; p and level are between 0 and 1, and there is at least one pair."
            )

    @property
    def verdict(self) -> str:
        if self.p >= ALPHA:
            return NOTHING
        return "better" if self.difference > 0 else "worse"

    @property
    def smallest_shown(self) -> float:
        return smallest_shown(self.only_this + self.only_other, self.n, alpha=1 - self.level)

    @property
    def mirrored(self) -> Comparison:
        """The same comparison seen from the other classifier."""
        low, high = self.interval
        return replace(
            self,
            name=self.against,
            against=self.name,
            difference=-self.difference,
            interval=(-high, -low),
            only_this=self.only_other,
            only_other=self.only_this,
        )

    def __repr__(self) -> str:
        return visible(f"<Comparison: {self}>")

    def _view(self) -> View:
        return replace(Comparisons(self.against, (self,))._view(), title=repr(self))

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.name} against {self.against}: {self.difference:+.3f} [{signed(low)}, {signed(high)}]  "
            f"{self.only_this} : {self.only_other}  {p_value(self.p)}  {self.verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        about = {"verdict": self.verdict, "smallest_shown": self.smallest_shown}
        return asdict(self) | {"interval": list(self.interval)} | about

    def frame(self) -> pandas.DataFrame:
        """One row."""
        return Comparisons(self.against, (self,)).frame()


@dataclass(frozen=True, repr=False)
class Comparisons(Shown):
    """Several classifiers compared with one.

    Attributes:
        against: the one that the others are compared with.
        rows: one comparison each.

    Example:
        >>> import firstlight as fl
        >>> found = fl.compare(fl.climb(digits, rungs=["prior", "ink", "centroid-l2"]), against="prior")
        >>> [row.name for row in found.rows]
        ['ink', 'centroid-l2']
    """

    against: str
    rows: tuple[Comparison, ...]

    def __repr__(self) -> str:
        return visible(f"<Comparisons of {plural(len(self.rows), 'classifier')} with {self.against}>")

    def _view(self) -> View:
        cells = [(*vars(row).values(), row.verdict) for row in self.rows]
        columns = [*(vars(self.rows[0]) if self.rows else ()), "verdict"]
        rows = [[f"[{one[0]:+.3f}, {one[1]:+.3f}]" if isinstance(one, tuple) else one for one in row] for row in cells]
        return View(repr(self), columns, rows, remarks=self.legend)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, most: int | None = None) -> list[str]:
        """What is compared and how, and the table, whose lines have at most so many characters."""
        table = self.table(most)
        counts = (
            [f"a : b = images right by this rung only : right by {self.against} only."] if "a : b" in table[0] else []
        )
        return [self.legend, *counts, "", *table]

    @property
    def legend(self) -> str:
        """What is compared and how, in a sentence."""
        on = f" on the same {plural(self.rows[0].n, 'image')}" if self.rows else ""
        pairs = max((row.pairs for row in self.rows), default=1)
        corrected = f", p and interval corrected for all {pairs} pairs by Holm's method" if pairs > 1 else ""
        return f"Compared with {self.against}{on} (McNemar's exact test{corrected})."

    def table(self, most: int | None = None) -> list[str]:
        """The rows as lines of at most so many characters; where they are fewer, the counts are dropped first."""
        columns = [Column("rung"), Column("gain"), Column("95 % interval"), Column("a : b", rank=2), Column("p")]
        cells = [
            (
                *(row.name, f"{row.difference:+.3f}", f"[{signed(row.interval[0])}, {signed(row.interval[1])}]"),
                *(f"{row.only_this} : {row.only_other}", p_number(row.p), row.verdict),
            )
            for row in self.rows
        ]
        return text_table([*columns, Column("verdict", rank=1)], cells, most)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"against": self.against, "rows": [row.to_dict() for row in self.rows]}

    def frame(self) -> pandas.DataFrame:
        """One row a comparison; ``low`` and ``high`` are the ends of the interval."""
        rows = [row.to_dict() | {"low": row.interval[0], "high": row.interval[1]} for row in self.rows]
        columns = ["name", "against", "n", "difference", "low", "high", "only_this", "only_other", "p", "verdict"]
        return data_frame(rows, columns=[*columns, "level", "pairs", "smallest_shown"])
