"""The real image folders that the benchmarks read, found as the tests find them."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import dataset


def folder(name: str) -> Path:
    """The unpacked folder of a dataset."""
    return dataset(name)


def files(root: Path) -> list[str]:
    """Every image below a folder, sorted."""
    found = []
    for where, _, names in os.walk(root):
        found += [f"{where}/{name}" for name in names if name.lower().endswith((".png", ".jpg"))]
    return sorted(found)


def read(path: str) -> bytes:
    """The bytes of a file in as few steps as Python has."""
    handle = os.open(path, os.O_RDONLY)
    data = os.read(handle, 1 << 16)
    os.close(handle)
    return data
