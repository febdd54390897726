"""`Request`: the arguments of a climb; and the versions that its numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from firstlight.data.decoding.loading import Loading
from firstlight.data.scanning.options import Scanning


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of a climb.

    Attributes:
        data: the images' source as it was passed.
        scanning: how it was read: the options of `scan`.
        rungs: the names of the rungs, simplest first.
        split: that is measured on.
        loading: how images are brought to one shape, with what was decided.
        seeds: each network is trained once per seed; the first one is the run's.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``; None where no rung is trained.
        options: fields of `Recipe` that replace the recipe's own.
    """

    data: str = ""
    scanning: Scanning = field(default_factory=Scanning)
    rungs: tuple[str, ...] = ()
    split: str = "validation"
    loading: Loading = field(default_factory=Loading)
    seeds: tuple[int, ...] = (0,)
    effort: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@cache
def versions() -> dict[str, str]:
    """The versions that a run depends on: firstlight, python, numpy, pyarrow, and the platform.

    Example:
        >>> sorted(versions())
        ['firstlight', 'numpy', 'platform', 'pyarrow', 'python']
    """
    import platform
    from importlib.metadata import version

    packages = {name: version(name) for name in ("firstlight", "numpy", "pyarrow")}
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {**packages, "python": platform.python_version(), "platform": system}
