"""`firstlight export`: a rung of a run as files that answer elsewhere, and how they differ from Python."""

from __future__ import annotations

from pathlib import Path

from firstlight.apps.screen import print_json
from firstlight.errors import ArgumentError
from firstlight.models.export import export

FORMS = {"onnx": "model.onnx", "page": "page"}  # and what is written where nothing else is named


def show_export(
    run: Path, out: Path | None, *, rung: str | None, to: str, runtime: Path | None = None, as_json: bool = False
) -> None:
    """Exports, and says what was written."""
    if to not in FORMS:
        raise ArgumentError(f"A model cannot be exported to {to!r}; choose one of {', '.join(FORMS)}.")
    out = out or Path(FORMS[to])
    if to == "page":
        from firstlight.apps.web.folder import page_folder

        exported = page_folder(run, out, rung=rung, runtime=runtime)
    else:
        exported = export(run, out, rung=rung)
    if as_json:
        print_json(exported.to_dict())
        return
    print(exported)
    if to == "page":
        print(f"Try it: python -m http.server --directory {out}   and open http://localhost:8000/")
