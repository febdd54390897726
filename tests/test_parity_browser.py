"""A browser decodes image files to the pixels that Python decodes them to."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import firstlight as fl
from browser import context
from firstlight.apps.web.folder import PAGE
from firstlight.data.decoding.decode import decode
from firstlight.data.decoding.resize import to_shape
from firstlight.models.exporting.parity import odd_images
from serving import given_out, static
from tables import write_images

pytestmark = pytest.mark.slow

SIDE = 32
ORIENTATION = 274  # tag of Exif
SEEN = """async (text) => {
  const engine = await import("./engine.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { pixels } = await engine.predict(new Blob([bytes]));
  return [pixels.shape, Array.from(pixels.data)];
}"""


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def sixteen_bits(values: np.ndarray) -> bytes:
    """A PNG of (H, W, 3) uint16, which Pillow does not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def swapped_profile() -> bytes:
    """The profile of sRGB with red and green exchanged, so that heeding it would be seen."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    places = [int.from_bytes(profile[at + 4 : at + 8], "big") for at in (profile.find(b"rXYZ"), profile.find(b"gXYZ"))]
    red, green = (slice(place, place + 20) for place in places)
    profile[red], profile[green] = profile[green], profile[red]
    return bytes(profile)


def turned(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = number
    return exif


def image_files() -> dict[str, bytes]:
    """Noise, in which every pixel would show a difference, in the kinds of files that browsers read."""
    values = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 4), np.uint8)
    color, alpha = Image.fromarray(np.ascontiguousarray(values[..., :3])), Image.fromarray(values)
    gray, palette = color.convert("L"), color.quantize(32)
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    png = saved(color, "PNG")
    files = {
        "PNG": png,
        "PNG gray": saved(gray, "PNG"),
        "PNG 1 bit": saved(color.convert("1"), "PNG"),
        "PNG RGBA": saved(alpha, "PNG"),
        "PNG gray with alpha": saved(alpha.convert("LA"), "PNG"),
        "PNG palette": saved(palette, "PNG"),
        "PNG palette with alpha": saved(palette, "PNG", transparency=bytes(range(0, 256, 8))),
        "PNG transparent color": saved(color, "PNG", transparency=tuple(values[0, 0, :3].tolist())),
        "PNG 16 bits": sixteen_bits(values[..., :3].astype(np.uint16) * 256 + values[..., 1:]),
        "PNG gamma": png[:33] + gamma + png[33:],
        "PNG profile": saved(color, "PNG", icc_profile=swapped_profile()),
        "PNG turned": saved(color, "PNG", exif=turned(6)),
        "JPEG gray": saved(gray, "JPEG", quality=85),
        "JPEG progressive": saved(color, "JPEG", quality=85, progressive=True),
        "JPEG CMYK": saved(color.convert("CMYK"), "JPEG", quality=85),
        "JPEG profile": saved(color, "JPEG", quality=85, icc_profile=swapped_profile()),
        "WebP": saved(color, "WEBP", quality=85),
        "WebP RGBA": saved(alpha, "WEBP", lossless=True, exact=True),
        "AVIF": saved(color, "AVIF"),
        "GIF": saved(color, "GIF"),
        "BMP": saved(color, "BMP"),
    }
    files |= {f"JPEG 4:{name}": saved(color, "JPEG", subsampling=i) for i, name in enumerate(("4:4", "2:2", "2:0"))}
    return files | {f"JPEG turned {number}": saved(color, "JPEG", exif=turned(number)) for number in range(1, 9)}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a model of color images, which takes them as they are."""
    home = tmp_path_factory.mktemp("decoding")
    random = np.random.default_rng(0)
    keys = [f"{name}/{number}.png" for name in ("one", "two") for number in range(10)]
    write_images(home / "images", {key: random.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for key in keys})
    fl.climb(home / "images", rungs=["centroid-l2"], out=home / "run")
    return static(home / "run", home / "page", "centroid-l2")


def differences(page: Path, files: dict[str, bytes]) -> dict[str, int]:
    """The greatest difference of a value, 0 to 255, by the name of the file."""
    found = {}
    with given_out(page) as address, context() as opened:
        tab = opened.new_page()
        tab.goto(f"{address}/")
        tab.wait_for_selector("html[data-ready]")
        for name, data in files.items():
            shape, seen = tab.evaluate(SEEN, base64.b64encode(data).decode())
            expected = decode(data)
            assert isinstance(expected, np.ndarray), expected
            assert [SIDE, SIDE, 3] == shape
            found[name] = int(np.abs(np.reshape(seen, shape) - expected.astype(int)).max())
    return found


def test_a_browser_decodes_as_python_does(page: Path) -> None:
    """To the bit: PNG, JPEG, WebP, AVIF, GIF, BMP, with alpha, palettes, Exif turns, gamma and profiles."""
    found = differences(page, image_files())
    assert dict.fromkeys(found, 0) == found


def test_sixteen_bits_of_gray_differ_by_one_at_most(page: Path) -> None:
    """Python rounds v / 257, the browser takes the higher byte."""
    values = np.random.default_rng(0).integers(0, 65536, (SIDE, SIDE), np.uint16)
    assert {"gray": 1} == differences(page, {"gray": saved(Image.fromarray(values), "PNG")})


RESIZED = """async ([text, width, height, ways]) => {
  const { resizer } = await import("./resize.js");
  const data = Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0));
  return ways.map((how) => {
    const image = resizer(width, height, how);
    for (let at = 0; at < data.length; at += 68 * width) image.take(data.subarray(at, at + 68 * width));
    return btoa(Array.from(image.done(), (value) => String.fromCharCode(value)).join(""));
  });
}"""


def test_a_browser_resizes_as_python_does() -> None:
    """To the bit: images of 1 px to 4,000 px a side, made smaller and larger, in each way; in gray and in color."""
    looks = ({"size": (11, 7), "color": "gray"}, {"size": (64, 64), "color": "rgb"})
    ways = [{**look, "resize": resize} for look in looks for resize in ("squish", "crop", "pad")]
    with given_out(PAGE) as address, context() as opened:
        tab = opened.new_page()
        tab.goto(f"{address}/icon.svg")
        for image in odd_images():
            height, width = image.shape[:2]
            color = np.ascontiguousarray(np.broadcast_to(image, (height, width, 3)))
            rgba = np.concatenate([color, np.full((height, width, 1), 255, np.uint8)], axis=2)
            asked = [base64.b64encode(rgba.tobytes()).decode(), width, height, ways]
            for how, text in zip(ways, tab.evaluate(RESIZED, asked), strict=True):
                expected = to_shape(color, **how)
                actual = np.frombuffer(base64.b64decode(text), np.uint8).reshape(expected.shape)
                assert np.array_equal(expected, actual), (image.shape, how)
