"""`firstlight export --to page`: the page and the model as one static folder, which needs no server to compute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from firstlight.apps.web.runtime import runtime_files
from firstlight.atomic import new_folder
from firstlight.errors import ArgumentError, RunError
from firstlight.models.export import Exported, export
from firstlight.models.session import Session

PAGE = Path(__file__).parent / "page"
SHARED = ("index.html", "style.css", "main.js", "draw.js", "look.js", "show.js", "camera.js", "sw.js")
ICONS = ("icon.svg", "icon-192.png", "icon-512.png")
MARK = '<meta name="color-scheme" content="light dark">'

# WebAssembly is compiled from bytes, which a policy has to allow by name; everything comes from the folder itself.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
HEAD = f"""{MARK}
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="manifest" href="manifest.webmanifest">
<link rel="apple-touch-icon" href="icon-192.png">"""


def page_folder(
    run: Path,
    out: Path,
    *,
    rung: str | None = None,
    runtime: Path | None = None,
    extra: Mapping[str, bytes] | None = None,
) -> Exported:
    """Writes the static folder: any web server can give it out, and a phone keeps it after the first visit.

    Args:
        run: a run folder.
        out: the folder, which must not be there yet.
        rung: its name; the advised one where left out.
        runtime: the npm package onnxruntime-web, where it is not to be fetched.
        extra: further files by name.

    Returns:
        What was exported into it.

    Raises:
        ArgumentError: where ``out`` is there.
        DownloadError: where the runtime cannot be had.
        RunError: where the exported model differs from Python.
    """
    if out.exists():
        raise ArgumentError(f"{out} is there already and is not written over; name another folder.")
    files = {name: (PAGE / name).read_bytes() for name in (*SHARED, *ICONS)}
    files |= {"engine.js": (PAGE / "engine-local.js").read_bytes(), **runtime_files(runtime)}
    html = files["index.html"].decode()
    assert MARK in html
    files["index.html"] = html.replace(MARK, HEAD).encode()
    with new_folder(out, RunError) as folder:
        exported = export(run, folder / "model.onnx", rung=rung)
        about = Session.of(exported.path).about
        files["model.json"] = _text(about)
        files["manifest.webmanifest"] = _text(_manifest(about["name"]))
        files["files.js"] = _listed(files | {"model.onnx": exported.path.read_bytes()})
        for name, data in (files | dict(extra or {})).items():
            (folder / name).write_bytes(data)
    return Exported(out / "model.onnx", exported.rung, exported.bytes, exported.parity)


def _manifest(name: str) -> dict[str, object]:
    icons: list[dict[str, str]] = [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}]
    for side in (192, 512):
        icon = {"src": f"icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"}
        icons += [icon, icon | {"purpose": "maskable"}]
    return {
        "name": f"What is this? ({name})",
        "short_name": "What is this?",
        "description": "Draw, choose or photograph an image, and see what it is and why.",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#14161a",
        "theme_color": "#14161a",
        "icons": icons,
    }


def _listed(files: Mapping[str, bytes]) -> bytes:
    """What the service worker keeps, and a version that changes with any of it."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    names = json.dumps(["./", *sorted(files)])
    return f'self.VERSION = "{whole.hexdigest()[:16]}";\nself.FILES = {names};\n'.encode()


def _text(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()
