"""Reads a docstring's `Example:` as the section that holds code, which the reader of docstrings calls `Examples:`."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Names the section as the reader expects it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Of every function, class and module."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", obj.docstring.value)
