"""Findings about the look of images: FL405 blank, FL406 very dark or bright, FL407 mixed color, FL408 inverted."""

from __future__ import annotations

import numpy as np

from firstlight.data.auditing.facts import Facts, labelled
from firstlight.data.auditing.findings import EXAMPLES, Finding
from firstlight.data.auditing.quality import BLANK, too_bright, too_dark
from firstlight.data.table import Table
from firstlight.wording import plural

IMAGES_ARE = ("image is", "images are")
FAR = 8.0  # robust standard deviations of brightness; of a normal distribution one in 10^15 images is there
MIXED = 0.05  # share of the rarer kind, from which on mixed color is reported: CIFAR-10 has 1.2 %
SIDES = 0.9  # share of a class whose borders are on one side of middle gray, so that polarity means something
PARTS = 16  # of the pixels whose median is taken at a time: np.median copies what it is given
LIKE = 0.25  # median similarity of a class to its median image, from which on a dissimilar image means something


def appearance_findings(table: Table, facts: Facts) -> list[Finding]:
    """Findings about pixels.

    Args:
        table: N rows.
        facts: of the same rows.
    """
    keys, readable = table.keys, facts.readable
    blank = readable & (facts.contrast < BLANK)
    found = []
    if blank.any():
        message = f"{plural(int(blank.sum()), *IMAGES_ARE)} nearly blank."
        found.append(_finding("FL405", message, "Nothing can be learnt from them; check these photos.", keys, blank))
    far = _far(facts.brightness, readable & ~blank) & ~too_dark(facts) & ~too_bright(facts)
    if far.any():
        dark = int((facts.brightness[far] < np.median(facts.brightness[readable])).sum())
        n = int(far.sum())
        message = f"{plural(n, *IMAGES_ARE)} far from the others in brightness: {dark:,} dark, {n - dark:,} bright."
        found.append(_finding("FL406", message, "They may be damaged or out of place; check them.", keys, far))
    return [*found, *_mixed(table, facts, keys), *_inverted(table, facts, keys, ~blank)]


def _far(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(N,) bool: rows further from the median than `FAR` times 1.4826 times the median distance to it."""
    if not rows.any():
        return rows
    middle = np.median(values[rows])
    deviation = 1.4826 * np.median(np.abs(values[rows] - middle))  # the standard deviation, were it a normal one
    return rows & (np.abs(values - middle) > FAR * max(deviation, 0.01))


def _mixed(table: Table, facts: Facts, keys: list[str]) -> list[Finding]:
    readable = facts.readable
    gray, color = readable & facts.gray, readable & ~facts.gray
    rarer = gray if gray.sum() <= color.sum() else color
    if not readable.any() or rarer.sum() < MIXED * readable.sum() or not rarer.any():
        return []
    known = labelled(table, facts)
    labels = table.labels
    message = f"{plural(int(gray.sum()), *IMAGES_ARE)} gray and {plural(int(color.sum()), 'is', 'are')} in color"
    k = len(table.classes)
    each = np.bincount(labels[known & rarer], minlength=k) / np.maximum(np.bincount(labels[known], minlength=k), 1)
    advice = "All are converted to one color mode; --color sets it."
    if k > 1 and each.max(initial=0) > 0.5 and each.min(initial=1) < 0.1:
        message += f"; of {table.classes[int(each.argmax())]} {each.max():.0%}, of {table.classes[int(each.argmin())]} "
        message += f"{each.min():.0%}, so color alone identifies the class"
        advice = "Convert all to gray (--color gray), or collect both kinds for every class."
    shares = {name: float(share) for name, share in zip(table.classes, each, strict=True)}
    return [_finding("FL407", f"{message}.", advice, keys, rarer, {"share_of_the_rarer_kind_by_class": shares})]


def _inverted(table: Table, facts: Facts, keys: list[str], rows: np.ndarray) -> list[Finding]:
    """Images that are unlike their class's median image, and like it when inverted, border included."""
    labels, known = table.labels, labelled(table, facts) & rows
    borders, inverted = facts.borders, np.zeros(len(keys), bool)
    for label in np.unique(labels[known]):
        mine = np.flatnonzero(known & (labels == label))
        bright = borders[mine] > 0.5
        usual = bool(bright.mean() > 0.5)
        if max(bright.mean(), 1 - bright.mean()) < SIDES or len(mine) < 3:
            continue
        similarity = _to_centre(facts.thumbs[mine])
        if np.median(similarity) < LIKE:
            continue
        inverted[mine[(similarity < -LIKE / 2) & (bright != usual) & (np.abs(borders[mine] - 0.5) > 0.2)]] = True
    if not inverted.any():
        return []
    n = int(inverted.sum())
    message = f"{plural(n, *IMAGES_ARE)} inverted compared with their class (black on white among white on black)."
    return [_finding("FL408", message, "Invert them, or check why they differ.", keys, inverted)]


def _to_centre(thumbs: np.ndarray) -> np.ndarray:
    """(n,) float32: the correlation of each thumb, uint8 (n, 32, 32), with the median of all."""
    flat = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.sqrt(np.maximum(np.einsum("np,np->n", flat, flat), 1e-12))[:, None]
    centre = np.concatenate([np.median(some, axis=0) for some in np.array_split(flat, PARTS, axis=1)])
    return flat @ (centre / max(float(np.linalg.norm(centre)), 1e-6))


def _finding(
    code: str, message: str, advice: str, keys: list[str], rows: np.ndarray, facts: dict[str, object] | None = None
) -> Finding:
    named = tuple(keys[row] for row in np.flatnonzero(rows))
    examples = tuple((key,) for key in named[:EXAMPLES])
    # Images of mixed color can be half of a million, so they are counted and not named.
    return Finding(code, message, len(named), advice, examples, facts or {}, () if code == "FL407" else named)
