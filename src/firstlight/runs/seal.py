"""Sealed JSON: a document of plain values that detects when it was changed or cut off."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.errors import RunError
from firstlight.parsing import parsed

VERSION = 2  # of every sealed document; goes up when the meaning of one changes
AGAIN = "restore it from a copy, or make it again under another name, for a run with another --out"
REMEDY = "run firstlight climb again with this version, into another folder"


def digest(data: bytes | Path) -> str:
    """BLAKE2b-128 of some bytes, or of a file, as hexadecimal text: it detects damage, it does not prove an author.

    Example:
        >>> digest(b"")
        'cae66941d9efbd404e4d88758ea67670'
    """
    with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as file:  # may be larger than memory
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def plain(value: Any) -> Any:
    """The value as strict JSON knows it: dicts with text keys, lists, text, numbers, booleans, None.

    A dataclass becomes a dict of its fields, NumPy's numbers and arrays become Python's, paths become text, and a
    number that is not finite becomes None, since JSON has no word for it and a log loss of infinity must not cost a
    finished run.

    Args:
        value: any nesting of dataclasses, mappings, sequences, NumPy values, paths and plain values.

    Returns:
        The same with new containers; what was passed is never changed.

    Raises:
        TypeError: where a value has no plain form.

    Example:
        >>> plain({"classes": ("3", "7"), "counts": np.array([6131, 6265]), "log_loss": float("inf")})
        {'classes': ['3', '7'], 'counts': [6131, 6265], 'log_loss': None}
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        if strange := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"keys must be text, not {strange[0]!r}")
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form: {value!r}")


def seal(kind: str, content: Mapping[str, Any]) -> bytes:
    """A JSON document that contains a digest of its own content.

    The digest covers the values and not the bytes, so that other indentation or line ends do not matter.

    Args:
        kind: what the document is, such as ``"run"``; `unseal` expects the same.
        content: values that `plain` takes; without the keys ``format`` and ``blake2b``.

    Returns:
        The document as ASCII text, one line per key.

    Example:
        >>> print(seal("readings", {"test": 1}).decode())
        {
        "format": "firstlight readings 2",
        "blake2b": "...",
        "test": 1
        }
    """
    content = plain(content)
    head = {"format": f"firstlight {kind} {VERSION}", "blake2b": digest(_canonical(kind, content))}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in {**head, **content}.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def unseal(kind: str, data: bytes, path: Path, *, remedy: str = REMEDY) -> dict[str, Any]:
    """Reads what `seal` wrote, after checking that it is unchanged.

    Args:
        kind: what the document must be.
        data: the bytes of the file.
        path: of the file, for the error message.
        remedy: what to do with a document of another version, for the error message.

    Returns:
        The content as it was passed to `seal`.

    Raises:
        RunError: where the bytes are not a JSON object, are of another kind or version, or were changed.

    Example:
        >>> unseal("readings", seal("readings", {"test": 1}), Path("readings.json"))
        {'test': 1}
        >>> unseal("readings", b'{"format": "firstlight readings 1"}', Path("readings.json"))
        Traceback (most recent call last):
        firstlight.errors.RunError: readings.json was written by another version of Firstlight (its format is ...
    """
    try:
        document: dict[str, Any] = parsed(data)
        wanted = f"firstlight {kind} {VERSION}"
        found = document.get("format") if isinstance(document, dict) else None
        if found != wanted:
            if isinstance(found, str) and re.fullmatch(rf"firstlight {re.escape(kind)} \d{{1,9}}", found):
                raise RunError(
                    f"{path} was written by another version of Firstlight (its format is {found!r}, and this version "
                    f"reads {wanted!r}); {remedy}."
                )
            stated = f", but says {found[:60]!r}" if isinstance(found, str) else ""
            raise RunError(f"{path} is not of the form {wanted!r}{stated}; {AGAIN}.")
        stated = document.pop("blake2b", None)
        del document["format"]
        whole = stated == digest(_canonical(kind, document))
    except ValueError as error:  # no JSON, no UTF-8, nested without end, NaN
        raise RunError(f"{path} is not a complete JSON document ({_short(error)}); {AGAIN}.") from error
    if not whole:
        raise RunError(f"{path} was changed after it was written: its digest differs; {AGAIN}.")
    return document


def _canonical(kind: str, content: Mapping[str, Any]) -> bytes:
    text = json.dumps([kind, content], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
