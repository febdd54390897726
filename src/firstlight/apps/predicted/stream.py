"""Images -> answers in batches: decoded in threads and resized at once, so that only a few are in memory."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from firstlight.apps.predicted.source import Source
from firstlight.arrow import to_numpy
from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.plan import WORTH_A_THREAD
from firstlight.data.decoding.stack import read_all
from firstlight.data.decoding.threads import cores, in_order, keys_of, median_bytes, spans_by_bytes
from firstlight.data.files import Read, reader
from firstlight.data.table import Table

if TYPE_CHECKING:
    from firstlight.models.exporting.session import Answer, Session

# Bytes of files, and of pixels as the model sees them, that are held at once by a thread. The layers of a network
# take up to a hundred times the bytes of its pixels (64 channels of float32 for 3 of uint8), so 1 MiB is 100 MiB.
BLOCK = 1 << 20
FILES = 128  # that a model which reads files itself reads at once: about a second on a core


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive images and their predictions.

    Attributes:
        paths: (N,) as they are printed.
        truths: (N,) the class from the folder or list, if the model knows it.
        problems: (N,) why an image cannot be read; None for a readable one.
        answer: of the readable images, in their order; None if there are none.
    """

    paths: list[str]
    truths: list[str | None]
    problems: list[str | None]
    answer: Answer | None


def answered(session: Session, found: Iterable[Source], *, skip: int = 0) -> Generator[Batch, None, None]:
    """The predictions of all images, in their order.

    Args:
        session: the model.
        found: the images.
        skip: how many images at the beginning are done already.

    Example:
        >>> import firstlight as fl
        >>> from firstlight.models.exporting.session import Session
        >>> session = Session.of(fl.climb(digits, rungs=["centroid-l2"]))
        >>> sum(len(batch.paths) for batch in answered(session, [Source(fl.scan(digits))], skip=97))
        1700
    """
    for source in found:
        if skip < len(source):
            yield from _answered(session, source, skip)
        skip = max(skip - len(source), 0)


def _answered(session: Session, source: Source, first: int) -> Generator[Batch, None, None]:
    table = source.table
    known = set(session.classes)
    names = [name if name in known else None for name in table.classes] + [None]  # -1 is the last: not known
    labels = table.labels
    if session.answer_files(table.select(np.arange(0))) is not None:
        for span in (range(start, min(start + FILES, len(table))) for start in range(first, len(table), FILES)):
            answer, problems = _of_files(session, table, span)
            truths = [names[label] for label in labels[span.start : span.stop]]
            yield Batch(source.paths(span), truths, problems, answer if len(answer.labels) else None)
        return
    work = partial(_shaped, source, reader(table), session)
    sizes = to_numpy(table.rows["size"], 0)
    over = spans_by_bytes(sizes, BLOCK, first=first, rows=BLOCK // math.prod(session.shape))
    with contextlib.closing(in_order(work, over, _threads(source))) as blocks:
        for span, images, problems in blocks:
            truths = [names[label] for label in labels[span.start : span.stop]]
            yield Batch(source.paths(span), truths, problems, session.answer(images) if len(images) else None)


def _of_files(session: Session, table: Table, span: range) -> tuple[Answer, list[str | None]]:
    """The answers for a run of rows that the model reads itself, and why some of them have none."""
    problems: list[str | None] = table.rows["problem"].slice(span.start, len(span)).to_pylist()
    rows = [row for row, problem in enumerate(problems) if problem is None]
    found = session.answer_files(table.select(np.array(rows, np.int64) + span.start))
    assert found is not None
    for row, problem in zip(rows, found[1], strict=True):
        problems[row] = problem
    return found[0], problems


def _shaped(source: Source, read: Read, session: Session, span: range) -> tuple[range, np.ndarray, list[str | None]]:
    """A run of rows, the images of it that can be read as the model sees them, and why the others cannot."""
    problems: list[str | None] = source.table.rows["problem"].slice(span.start, len(span)).to_pylist()
    keys = keys_of(source.table, span)
    files = iter(read_all(read, [key for key, problem in zip(keys, problems, strict=True) if problem is None]))
    images = np.empty((len(span), *session.shape), np.uint8)
    count = 0
    for at, problem in enumerate(problems):
        if problem is not None:
            continue
        file = next(files)
        image = file if isinstance(file, str) else decode(file)
        if isinstance(image, str):
            problems[at] = image
            continue
        # At once: decoded photos are a hundred times as large as the files, and only one a thread shall be held.
        images[count] = session.preprocessing.shaped(image)
        count += 1
    return span, images[:count], problems


def _threads(source: Source) -> int:
    """As many as there are cores where the files are large or JPEGs; else one, as `load` decides."""
    keys = source.table.rows["key"]
    jpegs = pc.sum(pc.match_substring_regex(keys, r"(?i)\.(jpe?g|jpe|jfif)$")).as_py() or 0
    return cores() if median_bytes(source.table) >= WORTH_A_THREAD or jpegs > len(source) / 2 else 1
