"""What the command line prints: a run's trainings and findings, images drawn in characters, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from firstlight.wording import plural

if TYPE_CHECKING:
    import numpy as np

    from firstlight.runs.evidence import Evidence
    from firstlight.runs.results import RungResult

SHADES = " ░▒▓█"


def print_json(document: Any) -> None:
    """One strict JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def training_lines(rung: RungResult) -> list[str]:
    """What was used and decided in a training; none for a closed-form rung."""
    training = rung.training
    if training is None:
        return []
    recipe = training.recipe
    lines = [
        f"{training.parameters:,} parameters, {recipe['epochs']} epochs of batches of {recipe['batch_size']}, "
        f"{recipe['optimizer']}, lr {recipe['lr']:g}, {recipe['precision']} on {training.device}",
        *training.reasons,
    ]
    if seeds := training.seeds:
        each = ", ".join(f"{accuracy:.4f}" for accuracy in seeds.accuracies)
        lines.append(
            f"{len(seeds.seeds)} seeds: accuracy {each}; mean {seeds.mean:.4f}, "
            f"standard deviation {seeds.standard_deviation:.4f}"
        )
    return [f"  {line}" for line in lines]


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
        lines.append(f"Without the {without.left_out:,} leaked images: {', '.join(each)}")
    return ["", *lines]


def drawn(images: np.ndarray, names: Sequence[str]) -> str:
    """Gray images side by side in characters, two columns per pixel; darker characters are brighter pixels.

    Args:
        images: (K, H, W) float in [0, 1].
        names: (K,) the title of each.
    """
    levels = (images * len(SHADES)).astype(int).clip(0, len(SHADES) - 1)
    width = 2 * images.shape[2]
    lines = ["   ".join(f"{name[:width]:<{width}}" for name in names)]
    for row in range(images.shape[1]):
        lines.append("   ".join("".join(2 * SHADES[level] for level in image[row]) for image in levels))
    return "\n".join(lines)
