"""Plain values -> typed records, checked field by field; the inverse of `firstlight.runs.seal.plain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from firstlight.errors import FirstlightError, RunError

Record = TypeVar("Record")


def record(kind: type[Record], values: Any, where: Path | str, remedy: str) -> Record:
    """Builds a frozen dataclass, and those nested in it, from plain values.

    Args:
        kind: the dataclass; its annotations say what each field must be.
        values: what `plain` made of such a record, with NumPy arrays added where fields are arrays. Fields that
            ``kind`` does not have are ignored.
        where: the values come from, for the error message.
        remedy: what to do where they are wrong, for the error message.

    Raises:
        RunError: where a field is missing or of another type; the message names it.

    Example:
        >>> from firstlight.runs.rung_result import Seconds
        >>> record(Seconds, {"fit": 1.5, "predict": 2}, Path("run.json"), "climb again")
        Seconds(fit=1.5, predict=2.0)
        >>> record(Seconds, {"fit": "1.5", "predict": 2}, Path("run.json"), "climb again")
        Traceback (most recent call last):
        firstlight.errors.RunError: run.json is not as expected (Expected `float`, got `str` - at `$.fit`); climb again.
    """
    import msgspec

    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, FirstlightError, UnicodeError) as error:
        raise RunError(f"{where} is not as expected ({str(error).rstrip('.')}); {remedy}.") from error
