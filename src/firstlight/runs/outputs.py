"""A rung's files: predictions, model and history; written once, each read and checked at first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from firstlight.errors import FirstlightError, RunError
from firstlight.evaluation.predictions import Predictions
from firstlight.runs.description import described
from firstlight.runs.files import (
    AGAIN,
    HISTORY,
    MODEL,
    PREDICTIONS,
    RUN,
    TENSORS,
    FileRecord,
    existing,
    inside,
    reading,
    unchanged,
)
from firstlight.runs.history import Epoch, from_csv, to_csv
from firstlight.runs.rung_result import RungResult
from firstlight.runs.seal import digest
from firstlight.runs.tensors import SavedModel, pack, unpack


def write_outputs(rung: RungResult, folder: Path, put: Callable[[Path, bytes], None]) -> dict[str, FileRecord]:
    """Writes the files of a rung into a run folder.

    Args:
        rung: the rung.
        folder: the run folder, in which the rung has a folder already.
        put: writes one file.

    Returns:
        The size and digest of each file, by its name inside the run folder.
    """
    path = folder / inside(rung.name, PREDICTIONS)
    try:
        rung.predictions.to_parquet(path)
    except RunError as error:  # may name a temporary folder; the caller names the final one
        raise error.__cause__ or error from None
    files = {inside(rung.name, PREDICTIONS): FileRecord(path.stat().st_size, digest(path))}
    written = dict(zip((MODEL, TENSORS), pack(rung.model), strict=True))
    if rung.history:
        written[HISTORY] = to_csv(rung.history)
    for name, data in written.items():
        files[inside(rung.name, name)] = FileRecord(len(data), digest(data))
        put(folder / inside(rung.name, name), data)
    return files


class Stored:
    """The outputs of a rung in a run folder.

    Args:
        folder: the run folder.
        name: of the rung.
        classes: of the run.
        files: what run.json says of all files.

    Raises:
        RunError: where run.json does not know a file, or its size differs.
        OSError: where a file is missing.
    """

    def __init__(self, folder: Path, name: str, classes: tuple[str, ...], files: Mapping[str, FileRecord]) -> None:
        self.folder, self.name, self.classes = folder, name, classes
        needed = [inside(name, file) for file in (PREDICTIONS, MODEL, TENSORS)]
        if missing := [file for file in needed if file not in files]:
            raise RunError(f"{folder / RUN} does not mention {missing[0]}; {AGAIN}.")
        self.files = {file: files[file] for file in (*needed, inside(name, HISTORY)) if file in files}
        for file, written in self.files.items():
            existing(folder, file, written)

    @cached_property
    def predictions(self) -> Predictions:
        with reading(self.folder):
            path = self._path(PREDICTIONS)
            try:
                found = Predictions.from_parquet(path)
            except FirstlightError as error:
                raise RunError(f"{path} does not hold the predictions of a rung; {AGAIN}.") from error
        if (found.name, found.classes) != (self.name, self.classes):
            raise RunError(f"{path} holds the predictions of another rung or of other classes; {AGAIN}.")
        if not (found.labels >= 0).any():
            raise RunError(f"{path} holds no image whose class is known, so nothing was measured; {AGAIN}.")
        return found

    @cached_property
    def model(self) -> SavedModel:
        with reading(self.folder):
            text, data = self._path(MODEL), self._path(TENSORS)
            found = unpack(text.read_bytes(), data.read_bytes(), text)
        about = described(found, text, AGAIN)
        if (about.name, about.classes) != (self.name, self.classes):
            raise RunError(f"{text} holds the model of another rung or of other classes; {AGAIN}.")
        return found

    @cached_property
    def history(self) -> tuple[Epoch, ...]:
        if inside(self.name, HISTORY) not in self.files:
            return ()
        with reading(self.folder):
            path = self._path(HISTORY)
            return from_csv(path.read_bytes(), path)

    def _path(self, file: str) -> Path:
        name = inside(self.name, file)
        return unchanged(self.folder, name, self.files[name])
