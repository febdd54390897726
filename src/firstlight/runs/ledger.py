"""The ledger of this machine: how often the labelled test images of each dataset were read, by whatever run."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from firstlight.atomic import new_file
from firstlight.data.decoding import cache
from firstlight.data.table import SPLITS, Table
from firstlight.errors import FirstlightError
from firstlight.locks import alone
from firstlight.parsing import parsed

MOST = 10_000  # datasets; the one that was counted longest ago goes first
MOST_BYTES = 2**24  # a larger file is not ours


def ledger() -> Path:
    """The file, next to the cached pixels.

    Example:
        >>> ledger().name
        'test-readings.json'
    """
    return cache.folder().parent / "test-readings.json"


def dataset_of(tables: Iterable[Table]) -> str:
    """What names the labelled test images of some tables: a digest of their names, sizes and labels, in any order.

    Returns:
        Hexadecimal text; ``""`` where there are no such images.
    """
    lines: list[str] = []
    for table in tables:
        chosen = table.select(np.flatnonzero((table.splits == SPLITS.index("test")) & (table.labels >= 0)))
        names = (chosen.classes[label] for label in chosen.labels)
        rows = zip(chosen.keys, chosen.rows["size"].to_pylist(), names, strict=True)
        lines += [json.dumps(row) for row in rows]  # ASCII, whatever a name holds
    if not lines:
        return ""
    return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).hexdigest()


def readings_of(dataset: str) -> int:
    """How often the test images were read on this machine; 0 where nobody knows."""
    return _read().get(dataset, 0)


def count_reading(dataset: str) -> int:
    """Counts one more reading of the test images.

    A ledger that cannot be read or written never stops a command; it then knows less.

    Args:
        dataset: from `dataset_of`.

    Returns:
        How often they were read, this time included.
    """
    if not dataset:
        return 0
    path, count = ledger(), 1
    with contextlib.suppress(OSError, FirstlightError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path.with_suffix(".lock")):
            readings = _read()
            count = readings.pop(dataset, 0) + 1
            readings[dataset] = count  # the last one counted is the last one in the file
            kept = dict(list(readings.items())[-MOST:])
            with new_file(path) as part:
                part.write_text(json.dumps({"test readings": kept}, indent=0), "utf-8")
    return count


def _read() -> dict[str, int]:
    path = ledger()
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        found = parsed(path.read_bytes())["test readings"]
        return {str(name): count for name, count in found.items() if type(count) is int and 0 < count < 2**31}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
