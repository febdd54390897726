"""A file of predictions that grows in parts (OUT.parts next to OUT), so that a stopped command can resume."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from firstlight.apps.predicted.rows import Columns
from firstlight.atomic import new_file
from firstlight.cells import guarded_table
from firstlight.errors import RunError
from firstlight.parsing import parsed

ABOUT = "_about.json"  # readers of Parquet folders pass over names that begin so
PART_ROWS = 1 << 14
PART_SECONDS = 2.0  # of work that is lost at most

Write = Callable[[pa.Table], None]


class Parts:
    """The folder of parts of an unfinished file; each part is complete or does not exist.

    Args:
        out: the file; its suffix decides the format.
        columns: the columns of its rows.
        about: what must be the same when resuming: ``model``, ``options``, ``images``, each as a text.

    Raises:
        RunError: where the existing parts belong to another model, other options or other images.
    """

    def __init__(self, out: Path, columns: Columns, about: dict[str, str]) -> None:
        self.out, self.columns = out, columns
        self.folder = out.with_name(f"{out.name}.parts")
        self._pending: list[pa.Table] = []
        self._since = time.monotonic()
        self._begin(about)
        self.done = max([0, *(last for _, last in self._chain())])

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is KeyboardInterrupt:
            self._flush()

    def add(self, rows: pa.Table) -> None:
        """Takes the next rows, and writes a part when there are enough."""
        self._pending.append(rows)
        waiting = sum(map(len, self._pending))
        if waiting >= PART_ROWS or time.monotonic() - self._since >= PART_SECONDS:
            self._flush()

    def finish(self, total: int, watch: Callable[[pa.Table], None]) -> None:
        """Joins the parts into the file, passes each to ``watch``, and removes them at the end.

        Raises:
            RunError: where parts of the ``total`` rows are missing.
        """
        self._flush()
        chain = list(self._chain())
        if sum(last - first for first, last in chain) != total:
            raise RunError(f"{self.folder} has missing or foreign parts; run the same command again.")
        with WRITERS[self.out.suffix.lower()](self.out, self.columns) as write:
            for first, last in chain:
                rows = self._read(first, last)
                watch(rows)
                write(rows)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, about: dict[str, str]) -> None:
        file = self.folder / ABOUT
        try:
            found = parsed(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):  # the latter: said where the first file is written
            with new_file(file, RunError) as part:
                part.write_text(json.dumps(about, indent=1), encoding="utf-8")
            return
        except (OSError, ValueError) as error:
            raise RunError(f"{self.folder} is no unfinished prediction; move it, or choose another --out.") from error
        other = [name for name in about if not isinstance(found, dict) or found.get(name) != about[name]]
        if other:
            raise RunError(
                f"{self.folder} is an unfinished prediction with another {' and other '.join(other)}; "
                "finish it with its own command, delete the folder, or choose another --out."
            )

    def _chain(self) -> Iterator[tuple[int, int]]:
        """The consecutive parts from row 0 on, as their first row and the one after their last."""
        there: dict[int, int] = {}
        for path in sorted(self.folder.glob("[0-9]*-[0-9]*.parquet")):  # of two with the same first row the longer one
            first, last = map(int, path.stem.split("-"))
            there[first] = last
        first = 0
        while first in there:
            yield first, there[first]
            first = there[first]

    def _path(self, first: int, last: int) -> Path:
        return self.folder / f"{first:012}-{last:012}.parquet"

    def _flush(self) -> None:
        import pyarrow.parquet as parquet

        self._since = time.monotonic()
        if not self._pending:
            return
        rows = pa.concat_tables(self._pending)
        with new_file(self._path(self.done, self.done + len(rows)), RunError) as part:
            parquet.write_table(rows, part, compression="zstd")
        self.done += len(rows)
        self._pending = []

    def _read(self, first: int, last: int) -> pa.Table:
        import pyarrow.parquet as parquet

        path = self._path(first, last)
        try:
            with parquet.ParquetFile(path) as file:  # one file: no folder, no column out of its path
                rows = file.read(use_threads=False).cast(self.columns.schema)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise RunError(f"{path} is damaged; delete it, and run the same command again.") from error
        if len(rows) != last - first:
            raise RunError(f"{path} has {len(rows)} rows, not those of its name; delete it, and run the same command.")
        return rows


@contextmanager
def _parquet(out: Path, columns: Columns) -> Iterator[Write]:
    import pyarrow.parquet as parquet

    about = {name: columns.about[name] for name in ("name", "classes", "fingerprint", "versions", "in_distribution")}
    schema = columns.schema.with_metadata({b"firstlight.predicted": json.dumps(about).encode()})
    with new_file(out, RunError) as part, parquet.ParquetWriter(part, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(rows.replace_schema_metadata(schema.metadata))


@contextmanager
def _csv(out: Path, columns: Columns) -> Iterator[Write]:
    import pyarrow.csv as csv

    with new_file(out, RunError) as part, csv.CSVWriter(part, columns.schema) as writer:
        yield lambda rows: writer.write_table(guarded_table(rows))


@contextmanager
def _jsonl(out: Path, columns: Columns) -> Iterator[Write]:
    with new_file(out, RunError) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda rows: file.writelines(f"{line}\n" for line in columns.lines(rows))


WRITERS: dict[str, Callable[[Path, Columns], AbstractContextManager[Write]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
}
