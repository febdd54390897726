"""Findings about single images of poor quality: FL411 dark to FL418 compressed, each rare in its folder."""

from __future__ import annotations

import math

import numpy as np

from firstlight.data.auditing.facts import SIDE, Facts
from firstlight.data.auditing.findings import EXAMPLES, Finding
from firstlight.data.table import Table
from firstlight.wording import plural

# Thresholds are for looks that a person would complain about; docs/log.md has what they find and miss.
BLANK = 3 / 255  # standard deviation: less than a JPEG's noise, so nothing is drawn on it
DARK = 0.32  # luma that a hundredth of the image exceeds (cleanvision's threshold, Cleanlab Datalab's constants.py)
BRIGHT = 0.85  # luma that a twentieth of the image falls below: not paper with a drawing on it
FLAT = 0.1  # difference of luma between the darkest and the brightest hundredth
HAZY = 0.15  # standard deviation that an image with so small a difference, and anything in its last two hundredths, has
BLURRED = 0.29  # fineness of a Gaussian blur of about 0.8 % of the shorter side; the lowest of 396 photos was 0.32
FINER = 3.0  # times as much detail as a blurred image, above that of a linear ramp, the folder's median image has
RAMP = 0.25  # fineness where nothing but linear change is left
NOISY = 8.0  # gray levels; of photos one in 400 has more, and a deviation of 20 in each channel leaves 9 to 13
NOISIER = 3.0  # times the noise of the folder's median image
ASPECT = 3.0  # times the median, or a third of it
SMALLER, LARGER = 4.0, 8.0  # times the median side: a small image lacks detail, a large one is only out of place
COMPRESSED = 35  # quality of libjpeg: its manual (usage.txt) recommends 50 to 95, and calls 75 good for most images
MOST = 0.5  # share of the images, from which on a look is the folder's, and no image's fault


def quality_findings(table: Table, facts: Facts) -> list[Finding]:
    """Findings about images that are worse than, or unlike, most of their folder.

    Args:
        table: N rows.
        facts: of the same rows.
    """
    blank = facts.contrast < BLANK
    dark, bright = too_dark(facts), too_bright(facts)
    seen = facts.readable & ~blank & ~dark & ~bright
    unlike = "Retake or remove them, unless new images will look like this."
    size = np.sqrt(facts.widths.astype(float) * facts.heights)
    aspect = facts.widths / np.maximum(facts.heights, 1)
    small, large = _beyond(size, facts.readable, below=SMALLER), _beyond(size, facts.readable, above=LARGER)
    kinds = (
        ("FL411", dark, "very dark everywhere", unlike),
        ("FL412", bright, "very bright nearly everywhere", unlike),
        ("FL413", seen & _flat(facts), "of very low contrast", unlike),
        ("FL414", seen & _blurred(facts), "blurred", unlike),
        ("FL415", seen & _noisy(facts), "much noisier than the others", unlike),
        (
            "FL416",
            _beyond(aspect, facts.readable, below=ASPECT, above=ASPECT),
            f"over {ASPECT:g} times as wide or as high as the median image is in proportion",
            "Resizing leaves little of them; crop them to the subject, or remove them.",
        ),
        (
            "FL417",
            small | large,
            f"of another size than the others: {int(small.sum()):,} small, {int(large.sum()):,} large "
            f"(the median side is {_median(size, facts.readable):.0f} px)",
            "They may be thumbnails, or come from another source; check them.",
        ),
        (
            "FL418",
            facts.readable & (facts.quality > 0) & (facts.quality <= COMPRESSED),
            f"compressed to a JPEG quality of {COMPRESSED} or less",
            "Blocks hide detail, and a model may learn them; get the original files.",
        ),
    )
    return [
        _finding(table.keys, code, rows, what, advice)
        for code, rows, what, advice in kinds
        if 0 < rows.sum() <= MOST * facts.readable.sum()
    ]


def too_dark(facts: Facts) -> np.ndarray:
    """(N,) bool: not even a hundredth of the image is of middling luma, and it is no blank."""
    lit = np.count_nonzero(facts.thumbs > round(DARK * 255), axis=(1, 2))
    return facts.readable & (facts.contrast >= BLANK) & (lit <= SIDE * SIDE / 100)


def too_bright(facts: Facts) -> np.ndarray:
    """(N,) bool: not even a twentieth of the image is darker than very bright, and it is no blank."""
    drawn = np.count_nonzero(facts.thumbs < round(BRIGHT * 255), axis=(1, 2))
    return facts.readable & (facts.contrast >= BLANK) & (drawn <= SIDE * SIDE / 20)


def _flat(facts: Facts) -> np.ndarray:
    """(N,) bool: the darkest and the brightest hundredth of the image differ little."""
    some = np.flatnonzero(facts.readable & (facts.contrast < HAZY))
    hundredth = SIDE * SIDE // 100
    flat = np.zeros(len(facts.contrast), bool)
    ends = np.partition(facts.thumbs[some].reshape(-1, SIDE * SIDE), (hundredth, -1 - hundredth), axis=1)
    flat[some] = ends[:, -1 - hundredth].astype(int) - ends[:, hundredth] < FLAT * 255
    return flat


def _blurred(facts: Facts) -> np.ndarray:
    """(N,) bool: less detail than a blurred image has, and much less than the folder's median image."""
    known = facts.readable & (facts.fineness > 0)
    usual = _median(facts.fineness, known) - RAMP
    return known & (facts.fineness < BLURRED) & (FINER * (facts.fineness - RAMP) < usual)


def _noisy(facts: Facts) -> np.ndarray:
    """(N,) bool: noise that is visible, and much more of it than in the folder's median image."""
    known = facts.readable & (facts.fineness > 0)
    return known & (facts.noise > max(NOISY, NOISIER * _median(facts.noise, known)))


def _beyond(values: np.ndarray, rows: np.ndarray, *, below: float = math.inf, above: float = math.inf) -> np.ndarray:
    """(N,) bool: rows that are so many times smaller or larger than the median."""
    middle = _median(values, rows)
    return rows & ((values < middle / below) | (values > middle * above))


def _median(values: np.ndarray, rows: np.ndarray) -> float:
    return float(np.median(values[rows])) if rows.any() else 0.0


def _finding(keys: list[str], code: str, rows: np.ndarray, what: str, advice: str) -> Finding:
    where = np.flatnonzero(rows)
    message = f"{plural(len(where), 'image is', 'images are')} {what}."
    named = tuple(keys[row] for row in where)
    return Finding(code, message, len(where), advice, tuple((key,) for key in named[:EXAMPLES]), keys=named)
