"""`Interrupts`: Ctrl-C and the system's request to stop, held back until a step is complete."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """While it is open, the first SIGINT or SIGTERM is only noted; the second one interrupts at once.

    Args:
        enabled: hold signals back at all; they cannot be in another thread than the main one.

    Attributes:
        asked: whether somebody asked to stop.

    Example:
        >>> with Interrupts() as interrupts:
        ...     signal.raise_signal(signal.SIGINT)
        ...     print(interrupts.asked)
        True
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled and threading.current_thread() is threading.main_thread()
        self.asked = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if self.enabled:
            self.before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
