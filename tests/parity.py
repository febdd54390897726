"""Python, ONNX Runtime, HTTP and a browser asked of the same image files; `python tests/parity.py RUN` for a run's own.

The images are files as users have them, so that decoding is part of the comparison.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from browser import context
from firstlight.data.decoding.decode import decode
from firstlight.models.checkpoint import restore
from firstlight.models.exporting.session import InPython, Session
from firstlight.runs.folder import read_run
from serving import given_out, served, static

ORIENTATION = 274  # tag of Exif
SIDES = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610)
LARGE = ((4000, 3), (3, 4000), (4000, 1), (1, 4000), (1000, 1500), (4000, 3000))

Ask = Callable[[bytes], tuple[str, np.ndarray]]


@dataclass
class Difference:
    """How one way differs from Python."""

    images: int = 0
    probability: float = 0.0
    named: int = 0


def odd_files(count: int) -> Iterator[bytes]:
    """Image files of odd kinds: 1 px to 4,000 px, gray, RGBA, palettes, JPEGs turned by Exif, WebP."""
    random = np.random.default_rng(0)
    for number in range(count):
        height, width = LARGE[number] if number < len(LARGE) else random.choice(SIDES, 2)
        blocks = random.integers(0, 256, (-(-height // 6), -(-width // 6), 4), np.uint8)
        values = blocks.repeat(6, axis=0).repeat(6, axis=1)[:height, :width]
        exif = Image.Exif()
        exif[ORIENTATION] = 1 + number % 8
        color = Image.fromarray(np.ascontiguousarray(values[..., :3]))
        kinds: list[tuple[Image.Image, dict[str, object]]] = [
            (Image.fromarray(np.ascontiguousarray(values[..., 0])), {"format": "PNG"}),
            (color, {"format": "PNG"}),
            (Image.fromarray(values), {"format": "PNG"}),
            (color.quantize(32), {"format": "PNG"}),
            (color, {"format": "JPEG", "quality": 85, "exif": exif}),
            (color.convert("L"), {"format": "JPEG", "quality": 85, "exif": exif}),
            (color, {"format": "WEBP", "lossless": True}),
        ]
        picture, options = kinds[number % len(kinds)]
        file = io.BytesIO()
        picture.save(file, **options)  # type: ignore[arg-type]
        yield file.getvalue()


def measured_files(run: Path, rung: str, count: int) -> list[bytes]:
    """The files that a run measured on, evenly spaced."""
    found = read_run(run)
    keys = found[rung].predictions.keys.to_pylist()
    chosen = [keys[row] for row in np.linspace(0, len(keys) - 1, min(count, len(keys))).astype(int)]
    return [(Path(found.request.data) / key).read_bytes() for key in chosen]


def in_session(session: Session) -> Ask:
    """By the session itself."""

    def ask(data: bytes) -> tuple[str, np.ndarray]:
        image = decode(data)
        assert isinstance(image, np.ndarray), image
        answer = session.answer(image[None])
        return session.classes[int(answer.labels[0])], answer.probabilities[0]

    return ask


def over_http(client: httpx.Client) -> Ask:
    """By the service."""

    def ask(data: bytes) -> tuple[str, np.ndarray]:
        answer = client.post("/api/predict", content=data, headers={"content-type": "application/octet-stream"})
        answer.raise_for_status()
        found = answer.json()["predictions"][0]
        return found["label"], np.array(list(found["probabilities"].values()), np.float32)

    return ask


ASK = """async (text) => {
  const engine = await import("./engine.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { label, probabilities } = await engine.predict(new Blob([bytes]));
  return [label, Array.from(probabilities)];
}"""


@contextmanager
def in_browser(folder: Path) -> Iterator[Ask]:
    """By the static page in Chromium."""
    with given_out(folder) as address, context() as opened:
        page = opened.new_page()
        page.goto(address + "/")
        page.wait_for_selector("html[data-ready]")

        def ask(data: bytes) -> tuple[str, np.ndarray]:
            label, probabilities = page.evaluate(ASK, base64.b64encode(data).decode())
            return label, np.array(probabilities, np.float32)

        yield ask


def differences(run: Path, rung: str, folder: Path, files: Sequence[bytes]) -> dict[str, Difference]:
    """How ONNX Runtime, HTTP and the browser differ from Python on these files."""
    python = in_session(Session(Session.of(run, rung).about, InPython(restore(read_run(run)[rung].model))))
    exported = Session.of(static(run, folder, rung) / "model.onnx")
    with served(exported) as address, httpx.Client(base_url=address, timeout=60) as client, in_browser(folder) as page:
        ways = {"ONNX Runtime": in_session(exported), "HTTP": over_http(client), "browser": page}
        found = {way: Difference() for way in ways}
        for data in files:
            label, probabilities = python(data)
            for way, ask in ways.items():
                named, others = ask(data)
                one = found[way]
                one.images += 1
                one.probability = max(one.probability, float(np.abs(others - probabilities).max()))
                one.named += named != label
    return found


def main() -> None:
    """A table for every rung of a run: 1,000 of its images and 200 odd ones."""
    import tempfile

    run = Path(sys.argv[1])
    print(f"{'rung':<16} {'way':<13} images  named differently  greatest difference in probability")
    for rung in read_run(run):
        files = [*measured_files(run, rung.name, 1000), *odd_files(200)]
        with tempfile.TemporaryDirectory() as home:
            for way, one in differences(run, rung.name, Path(home) / "page", files).items():
                print(f"{rung.name:<16} {way:<13} {one.images:6,} {one.named:18} {one.probability:34.1e}", flush=True)


if __name__ == "__main__":
    main()
