"""`seed_of()`: a random seed as a plain whole number, or one sentence."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from firstlight.errors import ArgumentError

MOST = 2**63 - 1  # the largest that NumPy, torch and a run's files all hold


def seed_of(seed: Any) -> int:
    """The seed as a whole number; NumPy's count as well.

    Raises:
        ArgumentError: where it is no whole number, below 0 or above `MOST`.

    Example:
        >>> import numpy as np
        >>> seed_of(np.int64(3))
        3
        >>> seed_of(-1)
        Traceback (most recent call last):
        firstlight.errors.ArgumentError: seed=-1 is not a seed; pass a whole number from 0 to 2**63 - 1, such as 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) <= MOST:
        raise ArgumentError(f"seed={seed!r} is not a seed; pass a whole number from 0 to 2**63 - 1, such as 0.")
    return int(seed)
