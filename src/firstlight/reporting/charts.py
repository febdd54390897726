"""The charts of a report: the numbers of a run handed to `pictures`, drawn once for light and once for dark pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from firstlight.reporting import pictures
from firstlight.reporting.picture import DARK, LIGHT, Picture
from firstlight.runs.results import Run
from firstlight.runs.rung_result import RungResult

PX_AN_INCH = 108  # so that letters of 9 pt are as large as the page's small ones


@dataclass(frozen=True)
class Chart:
    """A picture as the page takes it.

    Attributes:
        light: SVG for a light page.
        dark: SVG for a dark page.
        width: in CSS px, up to which it is drawn.
    """

    light: str
    dark: str
    width: int


def _chart(picture: Picture) -> Chart:
    """Drawn once, and put into the colors of a dark page by name; twice where it holds pixels, which have none."""
    light = picture.svg()
    dark = picture.svg(dark=True) if "<image" in light else _recolored(light)
    return Chart(light, dark, round(picture.size[0] * PX_AN_INCH))


def _recolored(svg: str) -> str:
    pairs = [(getattr(LIGHT, name), getattr(DARK, name)) for name in ("text", "muted", "grid", "surface")]
    swapped = dict([*pairs, *zip(LIGHT.series, DARK.series, strict=True)])
    named = "|".join(map(re.escape, swapped))
    ids = re.compile(r'(\bid="|xlink:href="#|href="#|url\(#)')
    return ids.sub(r"\g<1>dark-", re.sub(named, lambda found: swapped[found[0]], svg))


def accuracies(run: Run) -> Chart | None:
    """Every rung's accuracy with its interval; none for a single rung."""
    if len(run) < 2:
        return None
    metrics = [rung.metrics for rung in run]
    return _chart(
        pictures.accuracies(
            [rung.name for rung in run],
            [one.accuracy for one in metrics],
            [one.interval for one in metrics],
            [one.n for one in metrics],
            chance=run.guessing,
        )
    )


def confusion(rung: RungResult) -> Chart:
    """The confusion matrix."""
    return _chart(pictures.confusion(rung.metrics.confusion, list(rung.metrics.recall)))


def reliability(rung: RungResult) -> Chart:
    """The calibration of the probabilities, by temperatures that were not fitted on the image."""
    seen = rung.predictions
    known = seen.labels >= 0
    return _chart(pictures.reliability(np.exp(seen.unseen_log_probabilities[known]), seen.labels[known]))


def curves(rung: RungResult) -> Chart | None:
    """Loss and accuracy after each epoch; none where there is one epoch only."""
    if len({epoch.epoch for epoch in rung.history}) < 2:
        return None
    return _chart(pictures.curves([vars(epoch) for epoch in rung.history]))


def lr_range(rung: RungResult) -> Chart | None:
    """The learning-rate test, where one was made."""
    if rung.training is None or rung.training.lr_range is None:
        return None
    curve = rung.training.lr_range
    return _chart(pictures.lr_range(curve.rates, curve.losses, rung.training.recipe["lr"]))


def balance(counts: Mapping[str, Mapping[str, int]]) -> Chart:
    """How many images each class has in each split."""
    return _chart(pictures.balance(counts))
