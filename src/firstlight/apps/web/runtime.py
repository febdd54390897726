"""The files of onnxruntime-web, which runs the model in the browser: downloaded once, always verified."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from pathlib import Path

from firstlight.errors import DownloadError

VERSION = "1.30.0"  # of the npm package onnxruntime-web, MIT licence
ADDRESS = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist/"
FILES = {  # only those for WebAssembly, with their SHA-256
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
LIMIT = 64 * 2**20  # bytes of one file
HOW = f"run `npm pack onnxruntime-web@{VERSION}` on a computer with a network and pass the file as --runtime"


def runtime_files(source: str | Path | None = None) -> dict[str, bytes]:
    """The runtime's files by name.

    Args:
        source: the npm package as a .tgz, or a folder of its files; if None, the files are downloaded into the
            user's cache folder.

    Returns:
        The verified content of each of `FILES`.

    Raises:
        DownloadError: where they cannot be downloaded, or their hashes differ.
    """
    found = {name: (_fetched(name) if source is None else _taken(Path(source), name)) for name in FILES}
    for name, data in found.items():
        if hashlib.sha256(data).hexdigest() != FILES[name]:
            raise DownloadError(f"{name} is not the file of onnxruntime-web {VERSION}: its SHA-256 differs; {HOW}.")
    return found


def _taken(source: Path, name: str) -> bytes:
    try:
        if source.is_dir():
            paths = [source / name, source / "dist" / name, source / "package" / "dist" / name]
            path = next((path for path in paths if path.is_file()), paths[0])
            with path.open("rb") as file:
                return file.read(LIMIT)
        with tarfile.open(source) as archive:
            member = archive.extractfile(f"package/dist/{name}")
            if member is None:
                raise KeyError(name)
            return member.read(LIMIT)
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise DownloadError(f"{source} does not hold {name}; {HOW}.") from error


def _fetched(name: str) -> bytes:
    import platformdirs
    import pooch
    import requests

    named = os.environ.get("FIRSTLIGHT_CACHE") or platformdirs.user_cache_dir("firstlight")
    pooch.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(
            ADDRESS + name, f"sha256:{FILES[name]}", fname=name, path=Path(named) / f"onnxruntime-web-{VERSION}"
        )
        return Path(path).read_bytes()
    except (requests.RequestException, OSError, ValueError) as error:  # ValueError: another hash
        raise DownloadError(f"onnxruntime-web {VERSION} cannot be downloaded from {ADDRESS}; {HOW}.") from error
