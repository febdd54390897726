"""readings.json: how often the test split was read for a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firstlight.atomic import new_file
from firstlight.data.table import Table
from firstlight.errors import RunError
from firstlight.runs.document import read_document
from firstlight.runs.files import AGAIN, READINGS, RUN, existing, reading
from firstlight.runs.ledger import count_reading, dataset_of
from firstlight.runs.records import record
from firstlight.runs.seal import seal, unseal

KIND = "readings"


@dataclass(frozen=True)
class Readings:
    """How often a split was read.

    Attributes:
        test: of the test split.
    """

    test: int


def count_test_reading(folder: str | Path, tables: Sequence[Table] = ()) -> int:
    """Counts one more reading of the test split: for a run folder, and for the dataset in the ledger of this machine.

    Args:
        folder: the run folder.
        tables: with the test images that were read; those of the run's own dataset where none are passed.

    Returns:
        How often the test split has been read, this time included: by this run, or by any on this machine.

    Raises:
        RunError: where the folder is not a complete run folder, or cannot be written to.

    Example:
        >>> count_test_reading("nowhere")
        Traceback (most recent call last):
        firstlight.errors.RunError: ...nowhere is missing, so nowhere is not a complete run folder; ...
    """
    folder = Path(folder)
    with reading(folder):
        readings = Readings(read_readings(folder).test + 1)
        path = existing(folder, RUN)
        own = read_document(path.read_bytes(), path).test_dataset
    with new_file(folder / READINGS, RunError) as part:
        part.write_bytes(write_readings(readings))
    return max(readings.test, count_reading(dataset_of(tables) or own))


def write_readings(readings: Readings) -> bytes:
    """readings.json."""
    return seal(KIND, {"test": readings.test})


def read_readings(folder: Path) -> Readings:
    """What readings.json in a run folder says.

    Raises:
        RunError: where it was changed or says something impossible.
        OSError: where it is missing.
    """
    path = existing(folder, READINGS)
    found = record(Readings, unseal(KIND, path.read_bytes(), path), path, AGAIN)
    if found.test < 0:
        raise RunError(f"{path} counts {found.test} readings, which is impossible; {AGAIN}.")
    return found
