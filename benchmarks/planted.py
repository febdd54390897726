"""Precision and recall of an audit: faults of known kinds are planted in a folder of photos, and then searched for.

    python benchmarks/planted.py ants_bees --kinds crop-0.8 turn-90 --seeds 3

Each kind is a function of `COPIES`, from an image to its copy, or a share of `FLIPS`. Of copies, 5 % of the validation
images are planted among the training images, and what counts is which validation images are reported to leak; the last
column is the recall without embeddings.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

import firstlight as fl

SHARE = 0.05
QUALITY = 85  # of the JPEG that a copy is saved as
Copy = Callable[[Image.Image, np.random.Generator], Image.Image]


def cropped(share: float) -> Copy:
    """A part with this share of both sides, anywhere."""

    def copy(image: Image.Image, generator: np.random.Generator) -> Image.Image:
        width, height = round(image.width * share), round(image.height * share)
        left, top = generator.integers(image.width - width + 1), generator.integers(image.height - height + 1)
        return image.crop((left, top, left + width, top + height))

    return copy


def square(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """The middle."""
    return ImageOps.fit(image, (min(image.size), min(image.size)))


def edited(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """Brighter, with more contrast and color."""
    image = ImageEnhance.Brightness(image).enhance(1.2)
    return ImageEnhance.Color(ImageEnhance.Contrast(image).enhance(1.3)).enhance(1.5)


COPIES: dict[str, Copy] = {
    "jpeg": lambda image, _: image,
    "mirror": lambda image, _: ImageOps.mirror(image),
    "edit": edited,
    "gray": lambda image, _: ImageOps.grayscale(image),
    "half": lambda image, _: image.resize((max(1, image.width // 2), max(1, image.height // 2))),
    "crop-0.9": cropped(0.9),
    "crop-0.8": cropped(0.8),
    "crop-0.7": cropped(0.7),
    "square": square,
    "mirror, crop-0.8": lambda image, generator: cropped(0.8)(ImageOps.mirror(image), generator),
    "turn-90": lambda image, _: image.transpose(Image.Transpose.ROTATE_90),
    "turn-180": lambda image, _: image.transpose(Image.Transpose.ROTATE_180),
    "turn-90, crop-0.8": lambda image, generator: cropped(0.8)(image.transpose(Image.Transpose.ROTATE_90), generator),
}
FLIPS = {"labels 3 %": 0.03, "labels 10 %": 0.10}


def planted_copies(root: Path, where: Path, kind: str, seed: int) -> set[str]:
    """Links a split folder to ``where`` and plants copies; the keys of their originals."""
    generator = np.random.default_rng(seed)
    table = fl.split(fl.scan(root), validation=0.3, seed=seed)
    keys, classes = table.keys, table.classes
    validation = np.flatnonzero(table.splits == 1)
    names: dict[int, str] = {}
    for row, (label, split) in enumerate(zip(table.labels, table.splits, strict=True)):
        folder = where / ("val" if split == 1 else "train") / classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        names[row] = f"{row:06}{Path(keys[row]).suffix}"
        os.link(root / keys[row], folder / names[row])
    originals = set()
    for row in generator.choice(validation, round(SHARE * len(validation)), replace=False):
        label = classes[table.labels[row]]
        with Image.open(root / keys[row]) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            COPIES[kind](upright, generator).save(where / "train" / label / f"c{row:06}.jpg", quality=QUALITY)
        originals.add(f"val/{label}/{names[int(row)]}")
    return originals


def planted_flips(root: Path, where: Path, kind: str, seed: int) -> set[str]:
    """Links a folder to ``where`` with some images in another class; the keys of these."""
    generator = np.random.default_rng(seed)
    table = fl.scan(root)
    labels, k = table.labels.copy(), len(table.classes)
    flipped = generator.choice(len(labels), round(FLIPS[kind] * len(labels)), replace=False)
    labels[flipped] = (labels[flipped] + generator.integers(1, k, len(flipped))) % k
    found = set()
    for row, label in enumerate(labels):
        folder = where / table.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{row:06}{Path(table.keys[row]).suffix}"
        os.link(root / table.keys[row], folder / name)
        if label != table.labels[row]:
            found.add(f"{table.classes[label]}/{name}")
    return found


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", default=[*COPIES, *FLIPS])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print("| planted | n | found | precision | recall | by pixels alone |\n|---|---|---|---|---|---|")
    for kind in options.kinds:
        there = named = right = alone = 0
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory(dir=options.folder.resolve().parent) as folder:
                plant = planted_flips if kind in FLIPS else planted_copies
                planted = plant(options.folder, Path(folder), kind, seed)
                found = fl.audit(folder, labels=True)
                errors = found.with_code("FL503")
                keys = set(found.leaked) if kind in COPIES else set(errors.keys if errors else ())
                pixels = {key for one in found if one.code in ("FL201", "FL202") for key in one.keys}
                alone += len(pixels & planted) if kind in COPIES else 0
                there, named, right = there + len(planted), named + len(keys), right + len(keys & planted)
        precision = f"{right / named:.3f}" if named else "-"
        pixels_alone = f"{alone / there:.3f}" if kind in COPIES else ""
        print(f"| {kind} | {there} | {named} | {precision} | {right / there:.3f} | {pixels_alone} |", flush=True)


if __name__ == "__main__":
    main()
