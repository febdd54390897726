"""`firstlight audit`: the findings as text or as one JSON document."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstlight.apps.label_list import check_label_list, write_label_list
from firstlight.apps.screen import print_json
from firstlight.apps.table_summary import table_document, table_lines
from firstlight.apps.terminal import hanging, remark, say, width
from firstlight.auditing import audit
from firstlight.data.auditing.findings import CODES, Finding, Findings
from firstlight.data.scanning.options import Scanning
from firstlight.data.sources import scan
from firstlight.errors import ArgumentError
from firstlight.progress import Meters
from firstlight.wording import plural, rough

SHOWN = 3  # groups of examples
LABELS = "FL503"  # the one code that needs a model


@dataclass(frozen=True)
class Wanted:
    """The options of an audit.

    Attributes:
        labels: also check the labels.
        out: the list of labels to write, .csv or .html, or None.
        strict: codes of findings for which the command fails.
        scanning: how the classes are found.
    """

    labels: bool = False
    out: Path | None = None
    strict: Sequence[str] = ()
    scanning: Scanning = field(default_factory=Scanning)


def show_audit(data: str, wanted: Wanted, *, as_json: bool, quiet: bool) -> bool:
    """Audits and prints; returns whether one of the strict codes was found.

    Raises:
        ArgumentError: where a strict code does not exist, or the list of labels cannot be written.
    """
    labels, out = wanted.labels, wanted.out
    for code in wanted.strict:
        if code not in CODES:
            raise ArgumentError(f"--strict {code} is not the code of a finding; choose from {', '.join(CODES)}.")
    if LABELS in wanted.strict and not labels:
        raise ArgumentError(f"--strict {LABELS} is found by --labels only; add it.")
    if out is not None:
        check_label_list(out, labels)
    started = time.perf_counter()
    table = scan(data, **vars(wanted.scanning))
    with Meters(quiet) as meter:
        found = audit(table, labels=labels, progress=meter)
    seconds = time.perf_counter() - started
    if out is not None:
        write_label_list(found, table, out)
    broken = [code for code in wanted.strict if found.with_code(code)]
    if as_json:
        print_json(
            table_document(table)
            | found.to_dict()
            | {"seconds": seconds, "strict": broken, "out": None if out is None else str(out)}
        )
        return bool(broken)
    columns = width(sys.stdout)
    say(*table_lines(table, columns, quiet=quiet), "")
    lines = (line for one in found for line in (*_lines(one, columns), ""))
    say(*(list(lines)[:-1] or [f"No problem found in {plural(found.images, 'image')}."]))
    if not quiet:
        remark("", *found.remarks, _summary(found, seconds))
        if out is not None:
            remark(f"{plural(len(found.labels), 'label')} to check in {out}")
    if broken:
        remark(f"firstlight: --strict: found {', '.join(broken)}.")
    return bool(broken)


def _lines(one: Finding, columns: int | None) -> list[str]:
    """The finding, the advice and examples."""
    head = f"{one.code} {one.severity:<7}  "
    indent = " " * len(head)
    lines = [*hanging(head, one.message, columns), *hanging(indent, one.advice, columns)]
    for group in one.examples[:SHOWN]:
        lines += hanging(f"{indent}  ", "  =  ".join(group), columns)
    left = one.facts.get("groups", one.count) - SHOWN
    if one.examples and left > 0:
        lines.append(f"{indent}  and {left:,} more")
    return lines


def _summary(found: Findings, seconds: float) -> str:
    counts = [plural(sum(one.severity == name for one in found), name) for name in ("error", "warning", "note")]
    rate = found.images / max(seconds, 1e-9)
    summary = f"{plural(found.images, 'image')}: {', '.join(counts)}"
    return f"{summary} ({rough(seconds)}, {rate:,.0f} images per second)."
