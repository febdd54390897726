"""Pictures of numbers: accuracy, confusion, calibration, curves, sizes, balance; each made of arrays and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.evaluation.uncertainty import wilson
from firstlight.reporting.picture import Picture, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMES = 24  # rows that can be read; of more classes those that need a look are drawn, and the title says so
MOST_CELLS = 15  # classes up to which a confusion matrix has its numbers written in
SHORT = 22  # letters of a class name
BINS = 10  # of the reliability diagram

Pair = tuple[float, float]


def accuracies(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[Pair],
    ns: Sequence[int],
    *,
    chance: float | None = None,
) -> Picture:
    """Accuracy by rung: a dot and its 95 % interval for each, simplest on top.

    Args:
        names: of the rungs.
        values: accuracies in [0, 1].
        intervals: (low, high) of each.
        ns: the images that each was measured on.
        chance: what always guessing the commonest class reaches; a dashed line.
    """
    told = "; ".join(f"{n} {v:.3f} [{i[0]:.3f}, {i[1]:.3f}]" for n, v, i in zip(names, values, intervals, strict=True))
    columns = {"rung": names, "accuracy": values, **_ends(intervals), "n": ns}
    return Picture(
        "Accuracy by rung, with its 95 % interval",
        f"Accuracy by rung with 95 % intervals: {told}.",
        columns,
        lambda figure, theme: _dots(figure, theme, names, values, intervals, chance),
        (6.4, 0.95 + 0.3 * len(names)),
    )


def _dots(
    figure: Figure,
    theme: Theme,
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[Pair],
    chance: float | None,
) -> None:
    axes = figure.add_subplot()
    places = np.arange(len(names))
    low, high = np.array(intervals, float).reshape(-1, 2).T
    axes.hlines(places, low, high, color=theme.series[0], linewidth=5, alpha=0.45, capstyle="round")
    axes.plot(values, places, "o", color=theme.series[0], markersize=6)
    room = 0.02 * max(1e-9, 1 - min(low.min(initial=1), chance if chance is not None else 1))
    for place, value, end in zip(places, values, high, strict=True):
        axes.annotate(f"{value:.3f}", (end + room, place), va="center", fontsize=9, color=theme.text)
    if chance is not None:
        axes.axvline(chance, color=theme.muted, linestyle="--", linewidth=1)
        axes.annotate(
            "commonest class", (chance, -0.75), xytext=(4, 0), textcoords="offset points", fontsize=9,
            color=theme.muted, va="center", annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(places, [short(name) for name in names], color=theme.text)
    axes.set_ylim(len(names) - 0.5, -0.5 if chance is None else -1.05)
    left = min(low.min(initial=1), 1 if chance is None else chance)
    axes.set_xlim(max(0.0, left - 0.06 * (1 - left) - 0.01), 1 + 0.16 * (1 - left))
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= 1])
    axes.grid(axis="y", visible=False)


def confusion(matrix: np.ndarray, classes: Sequence[str]) -> Picture:
    """Which class is taken for which: rows are the true classes, their shares are the shades.

    Args:
        matrix: (K, K) counts, true class by predicted class.
        classes: K names. Of more than `MOST_NAMES` those with the most mistakes are drawn.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ArgumentError(f"The matrix is {matrix.shape} for {len(classes)} classes; pass one of K x K counts.")
    wrong = matrix - np.diag(matrix.diagonal())
    rows, cols = np.nonzero(wrong)
    order = np.argsort(-wrong[rows, cols], kind="stable")
    commonest = "; ".join(f"{classes[rows[at]]} as {classes[cols[at]]} {wrong[rows[at], cols[at]]}" for at in order[:5])
    title = "Which class is taken for which"
    chosen = np.arange(len(classes))
    if len(classes) > MOST_NAMES:
        chosen = np.sort(np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")[:MOST_NAMES])
        title += f": the {MOST_NAMES} classes with most mistakes of {len(classes):,}"
    right = int(matrix.diagonal().sum())
    alt = f"Confusion matrix: {right:,} of {int(matrix.sum()):,} images right. "
    alt += f"Commonest mistakes: {commonest}." if commonest else "No mistakes."
    numbers = {
        "true": [classes[row] for row in rows[order]],
        "predicted": [classes[col] for col in cols[order]],
        "images": wrong[rows[order], cols[order]].tolist(),
    }
    names = [classes[at] for at in chosen.tolist()]
    side = min(6.4, max(3.4, 1.9 + 0.32 * len(chosen)))
    return Picture(
        title, alt, numbers,
        lambda figure, theme: _matrix(figure, theme, matrix[np.ix_(chosen, chosen)], names),
        (side, side * 0.95),
    )  # fmt: skip


def _matrix(figure: Figure, theme: Theme, matrix: np.ndarray, classes: Sequence[str]) -> None:
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=_ramp(theme), vmin=0, vmax=1)
    if len(classes) <= MOST_CELLS:
        light, dark = (theme.ramp[0], theme.text)
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = light if shares[row, column] > 0.5 else dark
                axes.text(
                    column, row, f"{count:,}", ha="center", va="center", fontsize=9 if len(classes) < 12 else 8,
                    color=colour,
                )  # fmt: skip
    names = [short(name, 12) for name in classes]
    long = max(map(len, names), default=0) > 2
    places = np.arange(len(classes))
    axes.set_xticks(places, names, rotation=90 if long else 0, color=theme.text)
    axes.set_yticks(places, names, color=theme.text)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true class")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Picture:
    """Whether probabilities mean what they say: the share that is right among images of about one probability.

    Args:
        probabilities: (N, K).
        labels: (N,) index of the true class, each known.
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    filled = np.flatnonzero(counts)
    correct = np.bincount(bins, weights=right, minlength=BINS)[filled].astype(int)
    mean = np.bincount(bins, weights=sure, minlength=BINS)[filled] / counts[filled]
    share = correct / counts[filled]
    low, high = wilson(correct, counts[filled])
    told = "; ".join(
        f"{m:.2f} said, {s:.2f} right (n={n})" for m, s, n in zip(mean, share, counts[filled], strict=True)
    )
    columns = {"probability": mean.tolist(), "right": share.tolist(), "low": low.tolist(), "high": high.tolist()}

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=theme.muted, linestyle="--", linewidth=1)
        axes.vlines(mean, low, high, color=theme.series[0], linewidth=5, alpha=0.45)
        axes.plot(mean, share, "o-", color=theme.series[0], markersize=6, linewidth=1)
        axes.text(0.05, 0.09, "true to its word", rotation=45, rotation_mode="anchor", fontsize=9, color=theme.muted)
        axes.set_xlabel("probability of the predicted class")
        axes.set_ylabel("share that is right")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.04)
        axes.set_aspect("equal")

    return Picture(
        "Do the probabilities mean what they say?",
        f"Reliability diagram: {told}.",
        columns | {"n": counts[filled].tolist()},
        draw,
        (4.6, 4.4),
    )


def curves(history: Sequence[Mapping[str, Any]]) -> Picture:
    """Learning curves: loss and accuracy after each epoch, a line for each seed.

    Args:
        history: epochs with ``epoch`` and ``train_loss``, and where images were watched ``validation_loss``,
            ``accuracy`` and ``interval``; with ``seed`` where there are several.
    """
    seeds = sorted({epoch.get("seed", 0) for epoch in history})
    last = history[-1]
    watched = last.get("accuracy") is not None
    names = ["epoch", "train_loss", *(["validation_loss", "accuracy"] if watched else [])]
    alt = f"Learning curves over {max(int(epoch['epoch']) for epoch in history)} epochs: training loss "
    alt += f"{history[0]['train_loss']:.3f} to {last['train_loss']:.3f}"
    alt += f", accuracy {history[0]['accuracy']:.3f} to {last['accuracy']:.3f}." if watched else "."

    def draw(figure: Figure, theme: Theme) -> None:
        every = figure.subplots(1, 2 if watched else 1, squeeze=False)[0]
        for seed in seeds:
            mine = [epoch for epoch in history if epoch.get("seed", 0) == seed]
            x = [epoch["epoch"] for epoch in mine]
            first = seed == seeds[0]
            for name, colour, label in (("train_loss", 0, "training"), ("validation_loss", 1, "validation")):
                if all(epoch.get(name) is not None for epoch in mine):
                    y = [epoch[name] for epoch in mine]
                    every[0].plot(
                        x, y, color=theme.series[colour], alpha=1 if first else 0.35, label=label if first else None
                    )
            if watched:
                every[1].plot(
                    x, [epoch["accuracy"] for epoch in mine], color=theme.series[1], alpha=1 if first else 0.35
                )
                if first and all(epoch.get("interval") for epoch in mine):
                    low, high = np.array([epoch["interval"] for epoch in mine], float).T
                    every[1].fill_between(x, low, high, color=theme.series[1], alpha=0.15, linewidth=0)
        every[0].set_title("loss")
        every[0].legend(labelcolor=theme.text, handlelength=1.2)
        if watched:
            every[1].set_title("accuracy on validation")
        for axes in every:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)

    columns = {name: [epoch.get(name) for epoch in history] for name in names}
    return Picture("Learning curves", alt, columns, draw, (6.4, 2.9))


def lr_range(rates: Sequence[float], losses: Sequence[float], chosen: float) -> Picture:
    """The learning-rate range test: the loss while the rate grows, and the rate that was taken."""

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        axes.plot(rates, losses, color=theme.series[0])
        axes.axvline(chosen, color=theme.series[1], linestyle="--", linewidth=1.2)
        axes.annotate(
            f"taken: {chosen:.2g}", (chosen, max(losses)), xytext=(5, -4), textcoords="offset points", fontsize=9,
            color=theme.series[1], va="top",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss, running mean")

    lowest = rates[int(np.argmin(losses))]
    alt = f"Learning-rate range test from {rates[0]:.2g} to {rates[-1]:.2g}: lowest loss at {lowest:.2g}; "
    return Picture(
        "Learning-rate test", f"{alt}{chosen:.2g} was taken.", {"lr": rates, "loss": losses}, draw, (4.6, 3.0)
    )


def balance(counts: Mapping[str, Mapping[str, int]]) -> Picture:
    """Images of each class in each split.

    Args:
        counts: split -> class -> images.
    """
    classes = list(next(iter(counts.values())))
    total = {name: sum(each.get(name, 0) for each in counts.values()) for name in classes}
    order = classes
    title = "Images by class and split"
    if len(classes) > MOST_NAMES:
        half = MOST_NAMES // 2
        ranked = sorted(classes, key=lambda name: -total[name])
        order = ranked[:half] + ranked[-half:]
        title += f": the {half} largest and the {half} smallest of {len(classes):,}"
    largest, smallest = max(classes, key=lambda n: total[n]), min(classes, key=lambda n: total[n])
    alt = f"{title}: most of {largest} ({total[largest]:,}), fewest of {smallest} ({total[smallest]:,})."

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        places, left = np.arange(len(order)), np.zeros(len(order))
        for number, (split, each) in enumerate(counts.items()):
            widths = np.array([each.get(name, 0) for name in order])
            axes.barh(places, widths, left=left, height=0.66, color=theme.series[number % 5], label=split)
            left += widths
        for place, width in zip(places, left, strict=True):
            axes.annotate(
                f"{int(width):,}", (width, place), xytext=(4, 0), textcoords="offset points", va="center",
                fontsize=9, color=theme.text,
            )  # fmt: skip
        axes.set_yticks(places, [short(name) for name in order], color=theme.text)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_xlim(0, left.max(initial=1) * 1.12)
        axes.grid(axis="y", visible=False)
        axes.legend(
            labelcolor=theme.text, ncols=len(counts), loc="lower left", bbox_to_anchor=(0, 1), handlelength=0.9,
            borderpad=0.1,
        )  # fmt: skip

    columns: dict[str, Sequence[Any]] = {"class": classes}
    columns |= {split: [each.get(name, 0) for name in classes] for split, each in counts.items()}
    return Picture(title, alt, columns, draw, (6.4, 1.3 + 0.27 * len(order)))


def sizes(widths: Sequence[int], heights: Sequence[int]) -> Picture:
    """Width and height of the images, a spot as large as there are images of that size."""
    pairs, counts = np.unique(np.stack([widths, heights], 1), axis=0, return_counts=True)
    main = pairs[counts.argmax()]
    alt = f"Sizes of {len(widths):,} images: {len(pairs):,} different ones, most are {main[0]} x {main[1]} px."

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        area = 12 + 500 * counts / counts.sum()
        axes.scatter(pairs[:, 0], pairs[:, 1], s=area, color=theme.series[0], alpha=0.6, linewidths=0)
        axes.set_xlabel("width, px")
        axes.set_ylabel("height, px")
        axes.set_xlim(0, pairs[:, 0].max() * 1.1)
        axes.set_ylim(0, pairs[:, 1].max() * 1.1)

    columns = {"width": pairs[:, 0].tolist(), "height": pairs[:, 1].tolist(), "images": counts.tolist()}
    return Picture("Sizes of the images", alt, columns, draw, (5.0, 3.8))


def _ends(intervals: Sequence[Pair]) -> dict[str, list[float]]:
    return {"low": [one[0] for one in intervals], "high": [one[1] for one in intervals]}


def short(name: str, most: int = SHORT) -> str:
    name = name.replace("$", r"\$")  # else matplotlib would take what stands between two for mathematics
    return name if len(name) <= most else f"{name[: most - 1]}…"


def bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _ramp(theme: Theme) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ramp", theme.ramp)
