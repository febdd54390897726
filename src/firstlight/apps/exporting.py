"""`firstlight export`: a rung of a run as files that answer elsewhere, and how they differ from Python."""

from __future__ import annotations

from pathlib import Path

from firstlight.apps.screen import print_json
from firstlight.errors import ArgumentError
from firstlight.models.export import export

FORMS = ("onnx",)


def show_export(run: Path, out: Path | None, *, rung: str | None, to: str, as_json: bool) -> None:
    """Exports, and says what was written."""
    if to not in FORMS:
        raise ArgumentError(f"A model cannot be exported to {to!r}; choose one of {', '.join(FORMS)}.")
    exported = export(run, out or Path("model.onnx"), rung=rung)
    print_json(exported.to_dict()) if as_json else print(exported)
