"""How to make a run again: the command with all its options, or the call in Python where it has no such option."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from firstlight.data.decoding.loading import Loading
from firstlight.runs.request import Request

PACKAGED = "efficientnet-lite0"  # the backbone without a request
SIZES = {"hidden": "--hidden"}  # of networks, and their options on the command line
LOSSES = ("l1", "mse", "bce", "cross_entropy")  # others are functions of the user's own


def reproducing(request: Request) -> str:
    """What makes a run again from the same images.

    Args:
        request: the arguments of the run.

    Example:
        >>> reproducing(Request(data="my photos", rungs=("prior", "ink"), seeds=(3,)))
        "firstlight climb 'my photos' --rungs prior,ink --seed 3 --color auto"
        >>> reproducing(Request(data="photos", rungs=("cnn",), options={"sizes": {"width": 8}}))
        "fl.climb('photos', rungs=['cnn'], sizes={'width': 8})"
    """
    first, *_ = seeds = request.seeds
    training = _training_options(request.options)
    scanning = request.typed_scanning
    if training is None or scanning is None or list(seeds) != list(range(first, first + len(seeds))):
        return _call(request)
    parts = ["firstlight", "climb", request.data, "--rungs", ",".join(request.rungs)]
    parts += ["--split", request.split] if request.split != "validation" else []
    parts += ["--effort", request.effort] if request.effort not in (None, "standard") else []
    parts += ["--seed", str(first)] if first else []
    parts += ["--seeds", str(len(seeds))] if len(seeds) > 1 else []
    parts += ["--backbone", request.backbone] if request.backbone not in (None, PACKAGED) else []
    parts += ["--minutes", f"{request.minutes:g}"] if request.minutes is not None else []
    return shlex.join([*parts, *scanning, *_loading_options(request.loading), *training])


def _loading_options(loading: Loading) -> list[str]:
    height, width = loading.sides or (0, 0)
    return [
        *(["--size", str(height) if height == width else f"{height}x{width}"] if height else []),
        *["--color", loading.color],
        *(["--resize", loading.resize] if loading.resize != "squish" else []),
        *(["--align", loading.align] if loading.align != "none" else []),
        *(["--allow-unreadable"] if loading.allow_unreadable else []),
    ]


def _training_options(options: Mapping[str, Any]) -> list[str] | None:
    """Options of a recipe on the command line; None where it does not have one of them."""
    parts: list[str] = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "sizes":
            if value.keys() - SIZES.keys():
                return None
            parts += [part for size, number in value.items() for part in (SIZES[size], str(number))]
        elif isinstance(value, bool):
            parts.append(option if value else option.replace("--", "--no-", 1))
        elif isinstance(value, Mapping) or (name == "loss" and value not in LOSSES):
            return None
        else:
            parts += [option, str(value)]
    return parts


def _call(request: Request) -> str:
    """The call of `climb` with these arguments; a loss of one's own is its name."""
    arguments: dict[str, Any] = {"rungs": list(request.rungs)}
    arguments |= {"split": request.split} if request.split != "validation" else {}
    arguments |= {"effort": request.effort} if request.effort not in (None, "standard") else {}
    arguments |= {"seed": list(request.seeds)} if request.seeds != (0,) else {}
    arguments |= {"backbone": request.backbone} if request.backbone not in (None, PACKAGED) else {}
    arguments |= {"minutes": request.minutes} if request.minutes is not None else {}
    words = [f"{name}={value!r}" for name, value in arguments.items()]
    if request.loading != Loading():
        words.append(f"loading=fl.{request.loading!r}")
    for name, value in request.options.items():
        own = name == "loss" and value not in LOSSES
        is_augment = name == "augment" and isinstance(value, Mapping)
        shown = f"fl.Augmentation({', '.join(f'{one}={each!r}' for one, each in value.items())})" if is_augment else ""
        words.append(f"{name}={shown or (value if own else repr(value))}")
    return f"fl.climb({', '.join([request.source, *words])})"
