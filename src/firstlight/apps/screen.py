"""What the command line prints: a run's trainings and findings, images drawn in characters, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from firstlight.apps.terminal import say_json
from firstlight.characters import cut, padded, visible
from firstlight.wording import plural

if TYPE_CHECKING:
    import numpy as np

    from firstlight.runs.evidence import Evidence
    from firstlight.runs.rung_result import RungResult

SHADES, PLAIN_SHADES = " ░▒▓█", " .+*#"  # the latter where the encoding does not have the former
GAP = "   "  # between two images


def print_json(document: Any) -> None:
    """One strict JSON document on standard output."""
    say_json(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def training_lines(rung: RungResult) -> list[str]:
    """The rung, and what was used and decided in its training; none for a closed-form rung."""
    training = rung.training
    if training is None:
        return []
    recipe = training.recipe
    lines = [
        f"{plural(training.parameters, 'parameter')}, {plural(recipe['epochs'], 'epoch')} of batches of "
        f"{recipe['batch_size']}, "
        f"{recipe['optimizer']}, lr {recipe['lr']:g}, {recipe['precision']} on {training.device}",
        *training.reasons,
    ]
    if seeds := training.seeds:
        each = ", ".join(f"{accuracy:.4f}" for accuracy in seeds.accuracies)
        lines.append(
            f"{len(seeds.seeds)} seeds: accuracy {each}; mean {seeds.mean:.4f}, "
            f"standard deviation {seeds.standard_deviation:.4f}"
        )
        lines.append("the accuracy, interval and tests of this rung are those of the first seed's model")
    return [f"{rung.name}:", *(f"  {line}" for line in lines)]


def finding_lines(evidence: Evidence) -> list[str]:
    """The grave findings in a run's data, and the accuracies without leaked images."""
    findings = evidence.findings
    grave = [one for one in findings if one.severity != "note"]
    if not findings:
        return []
    rest = len(findings) - len(grave)
    lines = [f"{one.code} {one.severity}: {one.message}" for one in grave]
    more = f"{plural(rest, 'note')}{' more' if grave else ''}"
    lines += [f"In the report: {more} on the data."] if rest else []
    if without := evidence.without_leaked:
        each = [f"{name} {one.accuracy:.3f} (n={one.n:,})" for name, one in without.rungs.items()]
        lines.append(f"Without the {plural(without.left_out, 'leaked image')}: {', '.join(each)}")
    return ["", *lines]


def guessing_lines(name: str, wanted: str | None) -> list[str]:
    """A sentence where the rung that was not named is the one that looks at no image."""
    if wanted is not None or name != "prior":
        return []
    return [
        "prior, the rung that the run advises, predicts the most frequent training class for every image; "
        "--rung names another."
    ]


def drawn(images: np.ndarray, names: Sequence[str], most: int = 80) -> str:
    """Gray images side by side in characters; darker characters are brighter pixels.

    Two columns are a pixel, which is square then; where that is wider than ``most`` columns, one column is the mean of
    two pixels, one below the other, or of more.

    Args:
        images: (K, H, W) float in [0, 1].
        names: (K,) the title of each.
        most: columns of the terminal.
    """
    count, _, wide = images.shape
    each = (most - len(GAP) * (count - 1)) // count  # columns of an image
    shrunk = -(-wide // max(each, 1)) if 2 * wide > each else 0
    if shrunk:
        images = _means(_means(images, 2 * shrunk, axis=1), shrunk, axis=2)
    shades = SHADES if _has(sys.stdout.encoding, SHADES) else PLAIN_SHADES
    levels = (images * len(shades)).astype(int).clip(0, len(shades) - 1)
    times = 1 if shrunk else 2
    width = times * images.shape[2]
    lines = [GAP.join(padded(cut(visible(name), width), width) for name in names)]
    for row in range(images.shape[1]):
        lines.append(GAP.join("".join(times * shades[level] for level in image[row]) for image in levels))
    return "\n".join(lines)


def _has(encoding: str | None, text: str) -> bool:
    try:
        return bool(text.encode(encoding or "utf-8"))
    except UnicodeEncodeError:
        return False


def _means(values: np.ndarray, size: int, *, axis: int) -> np.ndarray:
    """The means of so many neighbours along an axis; the last may be of fewer."""
    import numpy as np

    starts = np.arange(0, values.shape[axis], size)
    shape = [-1 if place == axis else 1 for place in range(values.ndim)]
    counts = np.diff(starts, append=values.shape[axis]).reshape(shape)
    return np.add.reduceat(values, starts, axis=axis) / counts
