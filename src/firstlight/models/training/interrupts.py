"""`Interrupts`: Ctrl-C and SIGTERM, delayed until a step is complete."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """While it is open, the first SIGINT or SIGTERM is only recorded; the second one interrupts at once.

    Args:
        enabled: whether to delay signals at all; only the main thread can.

    Attributes:
        requested: whether a signal has come.

    Example:
        >>> with Interrupts() as interrupts:
        ...     signal.raise_signal(signal.SIGINT)
        ...     print(interrupts.requested)
        True
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled and threading.current_thread() is threading.main_thread()
        self.requested = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if self.enabled:
            self.before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
