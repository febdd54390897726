"""`embeddings()`: the images of a table as a backbone sees them, decoded from their files and computed once."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from firstlight.data.decoding.decode import decode_all
from firstlight.data.decoding.stack import read_all
from firstlight.data.decoding.threads import cores, in_order, keys_of, spans
from firstlight.data.files import digest, reader
from firstlight.data.pixels import Pixels
from firstlight.data.table import Table
from firstlight.errors import DataError
from firstlight.models.pretrained.backbone import AT_ONCE, Backbone
from firstlight.models.pretrained.store import Found, Store, is_there, opened, stamps_of
from firstlight.progress import Count

IN_MEMORY = 256  # images in the backbone's form at a time: 38 MB
KNOWN_AT_ONCE = 4096  # embeddings that are read at once: 10 MB
SAVED_EACH = 64  # embeddings of one transaction of the store: what an interruption costs at most


def embeddings(
    images: Table | Pixels, backbone: Backbone, *, rows: np.ndarray | None = None, progress: Count | None = None
) -> np.ndarray:
    """The embeddings of images, from the store where they were computed before.

    Args:
        images: a table of readable images; or pixels. They are decoded from their files, but for pixels that are in
            the backbone's own form; where there are no files, pixels are brought to this form.
        backbone: computes them.
        rows: row numbers of the images; None: all.
        progress: called with (images done, images in all).

    Returns:
        float16 (N, D), in the order of the rows.

    Raises:
        DataError: where a file cannot be read any more.
    """
    rows = np.arange(len(images)) if rows is None else rows
    if isinstance(images, Table):
        return _of_files(images.select(rows), None, backbone, progress).values
    own = images.values if images.preprocessing == backbone.preprocessing else None
    if images.table.root and Path(images.table.root).exists():
        of_rows = None if own is None else _Own(own, rows)
        return _of_files(images.table.select(rows), of_rows, backbone, progress).values
    if own is None:
        return _in_memory(images.values, rows, backbone)
    return backbone.embed(own[rows])


class Tried(NamedTuple):
    """The embeddings of images of which some cannot be read.

    Attributes:
        values: float16 (N, D); of no meaning where there is a problem.
        problems: (N,) why an image cannot be read; None for a readable one.
    """

    values: np.ndarray
    problems: list[str | None]


def try_embeddings(table: Table, backbone: Backbone) -> Tried:
    """As `embeddings` of a table of images that nobody has read yet."""
    return _of_files(table, None, backbone, None, strict=False)


def saved_embeddings(table: Table, backbone: Backbone) -> np.ndarray | None:
    """The embeddings of images as `embeddings` gives them, where all were computed before; else None."""
    stamps = [stamp for stamp in stamps_of(table) if stamp is not None]
    if not len(stamps) == len(table) > 0:
        return None
    if not is_there(backbone.key):
        return None
    with opened(backbone.key) as store:
        if not store.by_stamp(stamps[:1]):
            return None
        known = store.by_stamp(stamps)
    return np.stack([known[stamp] for stamp in stamps]) if all(stamp in known for stamp in stamps) else None


class _Own(NamedTuple):
    """Pixels in the backbone's own form: the image of row n is ``values[rows[n]]``."""

    values: np.ndarray
    rows: np.ndarray


def _in_memory(values: np.ndarray, rows: np.ndarray, backbone: Backbone) -> np.ndarray:
    parts = [
        backbone.embed(_shaped(values[rows[span.start : span.stop]], backbone)) for span in spans(len(rows), IN_MEMORY)
    ]
    return np.concatenate([*parts, np.zeros((0, backbone.dimensions), np.float16)])


def _shaped(images: Iterable[np.ndarray], backbone: Backbone) -> np.ndarray:
    """uint8 (H, W, C) of any size each -> (N, S, S, 3) in the backbone's own form."""
    return np.stack([backbone.preprocessing.shaped(image) for image in images])


def _of_files(
    table: Table, own: _Own | None, backbone: Backbone, progress: Count | None, *, strict: bool = True
) -> Tried:
    values = np.zeros((len(table), backbone.dimensions), np.float16)
    problems: list[str | None] = [None] * len(table)
    stamps = stamps_of(table)
    with opened(backbone.key if backbone.lasting else None) as store:
        missing = _filled(values, stamps, store)
        done = len(table) - len(missing)
        waiting: list[Found] = []
        if own is not None:
            own = _Own(own.values, own.rows[missing])
        with contextlib.closing(_computed(table.select(missing), own, backbone, store)) as parts:
            for part in parts:
                rows = missing[part.first : part.first + len(part.values)]
                values[rows] = part.values
                for row, one, value, problem in zip(rows, part.digests, part.values, part.problems, strict=True):
                    problems[row] = problem
                    if problem is None and one:
                        waiting.append(Found(stamps[row], one, value))
                    elif problem is not None and strict:
                        key = table.keys[row]
                        raise DataError(
                            f"{key} in {table.root} cannot be read any more ({problem}); scan the folder again."
                        )
                if len(waiting) >= SAVED_EACH:
                    store.add(waiting)
                    waiting = []
                done += len(rows)
                if progress is not None:
                    progress(done, len(table))
        store.add(waiting)
    return Tried(values, problems)


def _filled(values: np.ndarray, stamps: list[str | None], store: Store) -> np.ndarray:
    """Fills in the embeddings that are known by the files' stamps; the row numbers of the others."""
    missing: list[int] = []
    for first in range(0, len(stamps), KNOWN_AT_ONCE):
        some = stamps[first : first + KNOWN_AT_ONCE]
        known = store.by_stamp([stamp for stamp in some if stamp is not None])
        for row, stamp in enumerate(some, first):
            if stamp in known:
                values[row] = known[stamp]
            else:
                missing.append(row)
    return np.array(missing, np.int64)


class _Part(NamedTuple):
    """The embeddings of some rows that follow each other, the digests of their files, and why some have none."""

    first: int
    digests: list[str]
    values: np.ndarray
    problems: list[str | None]


def _computed(table: Table, own: _Own | None, backbone: Backbone, store: Store) -> Generator[_Part, None, None]:
    """A few rows after another; each thread reads, decodes and embeds its own."""
    read = reader(table)

    def part(span: range) -> _Part:
        keys = keys_of(table, span)
        files = read_all(read, keys)
        digests = ["" if isinstance(data, str) else digest(data) for data in files]
        known = store.by_digest([one for one in digests if one])
        values = np.zeros((len(span), backbone.dimensions), np.float16)
        problems: list[str | None] = [None] * len(span)
        for row, one in enumerate(digests):
            if one in known:
                values[row] = known[one]
        fresh = [row for row, one in enumerate(digests) if one not in known]
        if fresh and own is not None:
            values[fresh] = backbone.batch(own.values[own.rows[[span[row] for row in fresh]]])
        elif fresh:
            images = dict(zip(fresh, decode_all([files[row] for row in fresh], least=backbone.least), strict=True))
            for row, image in images.items():
                problems[row] = image if isinstance(image, str) else None
            there = {row: image for row, image in images.items() if not isinstance(image, str)}
            if there:
                values[list(there)] = backbone.batch(_shaped(there.values(), backbone))
        return _Part(span.start, digests, values, problems)

    return in_order(part, spans(len(table), AT_ONCE), cores())
