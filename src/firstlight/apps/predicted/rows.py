"""Predictions as rows: the same columns on the terminal, in CSV, Parquet and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from firstlight.apps.predicted.stream import Batch
from firstlight.arrow import numbers, strings
from firstlight.characters import visible
from firstlight.models.exporting.session import in_distribution
from firstlight.tabular import Column, TextTable

if TYPE_CHECKING:
    from firstlight.models.exporting.session import Answer

WIDEST = 60  # characters; a longer path shifts its row to the right
OUTSIDE = "out-of-distribution"


@dataclass(frozen=True)
class Columns:
    """Which columns there are.

    Attributes:
        about: the model's document.
        top: how many classes are listed per image, the most probable first.
        probabilities: whether there are columns for all classes' probabilities and distances.
        truth: whether there is a column with the class from the folder or list.
    """

    about: Mapping[str, Any]
    top: int = 1
    probabilities: bool = False
    truth: bool = False

    @property
    def classes(self) -> list[str]:
        """The class names."""
        return list(self.about["classes"])

    @property
    def distances(self) -> bool:
        """Whether the model has distances."""
        return "distances" in self.about["outputs"]

    @property
    def schema(self) -> pa.Schema:
        """``path``, ``label``, ``probability``, ``label_2``, ``probability_2`` and so on, ``distance`` to the label's
        ideal image, ``in_distribution``, ``truth``, ``problem``, ``probability/3`` and ``distance/3`` of a class 3."""
        text, number = pa.string(), pa.float32()
        fields = [("path", text)]
        for place in range(min(self.top, len(self.classes))):
            fields += [(f"{name}{_place(place)}", kind) for name, kind in (("label", text), ("probability", number))]
        if self.distances:
            fields.append(("distance", number))
        fields.append(("in_distribution", pa.bool_()))
        if self.truth:
            fields.append(("truth", text))
        fields.append(("problem", text))
        if self.probabilities:
            fields += [(f"probability/{name}", number) for name in self.classes]
        if self.probabilities and self.distances:
            fields += [(f"distance/{name}", number) for name in self.classes]
        return pa.schema(fields)

    def table(self, batch: Batch) -> pa.Table:
        """The rows of some images."""
        there = np.array([problem is None for problem in batch.problems])
        values: dict[str, Any] = {"path": strings(batch.paths), "problem": strings(batch.problems)}
        if self.truth:
            values["truth"] = strings(batch.truths)
        if batch.answer is not None:
            values |= {name: _spread(column, there) for name, column in self._of(batch.answer)}
        nothing = len(there)
        return pa.table([values.get(one.name, pa.nulls(nothing, one.type)) for one in self.schema], schema=self.schema)

    def _of(self, answer: Answer) -> Iterator[tuple[str, np.ndarray | list[str]]]:
        """The columns of the readable images, each with its name."""
        rows, shares, labels = np.arange(len(answer.labels)), answer.probabilities, answer.labels
        first = shares.copy()
        first[rows, labels] = np.inf  # float32 may hold two equal shares where the scores differ
        order = np.argsort(-first, axis=1, kind="stable")
        for place in range(min(self.top, len(self.classes))):
            chosen = order[:, place]
            yield f"label{_place(place)}", [self.classes[label] for label in chosen]
            yield f"probability{_place(place)}", shares[rows, chosen]
        yield "in_distribution", in_distribution(self.about, answer)
        every = {"probability": shares} if self.probabilities else {}
        if answer.distances is not None:
            yield "distance", answer.distances[rows, labels]
            every |= {"distance": answer.distances} if self.probabilities else {}
        for kind, values in every.items():
            yield from ((f"{kind}/{name}", values[:, at]) for at, name in enumerate(self.classes))

    def lines(self, table: pa.Table) -> Iterator[str]:
        """A JSON object for each row."""
        for row in table.to_pylist():
            yield json.dumps(self.record(row), ensure_ascii=False, allow_nan=False)

    def record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row as one nested value: ``top``, ``probabilities`` and ``distances`` where they were requested."""
        values = {name: _seven_digits(value) for name, value in row.items()}
        plain = {name: values[name] for name in ("path", "label", "probability")}
        if self.top > 1:
            places = [_place(place) for place in range(min(self.top, len(self.classes)))]
            named = [{name: values[f"{name}{place}"] for name in ("label", "probability")} for place in places]
            plain["top"] = None if values["label"] is None else named
        plain |= {name: values[name] for name in ("distance", "in_distribution", "truth") if name in values}
        for kind, name in (("probability", "probabilities"), ("distance", "distances")):
            every = {one: values[f"{kind}/{one}"] for one in self.classes if f"{kind}/{one}" in values}
            if every:
                plain[name] = None if values["label"] is None else every
        return plain | {"problem": values["problem"]}


@dataclass(frozen=True)
class Screen:
    """A table on the terminal, whose widths are known before its first row.

    Attributes:
        schema: its columns.
        widest: columns of the longest path.
        longest: columns of the longest class name.
    """

    schema: pa.Schema
    widest: int
    longest: int

    @cached_property
    def table(self) -> TextTable:
        """A column for each field that is shown, and one for the remark at the end of a line."""
        return TextTable((*map(self._column, self._shown), Column("")))

    def lines(self, table: pa.Table) -> Iterator[str]:
        """A line for each row; an out-of-distribution image is marked at its end."""
        for row in table.to_pylist():
            if row["problem"] is not None:
                yield f"{self.table.columns[0].cell(row['path'])}  cannot be read: {visible(row['problem'])}"
                continue
            cells = [self._cell(one, row[one.name]) for one in self._shown]
            yield self.table.line([*cells, "" if row["in_distribution"] else OUTSIDE])

    @property
    def _shown(self) -> list[pa.Field]:
        return [one for one in self.schema if one.name not in ("in_distribution", "problem")]

    def _column(self, field: pa.Field) -> Column:
        """The column of a field; a number's is as wide as its name."""
        is_number = pa.types.is_floating(field.type)
        wide = 5 if is_number else min(self.widest if field.name == "path" else self.longest, WIDEST)
        return Column(field.name, wide, right=is_number)

    def _cell(self, field: pa.Field, value: Any) -> str:
        return f"{value:.3f}" if pa.types.is_floating(field.type) else value or "-"


def _place(place: int) -> str:
    return f"_{place + 1}" if place else ""


def _spread(values: np.ndarray | list[str], there: np.ndarray) -> pa.Array:
    """A column of all N images from the values of the readable ones."""
    if isinstance(values, list):
        texts = iter(values)
        return strings(next(texts) if one else None for one in there)
    whole = np.zeros(len(there), np.uint8 if values.dtype == bool else np.float32)
    whole[there] = values
    column = numbers(whole, there)
    return column.cast(pa.bool_()) if values.dtype == bool else column


def _seven_digits(value: Any) -> Any:
    """float32 has no more digits; JSON would write seventeen."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
