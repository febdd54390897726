"""Sealed JSON: plain values in, a document that notices when it was changed or cut off, and back."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.errors import RunError

VERSION = 1  # of every sealed document; goes up when an older Firstlight would misread a newer file


def digest(data: bytes) -> str:
    """BLAKE2b-128 of some bytes as hexadecimal text; it notices damage, it does not prove who wrote them.

    Example:
        >>> digest(b"")
        'cae66941d9efbd404e4d88758ea67670'
    """
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def plain(value: Any) -> Any:
    """The value as strict JSON knows it: dicts with text keys, lists, text, numbers, booleans, None.

    NumPy's numbers and arrays become Python's, paths become text, and a number that is not finite becomes
    None, since JSON has no word for it and a log loss of infinity must not cost a finished run.

    Args:
        value: any nesting of mappings, sequences, NumPy values, paths and plain values.

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
    if isinstance(value, Mapping):
        if strange := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"keys must be text, not {strange[0]!r}")
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form: {value!r}")


def seal(kind: str, content: Mapping[str, Any]) -> bytes:
    """A JSON document of some kind with a digest of its own content inside.

    The digest is taken over the values and not over the bytes, so that a file which was only indented anew
    or got other line ends still counts as whole.

    Args:
        kind: what the document is, such as ``"run"``; `unseal` asks for the same.
        content: values that `plain` takes; without the keys ``format`` and ``blake2b``.

    Returns:
        The document as ASCII text, a line for each key.

    Example:
        >>> print(seal("readings", {"test": 1}).decode())
        {
        "format": "firstlight readings 1",
        "blake2b": "...",
        "test": 1
        }
    """
    content = plain(content)
    head = {"format": f"firstlight {kind} {VERSION}", "blake2b": digest(_canonical(kind, content))}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in {**head, **content}.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def unseal(kind: str, data: bytes, path: Path) -> dict[str, Any]:
    """Reads what `seal` made, and says what is wrong where it is not that any more.

    Args:
        kind: what the document shall be.
        data: the bytes of the file.
        path: where they come from, for the sentence.

    Returns:
        The content as it went in.

    Raises:
        RunError: where the bytes are no JSON object, of another kind or version, or were changed.

    Example:
        >>> unseal("readings", seal("readings", {"test": 1}), Path("readings.json"))
        {'test': 1}
        >>> unseal("readings", b'{"test": 1}', Path("readings.json"))
        Traceback (most recent call last):
        firstlight.errors.RunError: readings.json is not of the form "firstlight readings 1" ...
    """
    try:
        document: dict[str, Any] = json.loads(data)
        wanted = f"firstlight {kind} {VERSION}"
        found = document.get("format") if isinstance(document, dict) else None
        if found != wanted:
            stated = f' but says "{found[:60]}"' if isinstance(found, str) else ""
            raise RunError(
                f'{path} is not of the form "{wanted}" that this version reads{stated}; '
                "read it with the version that wrote it, or make it anew."
            )
        stated = document.pop("blake2b", None)
        del document["format"]
        whole = stated == digest(_canonical(kind, document))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, nested without end, NaN
        raise RunError(
            f"{path} is no whole JSON document ({_short(error)}); make it anew or take it from a copy."
        ) from error
    if not whole:
        raise RunError(
            f"{path} was changed after Firstlight wrote it: its digest is not that of its content; "
            "make it anew or take it from a copy."
        )
    return document


def _canonical(kind: str, content: Mapping[str, Any]) -> bytes:
    text = json.dumps([kind, content], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
