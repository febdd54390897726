"""Checks the arrays and options that a model file gives for a closed-form model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from firstlight.errors import RunError
from firstlight.models.closed_form.distances import DISTANCES


def check_tensors(kind: str, tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Checks that exactly these tensors are there, as int64 and none of them negative.

    Raises:
        RunError: where a tensor is missing, left over, of another shape or dtype, or negative; the sentence names it.

    Example:
        >>> check_tensors("prior", {"counts": np.array([-1, 2])}, {"counts": (2,)})
        Traceback (most recent call last):
        firstlight.errors.RunError: The tensor 'counts' is int64 (2,); prior has int64 (2,), none negative; fit it anew.
    """
    if tensors.keys() != shapes.keys():
        raise RunError(f"The model has the tensors {sorted(tensors)}; {kind} has {sorted(shapes)}; fit it anew.")
    for name, expected in shapes.items():
        found = tensors[name]
        if found.shape != expected or found.dtype != np.int64 or found.min(initial=0) < 0:
            raise RunError(
                f"The tensor {name!r} is {found.dtype} {found.shape}; {kind} has int64 {expected}, none negative; "
                "fit it anew."
            )


def checked_distance(distance: str) -> str:
    """The distance, if it is one.

    Raises:
        RunError: where it is none of l1, l2 and cosine.
    """
    if distance not in DISTANCES:
        raise RunError(f"The model's distance is {distance!r}; expected one of {', '.join(DISTANCES)}; fit it anew.")
    return distance
