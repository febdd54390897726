"""What was found in a folder, a zip or a list, as lines and as plain values, the same for every command."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firstlight.apps.terminal import JOINT, hanging

if TYPE_CHECKING:
    from firstlight.data.table import Table


def table_document(table: Table) -> dict[str, Any]:
    """The table's counts and notes, for JSON."""
    document = {"root": table.root, "layout": table.layout, "images": len(table), "classes": table.classes}
    document |= {"counts": table.counts(), "skipped": dict(table.skipped), "notes": table.notes}
    return document | {"fingerprint": table.fingerprint}


def table_lines(table: Table, columns: int | None, *, quiet: bool) -> list[str]:
    """The table as text; what is too long for a line goes on below its beginning, a class next to its count.

    Args:
        table: what `scan` or `split` gave.
        columns: of the terminal; None for lines of any length.
        quiet: leave out the notes.
    """
    lines: list[str] = []
    for line in str(replace(table, notes=()) if quiet else table).split("\n"):
        found = re.match(r"  (note: |skipped +[\d,]+ +|\w+ +[\d,]+   )", line)
        head = found[0] if found else ""
        text = line.removeprefix(head)
        if found and not found[1].startswith(("note", "skipped")):
            text = re.sub(r"(?<=\S) (?=\S)", JOINT, text)
        lines += hanging(head, text, columns)
    return lines
