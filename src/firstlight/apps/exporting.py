"""`firstlight export`: a model as files for other programs, and how their predictions differ from Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight.apps.screen import guessing_lines, print_json
from firstlight.apps.terminal import remark, say
from firstlight.errors import ArgumentError
from firstlight.models.exporting.export import export
from firstlight.runs.folder import read_run
from firstlight.runs.readings import count_test_reading

FORMS = {"onnx": "model.onnx", "safetensors": "model", "page": "page", "space": "space"}  # and the default path
USED = {"onnx": ("int8",), "safetensors": ("license",), "page": ("runtime",), "space": ("license", "runtime")}


@dataclass(frozen=True)
class Wanted:
    """The options of an export.

    Attributes:
        rung: its name; None: the one that the run advises.
        to: one of `FORMS`.
        out: the file or folder; None: the default of the format.
        int8: quantize the weights of an ONNX model to 8 bits.
        license: of the model, by its name on the Hugging Face Hub.
        runtime: the npm package onnxruntime-web; None: it is downloaded.
    """

    rung: str | None = None
    to: str = "onnx"
    out: Path | None = None
    int8: bool = False
    license: str | None = None
    runtime: Path | None = None


@dataclass(frozen=True)
class _Folder:
    """A rung as a folder with its weights and its model card."""

    path: Path
    rung: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rung}, with its model card"

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {"path": str(self.path), "rung": self.rung}


def show_export(run: Path, wanted: Wanted, *, as_json: bool = False) -> None:
    """Exports, and prints what was written."""
    if wanted.to not in FORMS:
        raise ArgumentError(f"--to {wanted.to} is not a format; choose from {', '.join(FORMS)}.")
    for option, value in {"int8": wanted.int8, "license": wanted.license, "runtime": wanted.runtime}.items():
        if value and option not in USED[wanted.to]:
            formats = " or ".join(one for one in FORMS if option in USED[one])
            raise ArgumentError(f"--{option} is for --to {formats}, not for {wanted.to}; omit it.")
    out = wanted.out or Path(FORMS[wanted.to])
    exported = _exported(run, out, wanted)
    remark(*guessing_lines(exported.rung, wanted.rung))
    if as_json:
        print_json(exported.to_dict())
        return
    say(*str(exported).split("\n"))
    if wanted.to in ("page", "space"):
        say(f"Try it at http://localhost:8000/ with: python -m http.server --directory {out}")


def _exported(run: Path, out: Path, wanted: Wanted) -> Any:
    if wanted.to == "safetensors":
        from firstlight.models.exporting.folder import write_folder

        name = read_run(run).chosen(wanted.rung).name
        return _Folder(write_folder(run, out, rung=name, license=wanted.license), name)
    if wanted.to in ("page", "space"):
        from firstlight.apps.web.folder import page_folder, space_folder

        if wanted.to == "page":
            return page_folder(run, out, rung=wanted.rung, runtime=wanted.runtime)
        license_name = wanted.license or "other"
        return space_folder(run, out, rung=wanted.rung, runtime=wanted.runtime, license_name=license_name)
    return _with_int8(run, out, wanted.rung) if wanted.int8 else export(run, out, rung=wanted.rung)


def _with_int8(run: Path, out: Path, rung: str | None) -> Any:
    import tempfile

    from firstlight.models.exporting.quantize import labelled_images, quantize

    found = read_run(run)
    chosen = found.chosen(rung)
    images, labels = labelled_images(found, chosen)
    if found.split == "test":
        count_test_reading(run)
    with tempfile.TemporaryDirectory() as home:
        whole = export(found, Path(home) / "model.onnx", rung=chosen.name)
        return quantize(whole.path, out, images=list(images), labels=labels)
