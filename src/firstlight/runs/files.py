"""The files of a run folder: their names and largest sizes, and the checks before one is read."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firstlight.errors import RunError
from firstlight.runs.seal import digest

# run.json, readings.json, evidence.safetensors once the run is finished, and of every rung:
# rungs/NAME/{predictions.parquet, model.json, model.safetensors}, with history.csv where it was trained in epochs
RUN, READINGS, RUNGS, EVIDENCE = "run.json", "readings.json", "rungs", "evidence.safetensors"
PREDICTIONS, MODEL, TENSORS, HISTORY = "predictions.parquet", "model.json", "model.safetensors", "history.csv"

# A larger file is refused before it is read, so that a forged one cannot fill the memory.
MIB = 2**20
LIMITS = {
    # 10 rungs with the recall of 10,000 classes are 8 MiB; Python holds about ten times the text.
    RUN: 64 * MIB,
    READINGS: MIB,
    # A million images with 1,000 classes are 8 GB before compression.
    PREDICTIONS: 2**14 * MIB,
    # The class names, and the names and shapes of some thousand tensors.
    MODEL: 16 * MIB,
    # A billion float32 parameters, more than an image classifier has.
    TENSORS: 2**12 * MIB,
    # A thousand classes with three images of 96 x 96 px each are 80 MB.
    EVIDENCE: 2**10 * MIB,
    # A hundred thousand epochs.
    HISTORY: 16 * MIB,
}
AGAIN = "restore it from a copy, or run firstlight climb again with another --out"


@dataclass(frozen=True)
class FileRecord:
    """What run.json says of a file.

    Attributes:
        bytes: its size.
        blake2b: its `digest`.
    """

    bytes: int
    blake2b: str


def inside(rung: str, file: str) -> str:
    """The name of a rung's file inside the run folder."""
    return f"{RUNGS}/{rung}/{file}"


def existing(folder: Path, name: str, written: FileRecord | None = None, *, remedy: str = AGAIN) -> Path:
    """The path of an ordinary file inside the folder, of the size that was written.

    Raises:
        RunError: where it is a link that leads out of the folder, no ordinary file, too large, or of another size.
        OSError: where it is missing or cannot be reached.
    """
    path = folder / name
    if not Path(os.path.realpath(path, strict=True)).is_relative_to(os.path.realpath(folder)):
        raise RunError(f"{path} is a link that leads out of the run folder, which is not followed; {remedy}.")
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # reading a pipe would never end
        raise RunError(f"{path} is not an ordinary file; {remedy}.")
    if about.st_size > LIMITS[path.name]:
        raise RunError(f"{path} has {about.st_size:,} bytes, the limit is {LIMITS[path.name]:,}; {remedy}.")
    if written is not None and about.st_size != written.bytes:
        raise RunError(f"{path} has {about.st_size:,} bytes instead of {written.bytes:,} as written; {remedy}.")
    return path


def unchanged(folder: Path, name: str, written: FileRecord) -> Path:
    """The path of a file as `existing` gives it, whose content is also what was written.

    Raises:
        RunError: as `existing`, and where the digest differs.
    """
    path = existing(folder, name, written)
    if digest(path) != written.blake2b:
        raise RunError(f"{path} was changed after it was written: its digest differs; {AGAIN}.")
    return path


def put(path: Path, data: bytes) -> None:
    """Writes a new file and flushes it to the disk; otherwise a power cut after the renaming may leave it empty."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turns an `OSError` inside the block into a sentence about the run folder.

    Raises:
        RunError: where a file is missing or cannot be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"{error.filename} is missing, so {folder} is not a complete run folder; {AGAIN}.") from error
    except OSError as error:
        reason = f"{error.filename or folder} could not be read ({error.strerror or error})"
        raise RunError(f"{reason}; change its permission or make a copy.") from error
