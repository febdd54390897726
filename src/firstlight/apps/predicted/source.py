"""`Source`: images to predict, in one folder, archive or list, with the paths that are shown for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from firstlight.characters import columns_of, visible
from firstlight.data.files import digest
from firstlight.data.table import Table


@dataclass(frozen=True)
class Source:
    """Images from one place.

    Attributes:
        table: one row per image.
        prefix: what precedes a key in the path that is shown.
        names: (N,) the paths that are shown, if they are not made from the keys.
        origin: the archive that was unpacked to a temporary folder, if any.
    """

    table: Table
    prefix: str = ""
    names: pa.Array | None = None
    origin: str = ""

    def __len__(self) -> int:
        return len(self.table)

    def paths(self, rows: range) -> list[str]:
        """The paths that are shown for some rows."""
        if self.names is not None:
            return self.names.slice(rows.start, len(rows)).to_pylist()
        return [self.prefix + key for key in self.table.rows["key"].slice(rows.start, len(rows)).to_pylist()]

    @property
    def widest(self) -> int:
        """The columns of a terminal that the widest path takes."""
        names = self.table.rows["key"] if self.names is None else self.names
        plain = pc.string_is_ascii(names)
        longest = int(pc.max(pc.utf8_length(names.filter(plain))).as_py() or 0)
        others = names.filter(pc.invert(plain)).to_pylist()
        return columns_of(visible(self.prefix)) + max([longest, *(columns_of(visible(name)) for name in others)])

    @property
    def mark(self) -> str:
        """A text that changes whenever the images do."""
        if self.origin:
            about = Path(self.origin).stat()
            return f"{self.table.fingerprint} {about.st_size} {about.st_mtime_ns}"
        return f"{self.table.fingerprint} {self.table.stamp}"

    def select(self, split: str) -> Source:
        """Only the images of a split."""
        return replace(self, table=self.table.select(split), names=None if self.names is None else self.names[:0])


def mark_of(found: Iterable[Source]) -> str:
    """A text that changes whenever any image or their order does."""
    return digest("\n".join(one.mark for one in found).encode())
