"""The static page's metadata: web app manifest, the service worker's list of files, the README of a Space."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlight.parsing import parsed

LISTED = re.compile(r"const FILES = (\{.*\});")  # the first line of sw.js
FEW = 20  # classes listed in a card


def manifest(name: str) -> dict[str, object]:
    """The web app manifest, with which a phone installs the page.

    Example:
        >>> [icon["sizes"] for icon in manifest("centroid-l2")["icons"]]
        ['any', '192x192', '512x512', '512x512']
    """
    icons: list[dict[str, str]] = [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}]
    icons += [{"src": f"icon-{n}.png", "sizes": f"{n}x{n}", "type": "image/png"} for n in (192, 512)]
    icons += [{"src": "icon-maskable.png", "sizes": "512x512", "type": "image/png", "purpose": "maskable"}]
    return {
        "id": "./",
        "name": f"What is this? ({name})",
        "short_name": "What is this?",
        "description": "Draw, choose or photograph an image, and see what it is and why.",
        "lang": "en",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#14161a",
        "theme_color": "#14161a",
        "icons": icons,
    }


def listing(files: Mapping[str, bytes]) -> bytes:
    """The first line of the service worker: the files that it caches, each with its SHA-256 as browsers write it.

    Example:
        >>> listing({"a.js": b""})
        b'const FILES = {"a.js": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};\\n'
    """
    return f"const FILES = {json.dumps({name: hash_of(files[name]) for name in sorted(files)})};\n".encode()


def hash_of(data: bytes) -> str:
    """The SHA-256 as browsers write it: ``sha256-`` and base64."""
    return f"sha256-{base64.b64encode(hashlib.sha256(data).digest()).decode()}"


def listed(worker: Path) -> dict[str, str] | None:
    """The files that a service worker lists, with their hashes; None where Firstlight did not write it."""
    try:
        found = LISTED.match(worker.read_text("utf-8"))
        return parsed(found[1]) if found else None
    except (OSError, ValueError):
        return None


def card(about: Mapping[str, Any], license_name: str) -> str:
    """The README of a static Space, with the front matter that the Hub reads.

    Args:
        about: the model's document.
        license_name: the license as the Hub writes it.
    """
    title, metrics = json.dumps(f"What is this? ({about['name']})"), about["metrics"]
    low, high = metrics["interval"]
    named = ", ".join(about["classes"][:FEW]) + (", ..." if len(about["classes"]) > FEW else "")
    classes = re.sub(r"([\\`*_<>\[\]#|])", r"\\\1", " ".join(named.split()))  # letters that Markdown would take
    measured = f"{metrics['n']:,} {metrics['split']} images"
    measured += ", on which it was chosen: expect slightly less on new ones" if metrics.get("chosen") else ""
    return f"""---
title: {title}
emoji: 🌅
colorFrom: yellow
colorTo: indigo
sdk: static
app_file: index.html
pinned: false
license: {license_name}
---

# What is this?

Draw, choose or photograph an image; the page says which of {len(about["classes"])} classes it is and how sure the
model is. It computes in the browser: no image leaves the device, and after the first visit it works without a network.

- Model: {about["name"]}, exported by Firstlight as `model.onnx`
- Classes: {classes}
- Accuracy: {metrics["accuracy"]:.4f} (95 % interval {low:.4f} to {high:.4f}) on {measured}
- Runtime: onnxruntime-web (MIT licence)
"""
