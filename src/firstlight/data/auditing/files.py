"""Findings about files (FL301 to FL305) and the sizes of their images (FL403, FL404 and FL409)."""

from __future__ import annotations

from collections import Counter

import numpy as np

from firstlight.data.auditing.facts import Facts
from firstlight.data.auditing.findings import EXAMPLES, Finding
from firstlight.data.table import Table
from firstlight.wording import plural

ASPECT = 1.1  # times the median: from there on the distortion is visible
TINY = 8  # px of the shorter side: of less, digits and faces cannot be distinguished by eye

# Extensions by content; a file with another extension of this list is misnamed, other extensions say nothing.
ENDINGS = {
    "PNG": ("png", "apng"),
    "JPEG": ("jpg", "jpeg", "jpe", "jfif", "mpo"),
    "GIF": ("gif",),
    "BMP": ("bmp", "dib"),
    "TIFF": ("tif", "tiff"),
    "WEBP": ("webp",),
    "PPM": ("ppm", "pgm", "pbm", "pnm"),
    "AVIF": ("avif",),
    "HEIC": ("heic", "heif"),
}
EVERY_ENDING = {ending for endings in ENDINGS.values() for ending in endings}


def file_findings(table: Table, facts: Facts) -> list[Finding]:
    """Findings about files and the sizes of their images.

    Args:
        table: N rows.
        facts: of the same rows.
    """
    keys = table.keys
    found = []
    bad = np.array([bool(problem) for problem in facts.problems])
    if bad.any():
        reasons = Counter(problem for problem in facts.problems if problem)
        summary = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common(6))
        message = f"{plural(int(bad.sum()), 'image')} cannot be read: {summary}."
        advice = "They are skipped, and every score states their number; repair or replace them."
        found.append(_finding("FL301", message, advice, keys, bad, reasons))
    found += _finding_of(
        keys, facts.turned, "FL302", "in an EXIF orientation other than upright", "They are turned upright."
    )
    odd = np.array([bool(one) for one in facts.oddities])
    kinds = Counter(one for one in facts.oddities if one)
    summary = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common())
    advice = "They are converted to 8-bit gray or RGB: transparency becomes white, 16 bits are scaled."
    found += _finding_of(keys, odd, "FL303", f"of a special kind: {summary}", advice, kinds)
    wrong = np.array([_misnamed(key, kind) for key, kind in zip(keys, facts.formats, strict=True)])
    advice = "They are read by their content, but other programs may refuse them; rename them."
    found += _finding_of(keys, wrong, "FL304", "in another format than their extension says", advice)
    advice = "Only the first frame is used; save the other frames as files if you need them."
    found += _finding_of(keys, facts.several, "FL305", "with several frames", advice)
    return [*found, *_sizes(keys, facts)]


def _misnamed(key: str, kind: str) -> bool:
    ending = key.rpartition(".")[2].lower()
    return kind in ENDINGS and ending in EVERY_ENDING and ending not in ENDINGS[kind]


def _sizes(keys: list[str], facts: Facts) -> list[Finding]:
    readable = facts.readable
    if not readable.any():
        return []
    sides = np.stack([facts.widths, facts.heights], 1)
    pairs, counts = np.unique(sides[readable], axis=0, return_counts=True)
    found = []
    if len(pairs) > 1:
        width, height = (int(side) for side in pairs[counts.argmax()])
        other = readable & (sides != (width, height)).any(axis=1)
        area = pairs.astype(np.int64).prod(axis=1)
        smallest, largest = (" x ".join(map(str, pairs[at])) for at in (area.argmin(), area.argmax()))
        message = (
            f"The images have {len(pairs):,} sizes, from {smallest} to {largest} px; "
            f"{int(counts.max()):,} are {width} x {height}."
        )
        facts_of = {"commonest": [width, height], "sizes": len(pairs)}
        advice = "All are resized to one size; --size sets it."
        found.append(_finding("FL403", message, advice, keys, other, facts_of))
        aspects = facts.widths[readable] / facts.heights[readable]
        common = float(np.median(aspects))
        ratio = np.ones(len(keys))
        ratio[readable] = aspects / common
        other = (ratio > ASPECT) | (ratio < 1 / ASPECT)
        if other.any():
            message = (
                f"{plural(int(other.sum()), 'image')} differ in aspect ratio from the median {common:.2f} (width to "
            )
            message += "height) by more than a tenth."
            advice = "Resizing distorts them; --resize crop or --resize pad keeps their proportions."
            found.append(_finding("FL404", message, advice, keys, other, {"commonest": common}))
    tiny = readable & (np.minimum(facts.widths, facts.heights) < TINY)
    advice = "So few pixels contain little to learn from; check that these are not thumbnails."
    return [*found, *_finding_of(keys, tiny, "FL409", f"with a side of less than {TINY} px", advice)]


def _finding_of(
    keys: list[str], rows: np.ndarray, code: str, what: str, advice: str, facts: Counter[str] | None = None
) -> list[Finding]:
    if not rows.any():
        return []
    verbs = ("image has", "images have") if what.startswith("with ") else ("image is", "images are")
    message = f"{plural(int(rows.sum()), *verbs)} {what.removeprefix('with ')}."
    return [_finding(code, message, advice, keys, rows, facts or {})]


def _finding(code: str, message: str, advice: str, keys: list[str], rows: np.ndarray, facts: object) -> Finding:
    where = np.flatnonzero(rows)
    examples = tuple((keys[row],) for row in where[:EXAMPLES])
    return Finding(code, message, len(where), advice, examples, dict(facts))  # type: ignore[call-overload]
