"""The pages of the lesson, and what their code gives out when the site's own module runs them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from conftest import CHECKOUT


def loaded(path: Path) -> ModuleType:
    """A module of the site's own."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lesson = loaded(CHECKOUT / "docs" / "site" / "lesson.py")
PAGES = lesson.pages()


def said(page: Path, images: str = lesson.EMBEDDED) -> str:
    """Everything that the page's code gives out, as text."""
    texts = []
    for cell in lesson.executed(page, images).cells:
        for output in cell.get("outputs", []):
            texts += [output.get("text", ""), *map(str, output.get("data", {}).values())]
    return "\n".join(texts)
