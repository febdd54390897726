"""`firstlight export --to page` and `--to space`: page and model as a static folder; the browser computes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from firstlight.apps.web.page_metadata import card, hash_of, listed, listing, manifest
from firstlight.apps.web.runtime import runtime_files
from firstlight.atomic import new_folder
from firstlight.errors import ArgumentError, RunError
from firstlight.models.exporting.export import Exported, export
from firstlight.models.exporting.session import Session
from firstlight.runs.results import Run

PAGE = Path(__file__).parent / "page"
SHARED = (
    *("index.html", "style.css", "main.js", "draw.js", "look.js", "show.js", "camera.js"),
    *("engine-worker.js", "resize.js"),
)
ICONS = ("icon.svg", "icon-192.png", "icon-512.png", "icon-maskable.png")
MARK = '<meta name="color-scheme" content="light dark">'

# 'wasm-unsafe-eval' allows WebAssembly to be compiled; every file comes from the folder itself.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
HEAD = f"""{MARK}
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="referrer" content="no-referrer">
<link rel="manifest" href="manifest.webmanifest">
<link rel="apple-touch-icon" href="icon-maskable.png">"""

LARGE_FILES = b"*.onnx filter=lfs diff=lfs merge=lfs -text\n*.wasm filter=lfs diff=lfs merge=lfs -text\n"


def page_folder(
    run: Run | str | Path, out: str | Path, *, rung: str | None = None, runtime: str | Path | None = None
) -> Exported:
    """Writes the page with the model as a static folder.

    Any web server can serve it, under any path. The browser computes, caches every file at the first visit and then
    works without a network; a phone can install the page.

    Args:
        run: a run, or its folder.
        out: the folder. One that this function wrote is replaced, unless files in it were added or changed.
        rung: the name of the rung; if None, the recommended one.
        runtime: the npm package onnxruntime-web as a .tgz or a folder; if None, it is downloaded.

    Returns:
        The exported model.

    Raises:
        ArgumentError: where ``out`` exists and is something else, or the run has no such rung.
        DownloadError: where the runtime cannot be downloaded.
        RunError: where the exported model differs from Python.
    """
    return _written(run, Path(out), rung, runtime, license_name=None)


def space_folder(
    run: Run | str | Path,
    out: str | Path,
    *,
    rung: str | None = None,
    runtime: str | Path | None = None,
    license_name: str = "other",
) -> Exported:
    """Writes the same folder with the README of a static Space, ready for ``hf upload``.

    Args:
        run: a run, or its folder.
        out: the folder, as for `page_folder`.
        rung: the name of the rung; if None, the recommended one.
        runtime: as for `page_folder`.
        license_name: the license of the model and its data, as the Hub writes it: ``"apache-2.0"``.

    Returns:
        The exported model.

    Raises:
        ArgumentError: as `page_folder`, or where the license is not written as on the Hub.
        DownloadError: where the runtime cannot be downloaded.
        RunError: where the exported model differs from Python.
    """
    if not re.fullmatch(r"[a-z0-9.-]{1,40}", license_name):
        raise ArgumentError(f"{license_name!r} is not a license identifier of the Hub; pass one such as 'apache-2.0'.")
    return _written(run, Path(out), rung, runtime, license_name=license_name)


def _written(
    run: Run | str | Path, out: Path, rung: str | None, runtime: str | Path | None, *, license_name: str | None
) -> Exported:
    earlier = out.exists() and _is_earlier(out)
    files = {name: (PAGE / name).read_bytes() for name in (*SHARED, *ICONS)}
    files |= {"engine.js": (PAGE / "engine-local.js").read_bytes(), **runtime_files(runtime)}
    html = files["index.html"].decode()
    if MARK not in html:
        raise RunError(f"{PAGE / 'index.html'} has no line {MARK}; install Firstlight again.")
    files["index.html"] = html.replace(MARK, HEAD).encode()
    with new_folder(out, RunError, replacing=earlier) as folder:
        exported = export(run, folder / "model.onnx", rung=rung)
        _inline(exported.path)
        about = Session.of(exported.path).about
        files["model.json"] = _text(about)
        files["manifest.webmanifest"] = _text(manifest(about["name"]))
        cached = files | {"model.onnx": exported.path.read_bytes()}
        files["sw.js"] = listing(cached) + (PAGE / "sw.js").read_bytes()
        if license_name is not None:
            files |= {"README.md": card(about, license_name).encode(), ".gitattributes": LARGE_FILES}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        size = exported.path.stat().st_size
    return Exported(out / "model.onnx", exported.rung, size, exported.parity)


def _inline(path: Path) -> None:
    """Writes a model with its local functions in place of their calls: half the time to start it in a browser."""
    import onnx
    import onnx.inliner

    path.write_bytes(onnx.inliner.inline_local_functions(onnx.load(path)).SerializeToString())


def _is_earlier(out: Path) -> bool:
    """Whether a folder is an earlier page.

    Raises:
        ArgumentError: where it holds anything else, which replacing it would delete.
    """
    own = listed(out / "sw.js") if out.is_dir() else None
    if own is None:
        if out.is_dir() and not any(out.iterdir()):
            return False
        raise ArgumentError(f"{out} already exists and is not an exported page; name another folder.")
    there = {path.name for path in out.iterdir()} - {"sw.js", "README.md", ".gitattributes"}
    others = sorted(name for name in there if name not in own or own[name] != _hash(out / name))
    if others:
        raise ArgumentError(
            f"{out} is an exported page in which {others[0]} was added or changed, so it is not replaced; name another "
            "folder."
        )
    return True


def _hash(path: Path) -> str:
    return hash_of(path.read_bytes()) if path.is_file() else ""


def _text(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()
