"""`Evidence`: what a report shows beside the numbers (findings, images, maps), kept in the run folder as one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.atomic import new_file
from firstlight.errors import RunError
from firstlight.runs.results import Run
from firstlight.runs.seal import plain
from firstlight.runs.tensors import SavedModel, pack_one, unpack_one

EVIDENCE = "evidence.safetensors"
LIMIT = 2**30  # bytes of the file; a thousand classes with three images of 96 x 96 px each are 80 MB
KIND = "evidence"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was gathered at the end of a climb, so that its report needs neither the images nor torch.

    Attributes:
        about: plain values: findings, counts, slices, which image is shown where, what was said of it.
        ideals: uint8 (K, H, W, C), the mean training image of each class.
        shown: uint8 (M, h, w, C), the images that are shown, the shorter ones at their own size.
        explained: uint8 (E, H, W, C), the images whose explanations are shown.
        maps: float32 (R, H, W), the signed maps of the explanations.

    Example:
        >>> empty = np.zeros((0, 2, 2, 1), np.uint8)
        >>> Evidence({"findings": {}}, empty, empty, empty, np.zeros((0, 2, 2), np.float32)).about
        {'findings': {}}
    """

    about: Mapping[str, Any]
    ideals: np.ndarray
    shown: np.ndarray
    explained: np.ndarray = field(repr=False)
    maps: np.ndarray = field(repr=False)


SHAPES = {"ideals": (4, np.uint8), "shown": (4, np.uint8), "explained": (4, np.uint8), "maps": (3, np.float32)}


def keep_evidence(run: Run, evidence: Evidence) -> None:
    """Writes the evidence of a run into its folder, whole or not at all; what was there is replaced.

    Raises:
        RunError: where the folder cannot be written to.
    """
    assert run.path is not None
    tensors = {name: getattr(evidence, name) for name in SHAPES}
    with new_file(run.path / EVIDENCE, RunError) as part:
        part.write_bytes(pack_one(SavedModel({"kind": KIND, "about": plain(evidence.about)}, tensors)))


def kept_evidence(run: Run) -> Evidence | None:
    """What `keep_evidence` kept; None where the run has none.

    Raises:
        RunError: where the file was changed, cut off, is too large, or holds something else.
    """
    path = None if run.path is None else run.path / EVIDENCE
    if path is None or not path.is_file():
        return None
    if path.stat().st_size > LIMIT:
        raise RunError(f"{path} has {path.stat().st_size:,} bytes, and at most {LIMIT:,} are read; {_again(path)}")
    saved = unpack_one(path.read_bytes(), path)
    about = saved.config.get("about")
    for name, (rank, dtype) in SHAPES.items():
        found = saved.tensors.get(name)
        if found is None or found.ndim != rank or found.dtype != dtype:
            raise RunError(f"{path} has no {name} of rank {rank} and type {np.dtype(dtype).name}; {_again(path)}")
    if saved.config.get("kind") != KIND or not isinstance(about, dict):
        raise RunError(f"{path} holds no evidence of a run; {_again(path)}")
    return Evidence(about, **{name: saved.tensors[name] for name in SHAPES})


def _again(path: Path) -> str:
    return f"remove {path.name} and run firstlight climb again, which gathers it anew."
