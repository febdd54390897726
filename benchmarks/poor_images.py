"""What an audit finds of faults that are planted in clean photos: precision and recall of each kind.

`python benchmarks/poor_images.py ants_bees` copies the folder once for each kind of fault, changes a twentieth of its
images so, audits it, and counts the images that the fault's codes name. What the same codes name in the folder as it
is counts as false. `--kinds blur` measures some only; `--json` prints numbers. One function makes one kind of fault.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
from PIL import Image, ImageFilter, ImageOps

import firstlight as fl
from firstlight.evaluation.uncertainty import wilson
from folders import files, folder

SHARE, SEED, QUALITY = 0.05, 0, 90


def saved(picture: Image.Image, quality: int = QUALITY) -> bytes:
    """A JPEG file, as a camera or a phone would save it."""
    with io.BytesIO() as file:
        picture.save(file, "JPEG", quality=quality)
        return file.getvalue()


def blurred(picture: Image.Image, share: float) -> bytes:
    """A Gaussian of so large a share of the shorter side."""
    return saved(picture.filter(ImageFilter.GaussianBlur(share * min(picture.size))))


def noisy(picture: Image.Image, sigma: float) -> bytes:
    """White noise in each channel."""
    levels = np.asarray(picture, float)
    levels += np.random.default_rng(levels.shape[0] * 7919 + levels.shape[1]).normal(0, sigma, levels.shape)
    return saved(Image.fromarray(levels.clip(0, 255).astype(np.uint8)))


def exposed(picture: Image.Image, times: float, offset: float = 0.0) -> bytes:
    """Darker, brighter or with less contrast: every level times a factor, plus an offset, clipped."""
    levels = np.asarray(picture, float) * times + offset
    return saved(Image.fromarray(levels.clip(0, 255).astype(np.uint8)))


def one_color(picture: Image.Image) -> bytes:
    """The mean color everywhere."""
    return saved(picture.resize((1, 1), Image.Resampling.BOX).resize(picture.size))


def strip(picture: Image.Image, wide: float) -> bytes:
    """A strip out of the middle, so many times as wide as high."""
    width, height = picture.size
    size = (width, max(round(width / wide), 1)) if wide > width / height else (max(round(height * wide), 1), height)
    return saved(ImageOps.fit(picture, size))


def smaller(picture: Image.Image, times: float) -> bytes:
    """The same in fewer pixels."""
    return saved(picture.resize(max(round(side / times), 1) for side in picture.size))


@dataclass(frozen=True)
class Kind:
    """One kind of fault: how a picture becomes a faulty file, and the codes that shall name it."""

    make: Callable[[Image.Image], bytes]
    codes: tuple[str, ...]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "blur, sigma 0.75 % of the side": Kind(partial(blurred, share=0.0075), ("FL414",)),
        "blur, sigma 1.5 %": Kind(partial(blurred, share=0.015), ("FL414",)),
        "blur, sigma 3 %": Kind(partial(blurred, share=0.03), ("FL414",)),
        "noise, sigma 10": Kind(partial(noisy, sigma=10), ("FL415",)),
        "noise, sigma 20": Kind(partial(noisy, sigma=20), ("FL415",)),
        "noise, sigma 40": Kind(partial(noisy, sigma=40), ("FL415",)),
        "dark, x 0.3": Kind(partial(exposed, times=0.3), ("FL406", "FL411")),
        "dark, x 0.15": Kind(partial(exposed, times=0.15), ("FL406", "FL411")),
        "overexposed, x 2": Kind(partial(exposed, times=2), ("FL406", "FL412")),
        "overexposed, x 4": Kind(partial(exposed, times=4), ("FL406", "FL412")),
        "haze, x 0.1 + 120": Kind(partial(exposed, times=0.1, offset=120), ("FL413",)),
        "JPEG of quality 30": Kind(partial(saved, quality=30), ("FL418",)),
        "JPEG of quality 10": Kind(partial(saved, quality=10), ("FL418",)),
        "one color": Kind(one_color, ("FL405",)),
        "strip of 6:1": Kind(partial(strip, wide=6), ("FL416",)),
        "strip of 1:6": Kind(partial(strip, wide=1 / 6), ("FL416",)),
        "a tenth of the side": Kind(partial(smaller, times=10), ("FL417",)),
        "a quarter of the side": Kind(partial(smaller, times=4), ("FL417",)),
    }
)


@dataclass(frozen=True)
class Measured:
    """What was found of one kind of fault."""

    kind: str
    codes: str
    planted: int
    found: int
    false: int

    def row(self) -> str:
        """A row of the table: recall with Wilson's 95 % interval, precision."""
        low, high = wilson(self.found, self.planted)
        precision = f"{self.found / (self.found + self.false):.2f}" if self.found + self.false else "-"
        return (
            f"| {self.kind} | {self.codes} | {self.found} of {self.planted} | {self.found / self.planted:.2f} "
            f"[{low:.2f}, {high:.2f}] | {precision} |"
        )


def named(root: Path, codes: tuple[str, ...]) -> set[str]:
    """The keys of all images that findings of these codes name."""
    return {key for one in fl.audit(root) if one.code in codes for key in one.keys}


def measured(name: str, kind: Kind, source: Path) -> Measured:
    """Plants one kind of fault in a copy of a folder and looks for it."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / source.name
        shutil.copytree(source, root)
        paths = [Path(path) for path in files(root)]
        generator = np.random.default_rng(SEED)
        planted = set()
        for number in sorted(generator.permutation(len(paths))[: round(SHARE * len(paths))].tolist()):
            path = paths[number]
            with Image.open(path) as picture:
                path.write_bytes(kind.make(ImageOps.exif_transpose(picture).convert("RGB")))
            planted.add(path.relative_to(root).as_posix())
        found = named(root, kind.codes)
    return Measured(name, ", ".join(kind.codes), len(planted), len(found & planted), len(found - planted))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="What an audit finds of planted faults.")
    parser.add_argument("folder", help="ants_bees, sign_digits or another dataset, or a folder of photos")
    parser.add_argument("--kinds", metavar="TEXT", default="", help="only the kinds whose name starts so")
    parser.add_argument("--json", action="store_true", help="print numbers")
    wanted = parser.parse_args()
    source = Path(wanted.folder) if Path(wanted.folder).is_dir() else folder(wanted.folder)
    rows = []
    if not wanted.json:
        print("| fault | codes | found | recall [95 % interval] | precision |\n|---|---|---|---|---|")
    for name, kind in KINDS.items():
        if name.startswith(wanted.kinds):
            rows.append(measured(name, kind, source))
            if not wanted.json:
                print(rows[-1].row(), flush=True)
    if wanted.json:
        print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
