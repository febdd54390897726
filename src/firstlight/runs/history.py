"""history.csv: the epochs of a training as a table that any program reads, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight.errors import RunError

WHOLE = ("seed", "epoch", "epochs", "n")  # columns of whole numbers; the others are floats, empty where unknown
COLUMNS = (
    *("seed", "epoch", "epochs", "train_loss", "validation_loss", "accuracy", "low", "high", "n", "lr", "seconds"),
)


def to_csv(history: Sequence[Mapping[str, Any]]) -> bytes:
    """One line an epoch.

    Args:
        history: dicts with `COLUMNS`; ``accuracy`` in [0, 1] with the ends of its 95 % interval ``low`` and
            ``high``, ``seconds`` since the training's start.

    Example:
        >>> epoch = dict.fromkeys(COLUMNS) | {"seed": 0, "epoch": 1, "epochs": 2, "n": 0, "train_loss": 0.5}
        >>> print(to_csv([epoch]).decode().splitlines()[1])
        0,1,2,0.5,,,,,0,,
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()


def from_csv(data: bytes, path: Path) -> tuple[dict[str, Any], ...]:
    """What `to_csv` made.

    Args:
        data: the bytes of the file.
        path: where they come from, for the sentence.

    Raises:
        RunError: where a column is missing or holds no number.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        return tuple({name: _value(name, row[name]) for name in COLUMNS} for row in rows)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is no table of epochs ({error}); make the run anew or take it from a copy.") from error


def _value(name: str, text: str) -> int | float | None:
    if name in WHOLE:
        return int(text)
    return float(text) if text else None
