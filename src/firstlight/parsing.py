"""JSON from outside as plain values: bounded in depth and numbers, and text that can be written again."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

DEEPEST = 64  # containers inside each other; what Firstlight writes has 10 at the most


def parsed(text: str | bytes) -> Any:
    """What a JSON document from a file says, so that nothing in it can surprise whoever uses it.

    Args:
        text: the document; bytes are UTF-8.

    Returns:
        Dicts with text keys, lists, text, finite numbers that fit into 64 bits, booleans and None.

    Raises:
        ValueError: for everything else: no JSON, nested without end, a number that is not finite or not of 64 bits,
            text with a half of a UTF-16 pair that does not stand for a byte of a file name.

    Example:
        >>> parsed('{"shape": [3, 8, 8]}')
        {'shape': [3, 8, 8]}
        >>> parsed("[" * 100_000)
        Traceback (most recent call last):
        ValueError: nested too deeply
        >>> parsed("1e999")
        Traceback (most recent call last):
        ValueError: 1e999 is not a finite number
    """
    try:
        document = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    waiting = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            value.encode("utf-8", "surrogateescape")  # raises UnicodeEncodeError, a ValueError
        elif isinstance(value, dict | list):
            if depth == DEEPEST:
                raise ValueError("nested too deeply")
            inner = [*value, *value.values()] if isinstance(value, dict) else value
            waiting += [(one, depth + 1) for one in inner if isinstance(one, str | dict | list)]
    return document


def _whole(text: str) -> int:
    value = int(text) if len(text) < 21 else 2**64  # int() of a long text takes time
    if not -(2**63) <= value < 2**64:
        raise ValueError(f"{text[:20]}... is not a number of 64 bits")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")
