"""`Table`: one row per image, nothing decoded; its classes, splits and fingerprint, and how it is saved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import booleans, dictionary, numbers, strings, to_numpy
from firstlight.atomic import new_file
from firstlight.cells import guarded_table
from firstlight.characters import visible
from firstlight.data.scanning.options import Scanning
from firstlight.errors import ArgumentError, DataError, require
from firstlight.notebook import Shown, View
from firstlight.parsing import parsed
from firstlight.wording import plural, shortened

if TYPE_CHECKING:
    import pandas

SPLITS = ("train", "validation", "test")

SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # path below the root with forward slashes, or the name inside the zip
        ("label", pa.dictionary(pa.int32(), pa.string())),  # index into the table's classes; null: not known
        ("split", pa.dictionary(pa.int8(), pa.string())),  # index into SPLITS; null: not split
        ("size", pa.int64()),  # bytes of the file
        ("modified", pa.int64()),  # ns since 1970, as the file system says
        ("digest", pa.string()),  # BLAKE2b-128 of the file's bytes, hexadecimal; null: not read yet
        ("problem", pa.string()),  # why the image cannot be used; null: none known
    ]
)


@dataclass(frozen=True, repr=False)
class Table(Shown):
    """One row per image of a folder, zip or list, with nothing decoded.

    Made by `scan`; passed on to `split` and `load`. The rows are an Arrow table, so that a million
    images need no million Python objects.

    Attributes:
        root: the folder or zip file, as an absolute path.
        rows: Arrow table with the columns of `SCHEMA`; the dictionary of ``label`` is ``classes`` and the
            dictionary of ``split`` is `SPLITS`.
        classes: the class names in sorted order; one list for all splits.
        layout: how the folder was understood, such as ``"root/split/class"``.
        notes: remarks on the folder, a sentence each.
        skipped: the number of skipped entries, by reason.
        source: what `scan` was given, as an absolute path: the root, or the list or saved table in it. Empty where
            the table comes from elsewhere.
        scanning: the options of `scan`, with which the source gives this table again.
        remedy: what would give the images classes, as the end of a sentence; empty where they have two or more.

    Example:
        >>> import firstlight as fl
        >>> table = fl.split(fl.scan(digits), test=0.2)
        >>> len(table), len(table.classes), list(table.counts())
        (1797, 10, ['train', 'validation', 'test'])
        >>> len(table.select("train").rows)
        10...
    """

    root: str
    rows: pa.Table
    classes: tuple[str, ...]
    layout: str = "root/class"
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    source: str = ""
    scanning: Scanning = field(default_factory=Scanning)
    remedy: str = ""

    @classmethod
    def build(
        cls,
        root: str,
        keys: Iterable[str] | pa.Array,
        *,
        classes: tuple[str, ...],
        labels: np.ndarray,
        splits: np.ndarray,
        columns: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> Table:
        """A table from plain columns.

        Args:
            root: the folder or zip file.
            keys: (N,) names below the root.
            classes: the class names in the order that ``labels`` counts in.
            labels: (N,) integers, index into ``classes``; -1 where the class is not known.
            splits: (N,) integers, index into `SPLITS`; -1 where there is no split.
            columns: any of ``size``, ``modified``, ``digest``, ``problem``; the rest is null.
            about: ``layout``, ``notes``, ``skipped``, ``source``.

        Returns:
            The table, rows in the order given.
        """
        keys = keys if isinstance(keys, pa.Array | pa.ChunkedArray) else strings(keys)
        given = dict(columns or {})
        arrays = [keys, _labels(labels, classes), _splits(splits)]
        for name in SCHEMA.names[3:]:
            value = given.pop(name, None)
            kind = SCHEMA.field(name).type
            arrays.append(pa.nulls(len(keys), kind) if value is None else _column(value, kind))
        if given:
            raise TypeError(f"no such columns: {sorted(given)}")
        return cls(root, pa.table(arrays, schema=SCHEMA), classes, **about)

    def __len__(self) -> int:
        return self.rows.num_rows

    @property
    def keys(self) -> list[str]:
        """The (N,) names below the root, as Python strings."""
        return self.rows["key"].to_pylist()

    @property
    def labels(self) -> np.ndarray:
        """(N,) int32: the index into ``classes``; -1 where the class is not known."""
        return to_numpy(self.rows["label"])

    @property
    def splits(self) -> np.ndarray:
        """(N,) int8: the index into `SPLITS`; -1 where the row has no split."""
        return to_numpy(self.rows["split"])

    def select(self, rows: str | Iterable[str] | np.ndarray) -> Table:
        """The table with some of its rows, in their order.

        Args:
            rows: the name of a split, several names, or an array of booleans (N,) or row numbers.

        Returns:
            A table with the same classes.

        Raises:
            ArgumentError: where a name is not that of a split.
        """
        if isinstance(rows, str):
            rows = (rows,)
        if not isinstance(rows, np.ndarray):
            wanted = list(rows)
            for name in wanted:
                if name not in SPLITS:
                    raise ArgumentError(f"{name!r} is not a split; choose from {', '.join(SPLITS)}.")
            rows = np.isin(self.splits, [SPLITS.index(name) for name in wanted])
        chosen = self.rows.filter(booleans(rows)) if rows.dtype == bool else self.rows.take(numbers(rows))
        return replace(self, rows=chosen)

    def with_columns(self, **columns: Any) -> Table:
        """The table with columns replaced.

        Args:
            columns: ``splits`` as (N,) indices into `SPLITS`, or any of ``size``, ``modified``, ``digest``,
                ``problem`` as values or an Arrow array.
        """
        rows = self.rows
        for name, value in columns.items():
            if name == "splits":
                name, array = "split", _splits(value)
            else:
                kind = SCHEMA.field(name).type
                array = _column(value, kind)
            rows = rows.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), array)
        return replace(self, rows=rows)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many images each split has of each class; rows without a split count under ``"all"``.

        Returns:
            ``{"train": {"3": 6131, "7": 6265}, ...}`` with the splits that have rows, in their order.
        """
        labels, splits = self.labels, self.splits
        found = {}
        for code, name in [*enumerate(SPLITS), (-1, "all")]:
            inside = labels[(splits == code) & (labels >= 0)]
            if (splits == code).any():
                each = np.bincount(inside, minlength=len(self.classes)).tolist()
                found[name] = dict(zip(self.classes, each, strict=True))
        return found

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b-128 over keys, labels, splits, sizes and classes: the same folder gives the same text.

        The times of the files do not count, so that a copy of the folder has the same fingerprint.
        """
        codes = (self.labels, self.splits)
        return self._hash(("key", "size"), json.dumps(self.classes).encode(), *(c.tobytes() for c in codes))

    @cached_property
    def stamp(self) -> str:
        """BLAKE2b-128 over root, keys, sizes and times: changes as soon as a file was written anew."""
        return self._hash(("key", "size", "modified"), self.root.encode())

    def _hash(self, columns: tuple[str, ...], *more: bytes) -> str:
        whole = hashlib.blake2b(digest_size=16)
        for name in columns:
            part = hashlib.blake2b(digest_size=16)  # of each column its own: chunks leave no trace
            lengths = hashlib.blake2b(digest_size=16)
            for chunk in self.rows[name].chunks:
                if pa.types.is_string(chunk.type):
                    lengths.update(to_numpy(pc.binary_length(chunk)).data)
                    start, end = _span(chunk)
                    part.update(memoryview(chunk.buffers()[2] or b"")[start:end])
                else:
                    part.update(np.ascontiguousarray(to_numpy(chunk)).data)
            whole.update(part.digest() + lengths.digest())
        for text in more:
            whole.update(hashlib.blake2b(text, digest_size=16).digest())
        return whole.hexdigest()

    def to_parquet(self, path: str | Path) -> None:
        """Writes the table as one Parquet file, atomically; `from_parquet` reads it back."""
        import pyarrow.parquet as parquet

        about: dict[str, Any] = {"root": self.root, "classes": self.classes, "layout": self.layout}
        about |= {"notes": self.notes, "skipped": dict(self.skipped), "source": self.source}
        rows = self.rows.replace_schema_metadata({b"firstlight.table": json.dumps(about).encode()})
        with new_file(Path(path), DataError) as part:
            parquet.write_table(rows, part, compression="zstd")

    @classmethod
    def from_parquet(cls, path: str | Path) -> Table:
        """Reads what `to_parquet` wrote.

        Raises:
            DataError: where the file is no table of Firstlight's.
        """
        import pyarrow.parquet as parquet

        try:
            with parquet.ParquetFile(path) as file:  # one file: no folder, no column from its path
                rows = file.read(use_threads=False)
            about = parsed((rows.schema.metadata or {})[b"firstlight.table"])
            rows = rows.replace_schema_metadata(None).cast(SCHEMA)
            classes = tuple(about["classes"])
            labels = _recode(rows["label"], classes)
            return cls.build(
                about["root"],
                rows["key"],
                classes=classes,
                labels=labels,
                splits=_recode(rows["split"], SPLITS),
                columns={name: rows[name].combine_chunks() for name in SCHEMA.names[3:]},
                layout=about["layout"],
                notes=tuple(about["notes"]),
                skipped=about["skipped"],
                source=about.get("source", ""),
            )
        except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
            raise DataError(
                f"{path} is not a table that Firstlight wrote; make it again with firstlight scan --out."
            ) from error

    def to_csv(self, path: str | Path) -> None:
        """Writes key, label, split, size, digest, problem and root as CSV with a header, atomically; `scan` reads it.

        Cells that a spreadsheet would run as formulas begin with an apostrophe, which `scan` removes.
        """
        import pyarrow.csv as csv

        roots = dictionary(np.zeros(len(self), np.int8), [self.root])
        rows = guarded_table(self.rows.drop_columns(["modified"]).append_column("root", roots))
        with new_file(Path(path), DataError) as part:
            csv.write_csv(rows, part)

    def save(self, path: str | Path) -> None:
        """Writes the table as Parquet or CSV, whichever the name says; `scan` reads both.

        Raises:
            ArgumentError: where the name ends in neither .parquet nor .csv.
            DataError: where it cannot be written.
        """
        (self.to_csv if saved_kind(path) == ".csv" else self.to_parquet)(path)

    def frame(self) -> pandas.DataFrame:
        """One row an image: key, label, split, size in bytes, modified (UTC), digest, problem."""
        with require("pandas", purpose="Data frames"):
            import pandas
        frame = self.rows.to_pandas()
        return frame.assign(modified=pandas.to_datetime(frame["modified"], unit="ns", utc=True))

    def __repr__(self) -> str:
        classes = plural(len(self.classes), "class", "classes")
        return visible(f"<Table: {plural(len(self), 'image')} of {classes} in {self.root or 'memory'} ({self.layout})>")

    def _view(self) -> View:
        counts = self.counts()
        rows = ((name, *(each[name] for each in counts.values())) for name in self.classes)
        skipped = [f"{count:,} skipped: {reason}" for reason, count in self.skipped.items()]
        return View(repr(self), ("class", *counts), rows, len(self.classes), [*skipped, *self.notes])

    def __str__(self) -> str:
        counted = f"{plural(len(self), 'image')} of {plural(len(self.classes), 'class', 'classes')}"
        lines = [f"{counted} in {visible(self.root)} ({self.layout})"]
        for split, counts in self.counts().items():
            shown = "  ".join(f"{shortened(visible(name), 40)} {count:,}" for name, count in list(counts.items())[:10])
            more = f"  and {len(counts) - 10} more classes" if len(counts) > 10 else ""
            lines.append(f"  {split:<11}{sum(counts.values()):>8,}   {shown}{more}")
        lines += [f"  skipped    {count:>8,}   {visible(reason)}" for reason, count in self.skipped.items()]
        return "\n".join([*lines, *(f"  note: {visible(note)}" for note in self.notes)])


def saved_kind(path: str | Path) -> str:
    """The kind of file in which a table is saved under this name.

    Raises:
        ArgumentError: where the name ends in neither .parquet nor .csv.

    Example:
        >>> saved_kind("photos.CSV")
        '.csv'
    """
    kind = Path(path).suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise ArgumentError(
            f"{path} ends in neither .parquet nor .csv, the kinds in which a table is saved; rename it."
        )
    return kind


def _labels(codes: np.ndarray, classes: Iterable[str]) -> pa.DictionaryArray:
    return dictionary(np.asarray(codes, np.int32), classes)


def _splits(codes: np.ndarray) -> pa.DictionaryArray:
    return dictionary(np.asarray(codes, np.int8), SPLITS)


def _column(value: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value
    return numbers(value) if isinstance(value, np.ndarray) and value.dtype != object else pa.array(value, kind)


def _recode(column: pa.ChunkedArray, names: tuple[str, ...]) -> np.ndarray:
    return to_numpy(pc.index_in(column.cast(pa.string()), strings(names)))


def _span(chunk: pa.Array) -> tuple[int, int]:
    """The first and the last byte that a string chunk uses of its buffer."""
    if not len(chunk):
        return 0, 0
    offsets = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    return int(offsets[0]), int(offsets[-1])
