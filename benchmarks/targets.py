"""What each benchmark has to reach, in one place; `./scripts/bench --check` compares the measurements with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """``slow`` takes at least ``times`` as long as ``fast``, as the median of the rounds.

    Attributes:
        needs: what has to be installed for one of the two; without it the target is not measured.
        given_up: why it is not checked any more, with the entry of docs/log.md; empty while it holds.
    """

    slow: str
    fast: str
    times: float
    needs: str = ""
    given_up: str = ""


@dataclass(frozen=True)
class Bound:
    """Limits of a figure, or of the median seconds of a contender.

    Attributes:
        figure: its name; ``*`` stands for any text.
        given_up: why it is not checked any more, with the entry of docs/log.md; empty while it holds.
    """

    figure: str
    at_most: float = math.inf
    at_least: float = -math.inf
    given_up: str = ""


@dataclass(frozen=True)
class Targets:
    """Those of one benchmark."""

    ratios: tuple[Ratio, ...] = ()
    bounds: tuple[Bound, ...] = ()


def fastai(times: float, accuracy: float) -> Targets:
    """Of an epoch, compared with both orders in which fastai's Learner takes the images."""
    learners = ("fastai Learner", "fastai Learner, unshuffled")
    ratios = tuple(Ratio(name, "firstlight", times, needs="fastai") for name in learners)
    return Targets(ratios, (Bound("accuracy after * epochs, firstlight", at_least=accuracy),))


TARGETS: Mapping[str, Targets] = {
    "decode-png": Targets(
        (
            Ratio(
                "Pillow loop",
                "firstlight",
                4.0,
                given_up="3.0 are reached, 4.3 without verifying the checksum of the pixels, which kornia-rs leaves "
                "out (docs/log.md, 2026-11-27, Hostile files)",
            ),
        )
    ),
    "decode-jpeg": Targets((Ratio("Pillow loop", "firstlight", 5.5),)),
    "climb": Targets(
        (
            Ratio("the chapter's way", "climb, first time", 4.0),
            Ratio(
                "the chapter's way",
                "climb, from the cache",
                30.0,
                given_up="15.3 were reached; most of the rest is asking each file for its size and time "
                "(docs/log.md, 2026-11-23, What falls short)",
            ),
        )
    ),
    "l1": Targets(
        (
            Ratio("torch.cdist", "firstlight", 7.0),
            Ratio("C with OpenMP, float32", "firstlight", 1 / 1.5, needs="a C compiler"),
        )
    ),
    "start": Targets(
        bounds=(
            Bound("first row of climb mnist_sample, from the cache", at_most=1.0),
            Bound("--help beyond python -c pass", at_most=0.15),
            Bound("peak memory of climb mnist_sample, *", at_most=250.0),
        )
    ),
    "report": Targets(bounds=(Bound("firstlight report", at_most=3.0), Bound("size of the page", at_most=3.0))),
    "sgd-linear": fastai(times=3.0, accuracy=0.965),
    "sgd-mlp": fastai(times=2.0, accuracy=0.980),
    "predict-one": Targets(bounds=(Bound("firstlight predict, *", at_most=1.0),)),
    "serve-memory": Targets(bounds=(Bound("firstlight *, growth from * requests", at_most=5.0),)),
    "serve-attacks": Targets(bounds=(Bound("slowest answer, *", at_most=1.0),)),
    "decode-hostile": Targets(bounds=(Bound("[!s]*, *", at_most=3.0),)),
    "cnn-share": Targets(bounds=(Bound("*, share of the product's rate", at_least=0.4),)),
    "cnn-99": Targets(
        (
            Ratio(
                "PyTorch's MNIST example",
                "firstlight, quick, the whole fit",
                8.0,
                given_up="to 99 % alone it is 10.6 times, with the last epoch, which goes beyond, 7.13 "
                "(docs/log.md, 2026-11-23, What was reached)",
            ),
        ),
        (Bound("test accuracy of *", at_least=0.99),),
    ),
}
