"""Pictures of numbers: accuracy, confusion, calibration, curves, balance; each made of arrays and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.errors import ArgumentError
from firstlight.evaluation.uncertainty import wilson
from firstlight.reporting.drawing import LETTER, MOST_NAMES, annotate, bare, checked, legible, ramp, short
from firstlight.reporting.picture import WIDTH, Picture, Theme
from firstlight.wording import plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CELLS = 15  # classes up to which a confusion matrix has its numbers written in
BAR = 12  # pt, the height of a bar
MOST_MISTAKES = 20  # pairs of classes that are drawn where there are many classes
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
        chance: the accuracy of always guessing the most frequent class; a dashed line.
    """
    checked(rungs=names, accuracies=values, intervals=intervals, counts=ns)
    values_text = "; ".join(
        f"{n} {v:.3f} [{i[0]:.3f}, {i[1]:.3f}]" for n, v, i in zip(names, values, intervals, strict=True)
    )
    measured = f"{ns[0]:,}" if len(set(ns)) == 1 else f"{min(ns):,} to {max(ns):,}"
    columns = {"rung": names, "accuracy": values, **_ends(intervals), "n": ns}
    return Picture(
        "Accuracy by rung, with its 95 % interval",
        f"Accuracy by model with 95 % intervals, measured on {measured} images: {values_text}.",
        columns,
        lambda figure, theme: _dots(figure, theme, names, values, intervals, chance),
        (WIDTH, 0.95 + 0.28 * len(names)),
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
    axes.plot(values, places, "o", color=theme.series[0], markersize=5.5)
    for place, value, end in zip(places.tolist(), values, high, strict=True):
        annotate(axes, f"{value:.3f}", (end, place), theme)
    labels = [short(name) for name in names]
    axes.set_yticks(places, labels, color=theme.text)
    axes.set_ylim(len(names) - 0.5, -0.5 if chance is None else -1.05)
    left = min(low.min(initial=1), 1 if chance is None else chance)
    start = max(0.0, left - 0.07 * max(1 - left, 1e-3))
    end = start + (1 - start) * _room("0.000", labels)
    axes.set_xlim(start, end)
    axes.locator_params(axis="x", nbins=int(_width_of(labels) / 38))  # pt, for 0.9975 and a gap
    axes.set_xticks([tick for tick in axes.get_xticks() if start <= tick <= min(1, end)])
    if chance is not None:
        axes.axvline(chance, color=theme.muted, linestyle="--", linewidth=1)
        right = chance > (start + end) / 2
        axes.annotate(
            "most frequent class", (chance, -0.75), xytext=(-4 if right else 4, 0), textcoords="offset points",
            fontsize=9, color=theme.muted, va="center", ha="right" if right else "left",
        ).set_in_layout(False)  # fmt: skip
    axes.grid(axis="y", visible=False)


def confusion(matrix: np.ndarray, classes: Sequence[str]) -> Picture:
    """The confusion matrix: rows are the true classes; the shade is the share of the row.

    Of more than `MOST_NAMES` classes nearly every cell is empty, so the most frequent mistakes are drawn as bars.

    Args:
        matrix: (K, K) counts, true class by predicted class.
        classes: K names.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)) or not len(classes):
        raise ArgumentError(f"The matrix is {matrix.shape} for {len(classes)} classes; pass one of K x K counts.")
    wrong = matrix - np.diag(matrix.diagonal())
    rows, cols = np.nonzero(wrong)
    order = np.argsort(-wrong[rows, cols], kind="stable")[:MOST_MISTAKES]
    rows, cols = rows[order], cols[order]
    pairs = list(zip(rows.tolist(), cols.tolist(), strict=True))
    frequent = "; ".join(f"{classes[row]} as {classes[col]} {wrong[row, col]:,}" for row, col in pairs[:5])
    alt = f"{int(matrix.diagonal().sum()):,} of {int(matrix.sum()):,} images right. "
    alt += f"Most frequent mistakes: {frequent}." if frequent else "No mistakes."
    true, predicted = np.nonzero(matrix)
    columns: dict[str, Sequence[Any]] = {
        "true": [classes[row] for row in true.tolist()],
        "predicted": [classes[col] for col in predicted.tolist()],
        "images": matrix[true, predicted].tolist(),
    }
    if len(classes) > MOST_NAMES:
        title = f"{len(pairs)} frequent mistakes of {len(classes):,} classes"
        names = [f"{short(classes[row], 13)} as {short(classes[col], 13)}" for row, col in pairs]
        counts, of = wrong[rows, cols], matrix.sum(axis=1)[rows]
        return Picture(
            title, f"{title}: {alt}", columns,
            lambda figure, theme: _mistakes(figure, theme, names, counts, of),
            (WIDTH, 0.7 + 0.25 * max(len(pairs), 2)),
        )  # fmt: skip
    side = min(WIDTH, 2.7 + 0.36 * len(classes))
    return Picture(
        "Confusion matrix", f"Confusion matrix: {alt}", columns,
        lambda figure, theme: _matrix(figure, theme, matrix, classes),
        (side, side + 0.25),
    )  # fmt: skip


def _mistakes(figure: Figure, theme: Theme, names: Sequence[str], counts: np.ndarray, of: np.ndarray) -> None:
    axes = figure.add_subplot()
    bare(axes)
    if not names:
        axes.text(0, 0.5, "Every image was classified correctly.", color=theme.text)
        return
    places = np.arange(len(names))
    axes.hlines(places, 0, counts, linewidth=BAR, color=theme.series[1])
    for place, count, n in zip(places.tolist(), counts, of, strict=True):
        annotate(axes, f"{count:,} of {n:,}", (count, place), theme)
    axes.set_yticks(places, names, color=theme.text)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, counts.max() * _room(f"{counts.max():,} of {of.max():,}", names))


def _matrix(figure: Figure, theme: Theme, matrix: np.ndarray, classes: Sequence[str]) -> None:
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shades = ramp(theme)
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
    names = [short(name, 12) for name in classes]
    longest = max(map(len, names))
    cell = (72 * figure.get_figwidth() - 45 - LETTER * longest) / len(classes)  # pt
    if len(classes) <= MOST_CELLS and LETTER * len(str(matrix.max())) < cell:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                color = legible(shades(shares[row, column])[:3], theme)
                number = axes.text(column, row, f"{count}", ha="center", va="center", fontsize=9, color=color)
                number.set_in_layout(False)  # it is inside the axes; a hundred of them would be measured twice
    places = np.arange(len(classes))
    axes.set_xticks(places, names, rotation=90 if LETTER * longest > cell else 0, color=theme.text)
    axes.set_yticks(places, names, color=theme.text)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true class")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Picture:
    """Whether probabilities mean what they say: the share that is correct among images of about one probability.

    Args:
        probabilities: (N, K).
        labels: (N,) index of the true class, each known.
    """
    checked(probabilities=probabilities, labels=labels)
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    filled = np.flatnonzero(counts)
    correct = np.bincount(bins, weights=right, minlength=BINS)[filled].astype(int)
    mean = np.bincount(bins, weights=sure, minlength=BINS)[filled] / counts[filled]
    share = correct / counts[filled]
    low, high = wilson(correct, counts[filled])
    values_text = "; ".join(
        f"{m:.2f} predicted, {s:.2f} correct (n={n})" for m, s, n in zip(mean, share, counts[filled], strict=True)
    )
    columns = {"probability": mean.tolist(), "right": share.tolist(), "low": low.tolist(), "high": high.tolist()}

    def draw(figure: Figure, theme: Theme) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
        axes.plot([0, 1], [0, 1], color=theme.muted, linestyle="--", linewidth=1)
        axes.vlines(mean, low, high, color=theme.series[0], linewidth=5, alpha=0.45)
        axes.plot(mean, share, "o-", color=theme.series[0], markersize=5.5, linewidth=1)
        taken = bool(((mean > 0.55) & (low < 0.1)).any())  # the corner that the text would cover
        axes.text(
            *((0.02, 0.95) if taken else (0.98, 0.03)), "dashed: perfectly calibrated", fontsize=9, color=theme.muted,
            ha="left" if taken else "right",
        )  # fmt: skip
        axes.set_ylabel("share that is correct")
        axes.set_ylim(0, 1.04)
        below.bar((filled + 0.5) / BINS, counts[filled], width=0.8 / BINS, color=theme.series[0], alpha=0.45)
        below.set_xlabel("probability of the predicted class")
        below.set_ylabel("images")
        below.set_yticks([counts.max()], [f"{counts.max():,}"])
        below.set_xlim(0, 1.02)
        figure.align_ylabels()

    return Picture(
        "Calibration of the probabilities",
        f"Reliability diagram: {values_text}.",
        columns | {"n": counts[filled].tolist()},
        draw,
        (WIDTH, 4.8),
    )


def curves(history: Sequence[Mapping[str, Any]]) -> Picture:
    """Learning curves: loss and accuracy after each epoch, a line for each seed.

    Args:
        history: epochs with ``epoch`` and ``train_loss``, and where there were validation images ``validation_loss``,
            ``accuracy`` and ``interval``; with ``seed`` where there are several.
    """
    checked(epochs=history)
    seeds = sorted({epoch.get("seed", 0) for epoch in history})
    main = [epoch for epoch in history if epoch.get("seed", 0) == seeds[0]]
    first, last = main[0], main[-1]
    validated = last.get("accuracy") is not None
    alt = f"Learning curves, {plural(len(main), 'epoch')}: training loss "
    alt += f"{first['train_loss']:.3f} to {last['train_loss']:.3f}"
    alt += f", accuracy {first['accuracy']:.3f} to {last['accuracy']:.3f}" if validated else ""
    alt += f"; the first of {len(seeds)} seeds." if len(seeds) > 1 else "."

    def draw(figure: Figure, theme: Theme) -> None:
        every = figure.subplots(1, 2 if validated else 1, squeeze=False)[0]
        for seed in seeds:
            mine = [epoch for epoch in history if epoch.get("seed", 0) == seed]
            x = [epoch["epoch"] for epoch in mine]
            line: dict[str, Any] = {
                "marker": "o" if len(x) == 1 else "",
                "alpha": 1 if seed == seeds[0] else 0.35,
            }
            for name, color, label in (("train_loss", 0, "training"), ("validation_loss", 1, "validation")):
                if all(epoch.get(name) is not None for epoch in mine):
                    y = [epoch[name] for epoch in mine]
                    shown = {"label": label} if seed == seeds[0] else {}
                    every[0].plot(x, y, color=theme.series[color], **line, **shown)
            if validated:
                every[1].plot(x, [epoch["accuracy"] for epoch in mine], color=theme.series[1], **line)
        if validated and all(epoch.get("interval") for epoch in main):
            low, high = np.array([epoch["interval"] for epoch in main], float).T
            every[1].fill_between(
                [epoch["epoch"] for epoch in main], low, high, color=theme.series[1], alpha=0.25, linewidth=0
            )
        every[0].set_title("loss")
        every[0].legend(labelcolor=theme.text, handlelength=1.2)
        if validated:
            every[1].set_title(f"accuracy, last {last['accuracy']:.3f}")
        for axes in every:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if len(main) == 1:
                axes.set_xticks([last["epoch"]])

    names = ("seed", "epoch", "train_loss", "validation_loss", "accuracy", "seconds")
    columns: dict[str, list[Any]] = {name: [epoch.get(name) for epoch in history] for name in names if name in last}
    if last.get("interval"):
        columns |= _ends([epoch["interval"] for epoch in history])
    return Picture("Learning curves", alt, columns, draw, (WIDTH, 2.5))


def lr_range(rates: Sequence[float], losses: Sequence[float], chosen: float) -> Picture:
    """The learning-rate range test: the loss while the rate grows, and the rate that was taken.

    Args:
        rates: learning rates in rising order.
        losses: the running mean of the loss at each.
        chosen: the rate that was taken.
    """
    checked(rates=rates, losses=losses)

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        axes.plot(rates, losses, color=theme.series[0])
        axes.axvline(chosen, color=theme.series[1], linestyle="--", linewidth=1.2)
        right = chosen**2 > rates[0] * rates[-1]  # right of the middle of a log axis
        axes.annotate(
            f"taken: {chosen:.2g}", (chosen, 1), xycoords=("data", "axes fraction"), xytext=(-5 if right else 5, -2),
            textcoords="offset points", fontsize=9, color=theme.text, va="top", ha="right" if right else "left",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}".replace("e-0", "e-"))
        axes.minorticks_off()
        axes.set_ylim(top=max(losses) + 0.12 * (max(losses) - min(losses)))  # room for the words
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss, running mean")

    lowest = rates[int(np.argmin(losses))]
    alt = f"Learning-rate range test from {rates[0]:.2g} to {rates[-1]:.2g}: lowest loss at {lowest:.2g}; "
    columns = {"lr": rates, "loss": losses}
    return Picture("Learning-rate test", f"{alt}{chosen:.2g} was taken.", columns, draw, (WIDTH, 2.8))


def balance(counts: Mapping[str, Mapping[str, int]]) -> Picture:
    """Images of each class in each split.

    Args:
        counts: split -> class -> images.
    """
    classes = list(dict.fromkeys(name for each in counts.values() for name in each))
    checked(classes=classes)
    total = {name: sum(each.get(name, 0) for each in counts.values()) for name in classes}
    order, places = classes, np.arange(len(classes))
    title = "Images by class and split"
    if len(classes) > MOST_NAMES:
        half = MOST_NAMES // 2
        ranked = sorted(classes, key=lambda name: -total[name])
        order = ranked[:half] + ranked[-half:]
        places = np.arange(MOST_NAMES) + (np.arange(MOST_NAMES) >= half)  # a row stays free between them
        title += f": the {half} largest and the {half} smallest of {len(classes):,}"
    largest, smallest = max(classes, key=lambda n: total[n]), min(classes, key=lambda n: total[n])
    alt = f"{title}: most of {largest} ({total[largest]:,}), fewest of {smallest} ({total[smallest]:,})."

    def draw(figure: Figure, theme: Theme) -> None:
        axes = figure.add_subplot()
        bare(axes)
        left = np.zeros(len(order))
        for number, (split, each) in enumerate(counts.items()):
            widths = np.array([each.get(name, 0) for name in order])
            axes.hlines(places, left, left + widths, linewidth=BAR, color=theme.series[number % 5], label=split)
            left += widths
        for place, width in zip(places.tolist(), left, strict=True):
            annotate(axes, f"{int(width):,}", (width, place), theme)
        axes.set_yticks(places, [short(name) for name in order], color=theme.text)
        axes.set_ylim(places[-1] + 0.5, -0.5)
        axes.set_xlim(0, left.max() * _room(f"{int(left.max()):,}", [short(name) for name in order]))
        axes.legend(
            labelcolor=theme.text, ncols=len(counts), loc="lower left", bbox_to_anchor=(0, 1), handlelength=0.9,
            borderpad=0.1,
        )  # fmt: skip

    columns: dict[str, Sequence[Any]] = {"class": classes}
    columns |= {split: [each.get(name, 0) for name in classes] for split, each in counts.items()}
    return Picture(title, alt, columns, draw, (WIDTH, 0.9 + 0.26 * (int(places[-1]) + 1)))


def _room(words: str, names: Sequence[str]) -> float:
    """By how much an axis is longer than its longest bar, so that words fit behind the bar."""
    whole = _width_of(names)
    return whole / (whole - 6 * len(words) - 12)  # figures of 9 pt are 6 pt wide


def _width_of(names: Sequence[str]) -> float:
    """How many pt of the width these names leave to an axis."""
    return 72 * WIDTH - LETTER * max(map(len, names)) - 20


def _ends(intervals: Sequence[Pair]) -> dict[str, list[float]]:
    return {"low": [one[0] for one in intervals], "high": [one[1] for one in intervals]}
