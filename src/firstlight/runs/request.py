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
        in_memory: whether a table or list in memory was passed, which no path gives again; ``data`` is then its root.
        scanning: how it was read: the options of `scan`.
        rungs: the names of the rungs, simplest first.
        split: that is measured on.
        loading: how images are brought to one shape, with what was decided.
        seeds: each network is trained once per seed; the first one is the run's.
        effort: ``"quick"``, ``"standard"`` or ``"thorough"``; None where no rung is trained.
        options: fields of `Recipe` that replace the recipe's own.
        backbone: the pretrained network that was used; None where no rung uses one.
        minutes: that the climb could take; None where there was no bound.
    """

    data: str = ""
    in_memory: bool = False
    scanning: Scanning = field(default_factory=Scanning)
    rungs: tuple[str, ...] = ()
    split: str = "validation"
    loading: Loading = field(default_factory=Loading)
    seeds: tuple[int, ...] = (0,)
    effort: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    backbone: str | None = None
    minutes: float | None = None

    @property
    def typed_scanning(self) -> list[str] | None:
        """The options of the scan on the command line; None where it does not have one of them."""
        how = self.scanning
        if self.in_memory or how.root is not None or how.follow_links:
            return None
        return [
            *(["--classes-from", how.classes_from] if how.classes_from != "auto" else []),
            *(["--label-from", how.label_from] if how.label_from is not None else []),
        ]

    @property
    def source(self) -> str:
        """The source in Python: a path, the `scan` of one, or the name of a table."""
        plain = Scanning()
        scanned = {name: value for name, value in vars(self.scanning).items() if value != getattr(plain, name)}
        data = ", ".join([repr(self.data), *(f"{name}={value!r}" for name, value in scanned.items())])
        return "table" if self.in_memory else f"fl.scan({data})" if scanned else data


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
