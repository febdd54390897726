"""The labels to check as a list, .csv or .html with the images."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from firstlight.atomic import new_file
from firstlight.cells import guarded_table
from firstlight.data.auditing.findings import Findings, LabelCandidate
from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.resize import to_shape
from firstlight.data.files import reader
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, DataError

KINDS = (".csv", ".html")
SIDE = 128  # px of an image in the page
MOST_IMAGES = 500  # in a page; the others are in the .csv


def check_label_list(out: Path, labels: bool) -> None:
    """Refuses before any work what could not be written.

    Raises:
        ArgumentError: where labels are not checked, or ``out`` has another ending or is a folder.
    """
    if not labels:
        raise ArgumentError(f"--out {out} has no effect without --labels; add it.")
    if out.suffix.lower() not in KINDS:
        raise ArgumentError(f"{out} must end in one of {', '.join(KINDS)}.")
    if out.is_dir():
        raise ArgumentError(f"{out} is a folder; name a file to write.")


def write_label_list(found: Findings, table: Table, out: Path) -> None:
    """Writes the candidates: key, label, suggested, probability, label_probability; the most likely errors first.

    Raises:
        DataError: where the file cannot be written.
    """
    if out.suffix.lower() == ".html":
        text = _page(found, table)
        with new_file(out, DataError) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
        return
    import pyarrow.csv as csv

    columns = list(LabelCandidate.__dataclass_fields__)
    kinds = [pa.string(), pa.string(), pa.string(), pa.float64(), pa.float64()]
    values = [[getattr(one, name) for one in found.labels] for name in columns]
    rows = pa.table([pa.array(each, kind) for each, kind in zip(values, kinds, strict=True)], names=columns)
    with new_file(out, DataError) as part:
        csv.write_csv(guarded_table(rows), part)


def _page(found: Findings, table: Table) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from firstlight.reporting.images import address

    read = reader(table)
    rows = []
    for one in found.labels[:MOST_IMAGES]:
        image = decode(read(one.key))
        shown = None
        if not isinstance(image, str):
            scale = min(1.0, SIDE / max(image.shape[:2]))
            size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
            shown = address(to_shape(image, size=size, color="rgb"))
        rows.append((one, shown))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("label_list.html")
    return page.render(root=table.root, rows=rows, count=len(found.labels), remarks=found.remarks)
