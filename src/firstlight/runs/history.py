"""`Epoch`: one epoch of a training; and history.csv, the epochs as a table that any program reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from firstlight.errors import RunError
from firstlight.runs.tensors import AGAIN

WHOLE = ("seed", "epoch", "epochs", "n")  # columns of whole numbers; the others are floats, empty where unknown
COLUMNS = (
    *("seed", "epoch", "epochs", "train_loss", "validation_loss", "accuracy", "low", "high", "n", "lr", "seconds"),
)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch of a training.

    Attributes:
        seed: of the training.
        epoch: its number, from 1 on.
        epochs: how many there will be.
        train_loss: mean over the training images, each measured just before its own step.
        validation_loss: mean over the validation images at the end; None without any.
        accuracy: share of the validation images that are right, in [0, 1].
        interval: Wilson's 95 % interval of the accuracy.
        n: the number of validation images.
        lr: the learning rate of the next step.
        seconds: since the start of the training, measuring included.

    Example:
        >>> print(Epoch(epoch=1, epochs=10, train_loss=0.5, lr=0.1, seconds=2.0))
        epoch  1/10  train loss 0.5000  2.0 s
    """

    seed: int = 0
    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    lr: float
    seconds: float

    def __str__(self) -> str:
        text = f"epoch {self.epoch:>{len(str(self.epochs))}}/{self.epochs}  train loss {self.train_loss:.4f}"
        if self.accuracy is not None and self.interval is not None:
            low, high = self.interval
            text += (
                f"  validation loss {self.validation_loss:.4f}  accuracy {self.accuracy:.4f} [{low:.4f}, {high:.4f}]"
            )
            text += f"  n={self.n}"
        return f"{text}  {self.seconds:.1f} s"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the ends of the interval as ``low`` and ``high``."""
        values = asdict(self)
        low, high = values.pop("interval") or (None, None)
        return values | {"low": low, "high": high}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Epoch:
        """The epoch that `to_dict` describes."""
        values = dict(values)
        low, high = values.pop("low"), values.pop("high")
        return cls(**values, interval=None if low is None else (low, high))


def to_csv(history: Sequence[Epoch]) -> bytes:
    """One line per epoch, with `COLUMNS`.

    Example:
        >>> epoch = Epoch(epoch=1, epochs=2, train_loss=0.5, lr=0.1, seconds=3.0)
        >>> print(to_csv([epoch]).decode().splitlines()[1])
        0,1,2,0.5,,,,,0,0.1,3.0
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(epoch.to_dict() for epoch in history)
    return text.getvalue().encode()


def from_csv(data: bytes, path: Path) -> tuple[Epoch, ...]:
    """Reads what `to_csv` wrote.

    Args:
        data: the bytes of the file.
        path: of the file, for error messages.

    Raises:
        RunError: where a column is missing or a value is not a number.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        return tuple(Epoch.from_dict({name: _value(name, row[name]) for name in COLUMNS}) for row in rows)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is not a table of epochs ({error}); {AGAIN}.") from error


def _value(name: str, text: str) -> int | float | None:
    if name in WHOLE:
        return int(text)
    return float(text) if text else None
