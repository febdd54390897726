"""`Checkpoints`: when a training saves its state, and how long it has run."""

from __future__ import annotations

import time

from firstlight.models.training.interrupts import Interrupts
from firstlight.models.training.setting import Checkpointing
from firstlight.models.training.state import State

SECONDS_BETWEEN = 1.0  # two checkpoints, at least
SHARE_OF_TIME = 0.02  # that saving may take


class Checkpoints:
    """Saves a training's state from time to time, at its end, and when an interrupt is requested.

    Args:
        state: what to save.
        checkpointing: where; None: nowhere, and only the time is measured.
        interrupts: after a requested interrupt the state is saved and KeyboardInterrupt raised.
    """

    def __init__(self, state: State, checkpointing: Checkpointing | None, interrupts: Interrupts) -> None:
        self.state, self.checkpointing, self.interrupts = state, checkpointing, interrupts
        self.before = state.seconds  # of earlier sessions
        self.started = self.last = time.perf_counter()
        self.cost = 0.0  # seconds, of the last checkpoint

    def seconds(self) -> float:
        """Seconds of training so far, earlier sessions included."""
        self.state.seconds = self.before + time.perf_counter() - self.started
        return self.state.seconds

    def save_if_due(self, last: bool = False) -> None:
        """Saves the state if it is time to, or if this is the ``last`` step."""
        if self.checkpointing is None:
            return
        now = time.perf_counter()
        due = now - self.last > max(SECONDS_BETWEEN, self.cost / SHARE_OF_TIME)
        if due or last or self.interrupts.requested:
            self.seconds()
            self.checkpointing.save(self.state.to_saved(), self.state.history)
            self.last = time.perf_counter()
            self.cost = self.last - now
        if self.interrupts.requested:
            raise KeyboardInterrupt
