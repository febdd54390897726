"""Counts of predictions, and the summary at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.characters import visible
from firstlight.evaluation.uncertainty import mean_of_shares, wilson

NAMED = 3  # of the images that cannot be read


class Tally:
    """Counts of rows; its size does not depend on their number.

    Attributes:
        images: how many rows there were.
        unreadable: of these, how many have a problem.
        out_of_distribution: how many are unlike the images that the model was measured on.
        known: how many have a true class that the model knows.
        correct: of these, how many were predicted correctly.
        named: the first few with a problem, each with its reason.
    """

    def __init__(self) -> None:
        self.images = self.unreadable = self.out_of_distribution = self.known = self.correct = 0
        self.named: list[str] = []
        self.of: Counter[str] = Counter()  # images of each true class
        self.found: Counter[str] = Counter()  # of these, those that were predicted correctly

    def add(self, rows: pa.Table) -> None:
        """Adds some rows to the counts."""
        bad = rows.filter(pc.is_valid(rows["problem"])).slice(0, NAMED - len(self.named))
        self.named += [f"{row['path']}: {row['problem']}" for row in bad.select(["path", "problem"]).to_pylist()]
        self.images += len(rows)
        self.unreadable += len(rows) - rows["problem"].null_count
        self.out_of_distribution += pc.sum(pc.invert(rows["in_distribution"])).as_py() or 0
        if "truth" in rows.column_names:
            right = pc.equal(rows["label"], rows["truth"])
            self.of.update(rows["truth"].filter(pc.is_valid(right)).to_pylist())
            self.found.update(rows["truth"].filter(right).to_pylist())
            self.known, self.correct = self.of.total(), self.found.total()

    def to_dict(self) -> dict[str, Any]:
        """As plain values; ``measured`` has the accuracies where true classes are known, else it is None."""
        about: dict[str, Any] = {name: getattr(self, name) for name in ("images", "unreadable", "out_of_distribution")}
        if not self.known:
            return about | {"measured": None}
        found, of = np.array([(self.found[name], count) for name, count in self.of.items()]).T
        measured = {
            "n": self.known,
            "accuracy": self.correct / self.known,
            "interval": [float(end) for end in wilson(self.correct, self.known)],
            "balanced_accuracy": float((found / of).mean()),
            "balanced_accuracy_interval": list(mean_of_shares(found, of)),
        }
        return about | {"measured": measured}

    def lines(self, name: str) -> Iterator[str]:
        """The summary for the model with this name."""
        if self.unreadable:
            more = "; ..." if self.unreadable > len(self.named) else ""
            first = "; ".join(map(visible, self.named))
            yield f"{self.unreadable:,} of {self.images:,} images cannot be read: {first}{more}"
        if self.out_of_distribution:
            yield f"{self.out_of_distribution:,} of {self.images:,} images are out-of-distribution for {name}."
        if measured := self.to_dict()["measured"]:
            low, high = measured["interval"]
            yield f"{name}: accuracy {measured['accuracy']:.3f} [{low:.3f}, {high:.3f}]  n={self.known:,}"
            low, high = measured["balanced_accuracy_interval"]
            yield f"balanced accuracy (mean recall) {measured['balanced_accuracy']:.3f} [{low:.3f}, {high:.3f}]"
