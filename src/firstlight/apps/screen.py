"""What the command line shows: the climb's table, ideal images drawn in characters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from firstlight.wording import duration, p_value, plural

if TYPE_CHECKING:
    import numpy as np

SHADES = " ░▒▓█"
NAME_WIDTH = 15
CLASS_COLUMNS = 4  # recall gets a column a class up to here, and the lowest recall alone beyond


def print_json(document: Any) -> None:
    """One strict JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def climb_header(classes: Sequence[str]) -> str:
    """The head of the climb's table."""
    recalls = "".join(f"{name[:6]:>7}" for name in classes) if len(classes) <= CLASS_COLUMNS else "  lowest recall"
    return (
        f"{'rung':<{NAME_WIDTH}}  accuracy  95 % interval{'n':>8}{recalls:<{_recall_width(classes)}}  "
        f"{'against the rung before':<38}{'fit':>9}{'predict':>18}"
    )


def climb_row(rung: dict[str, Any]) -> str:
    """One row of the climb's table, from the rung's entry in the JSON document."""
    recall = {name: part["correct"] / part["n"] for name, part in rung["recall"].items() if part["n"]}
    if len(rung["recall"]) <= CLASS_COLUMNS:
        recalls = "".join(f"{recall[name]:7.3f}" if name in recall else "      -" for name in rung["recall"])
    else:
        lowest = min(recall, key=lambda name: recall[name])
        recalls = f"  {recall[lowest]:.3f} ({lowest[:20]})"
    low, high = rung["interval"]
    seconds = rung["seconds"]
    gained = against(rung["against_previous"])
    return (
        f"{rung['name']:<{NAME_WIDTH}}  {rung['accuracy']:.3f}     {low:.3f} {high:.3f}  {rung['n']:>8}"
        f"{recalls:<{_recall_width(list(rung['recall']))}}  {gained:<38}{duration(seconds['fit']):>9}"
        f"{seconds['predict'] / rung['n'] * 1e6:>9.1f} us/image"
    ).rstrip()


def training_lines(rung: dict[str, Any]) -> list[str]:
    """What was used and decided in a training, from the rung's entry in the JSON document; none where it had none."""
    training = rung["training"]
    if not training:
        return []
    recipe = training["recipe"]
    lines = [
        f"{training['parameters']:,} parameters, {recipe['epochs']} epochs of batches of {recipe['batch_size']}, "
        f"{recipe['optimizer']}, lr {recipe['lr']:g}, {recipe['precision']} on {training['device']}",
        *training["reasons"],
    ]
    if spread := training.get("seeds"):
        each = ", ".join(f"{accuracy:.4f}" for accuracy in spread["accuracies"])
        lines.append(
            f"{len(spread['seeds'])} seeds: accuracy {each}; mean {spread['mean']:.4f}, "
            f"standard deviation {spread['standard_deviation']:.4f}"
        )
    return [f"  {line}" for line in lines]


def comparison_lines(run: dict[str, Any]) -> list[str]:
    """The trained rungs beside the best one without training, from the run's JSON document; none without both."""
    trained = {rung["name"] for rung in run["rungs"] if rung["training"]}
    rows = [row for row in run["comparisons"] if row["name"] in trained and row["against"] not in trained]
    if not rows:
        return []
    best = rows[-1]["against"]
    rows = [row for row in rows if row["against"] == best]
    lines = [
        "",
        f"Beside {best}, the best rung without training (exact McNemar, corrected for all comparisons by Holm):",
    ]
    for row in rows:
        low, high = row["interval"]
        lines.append(
            f"  {row['name']:<{NAME_WIDTH}}  {row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]  "
            f"{row['only_this']:>5} : {row['only_other']:<5}  {p_value(row['p']):<9}  {row['verdict']}"
        )
    return lines


def finding_lines(about: Mapping[str, Any]) -> list[str]:
    """What is grave among the findings of a run's data, and the scores without leaked images beside those with them."""
    findings = about["findings"]["findings"]
    grave = [one for one in findings if one["severity"] != "note"]
    if not findings:
        return []
    rest = len(findings) - len(grave)
    lines = [f"{one['code']} {one['severity']}: {one['message']}" for one in grave]
    more = f"{plural(rest, 'note')}{' more' if grave else ''}"
    lines += [f"In the report: {more} on the data."] if rest else []
    if without := about["without_leaked"]:
        each = [f"{name} {one['accuracy']:.3f} (n={one['n']:,})" for name, one in without["rungs"].items()]
        lines.append(f"Without the {without['left_out']:,} leaked images: {', '.join(each)}")
    return ["", *lines]


def _recall_width(classes: Sequence[str]) -> int:
    """Of the columns of recall: one a class, or the lowest with the name of its class."""
    if len(classes) <= CLASS_COLUMNS:
        return max(15, 7 * len(classes))
    return max(15, 9 + min(20, max(map(len, classes))) + 2)


def against(comparison: dict[str, Any] | None) -> str:
    """``+0.015  p < 0.001``, with the words where nothing was shown."""
    if comparison is None:
        return ""
    p = comparison["p"]
    return f"{comparison['difference']:+.3f}  {p_value(p)}{'' if p < 0.05 else '  no difference shown'}"


def drawn(images: np.ndarray, names: Sequence[str]) -> str:
    """Gray images side by side in characters, two columns a pixel; darker characters are brighter pixels.

    Args:
        images: (K, H, W) float in [0, 1].
        names: (K,) what stands above each.
    """
    levels = (images * len(SHADES)).astype(int).clip(0, len(SHADES) - 1)
    width = 2 * images.shape[2]
    lines = ["   ".join(f"{name[:width]:<{width}}" for name in names)]
    for row in range(images.shape[1]):
        lines.append("   ".join("".join(2 * SHADES[level] for level in image[row]) for image in levels))
    return "\n".join(lines)
