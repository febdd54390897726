"""The audit: each fault that is planted is found under its code and nothing else; clean folders have none."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

import firstlight as fl
from firstlight.apps.auditing import Wanted, show_audit
from firstlight.data.auditing.findings import CODES, Finding, Findings
from firstlight.errors import ArgumentError, DataError
from tables import noise, write_images

PER_CLASS = 30
SIDE = 24


def photo(seed: int, color: bool = True) -> np.ndarray:
    """A random smooth picture, unlike any other, its border of no certain brightness."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (5, 5, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(picture if color else picture.convert("L"))


def file_of(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    with io.BytesIO() as file:
        picture.save(file, kind, **options)
        return file.getvalue()


def clean(root: Path, classes: tuple[str, ...] = ("cat", "dog"), *, color: bool = True) -> Path:
    """Photos of some classes in train and valid, with names that tell nothing."""
    names = np.random.default_rng(7).permutation(10_000)
    images = {}
    for number in range(PER_CLASS * len(classes)):
        split = "valid" if number // len(classes) < 8 else "train"
        key = f"{split}/{classes[number % len(classes)]}/{names[number]:05}.png"
        images[key] = file_of(photo(number, color))
    return write_images(root, images)


def some(root: Path, pattern: str, count: int) -> list[Path]:
    """The first files of a pattern, in order."""
    return sorted(root.glob(pattern))[:count]


def left_out(root: Path) -> None:
    (root / "train/cat/notes.txt").write_text("no image")


def empty_folder(root: Path) -> None:
    (root / "train/owl").mkdir()


def alike_names(root: Path) -> None:
    for split in ("train", "valid"):
        for number, path in enumerate(some(root, f"{split}/dog/*.png", 99)):
            if number % 2:
                (root / split / "Dog ").mkdir(exist_ok=True)
                path.rename(root / split / "Dog " / path.name)
    for number in range(200, 220):  # so that neither has few
        write_images(root, {f"train/{('dog', 'Dog ')[number % 2]}/x{number * 37 % 1000}.png": file_of(photo(number))})


def class_missing(root: Path) -> None:
    for number in range(300, 330):
        write_images(root, {f"train/owl/{number * 7919 % 10000:05}.png": file_of(photo(number))})


def same_in_splits(root: Path) -> None:
    for number, path in enumerate(some(root, "train/cat/*.png", 3)):
        (root / f"valid/cat/{number}{path.name}").write_bytes(path.read_bytes())


def nearly_in_splits(root: Path) -> None:
    for number, path in enumerate(some(root, "train/cat/*.png", 3)):
        again = file_of(Image.open(path), "JPEG", quality=80)
        (root / f"valid/cat/{number}{path.stem}.jpg").write_bytes(again)


def same_in_classes(root: Path) -> None:
    for number, path in enumerate(some(root, "train/cat/*.png", 2)):
        (root / f"train/dog/{number}{path.name}").write_bytes(path.read_bytes())


def nearly_in_classes(root: Path) -> None:
    for number, path in enumerate(some(root, "train/cat/*.png", 2)):
        (root / f"train/dog/{number}{path.stem}.jpg").write_bytes(file_of(Image.open(path), "JPEG", quality=80))


def same_twice(root: Path) -> None:
    for number, path in enumerate(some(root, "train/cat/*.png", 2)):
        (root / f"train/cat/{number}{path.name}").write_bytes(path.read_bytes())


def nearly_twice(root: Path) -> None:
    path = some(root, "train/cat/*.png", 1)[0]
    mirrored = np.ascontiguousarray(np.asarray(Image.open(path))[:, ::-1])
    (root / f"train/cat/4{path.name}").write_bytes(file_of(mirrored))


def unreadable(root: Path) -> None:
    some(root, "train/cat/*.png", 1)[0].write_bytes(b"<html>not found</html>")


def turned(root: Path) -> None:
    path = some(root, "train/cat/*.png", 1)[0]
    exif = Image.Exif()
    exif[274] = 6
    path.write_bytes(file_of(Image.open(path), exif=exif.tobytes()))


def special(root: Path) -> None:
    path = some(root, "train/cat/*.png", 1)[0]
    path.write_bytes(file_of(Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)))


def misnamed(root: Path) -> None:
    path = some(root, "train/cat/*.png", 1)[0]
    path.write_bytes(file_of(Image.open(path), "BMP"))


def several_frames(root: Path) -> None:
    path = some(root, "train/cat/*.png", 1)[0]
    frames = [Image.fromarray(photo(seed)) for seed in (900, 901)]
    path.with_suffix(".webp").write_bytes(
        file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    )


def unbalanced(root: Path) -> None:
    write_images(root, {f"train/cat/{n * 7919 % 10000:05}.png": file_of(photo(n)) for n in range(1000, 1350)})


def few(root: Path) -> None:
    for split, count in (("train", 5), ("valid", 2)):
        for number in range(count):
            write_images(root, {f"{split}/owl/{number * 77}.png": file_of(photo(2000 + number + 10 * count))})


def other_size(root: Path) -> None:
    path = some(root, "train/cat/*.png", 1)[0]
    path.write_bytes(file_of(Image.open(path).resize((SIDE * 2, SIDE * 2))))


def blank(root: Path) -> None:
    some(root, "train/cat/*.png", 1)[0].write_bytes(file_of(np.full((SIDE, SIDE, 3), 120, np.uint8)))


def far_from_the_others(root: Path) -> None:
    path = some(root, "train/cat/*.png", 1)[0]
    image = np.asarray(Image.open(path)) // 12
    image[:4, :4] = 255  # a light, so that it is not dark everywhere
    path.write_bytes(file_of(image))


def mixed(root: Path) -> None:
    for path in (*some(root, "train/cat/*.png", 4), *some(root, "train/dog/*.png", 4)):
        path.write_bytes(file_of(Image.open(path).convert("L")))


PLANTED: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "FL101": (left_out, set()),
    "FL102": (empty_folder, set()),
    "FL103": (alike_names, set()),
    "FL104": (class_missing, set()),
    "FL201": (same_in_splits, set()),
    "FL202": (nearly_in_splits, set()),
    "FL203": (same_in_classes, set()),
    "FL204": (nearly_in_classes, set()),
    "FL205": (same_twice, set()),
    "FL206": (nearly_twice, set()),
    "FL301": (unreadable, set()),
    "FL302": (turned, set()),
    "FL303": (special, set()),
    "FL304": (misnamed, set()),
    "FL305": (several_frames, set()),
    "FL401": (unbalanced, set()),
    "FL402": (few, set()),
    "FL403": (other_size, set()),
    "FL405": (blank, set()),
    "FL406": (far_from_the_others, set()),
    "FL407": (mixed, set()),
}


def codes(found: Findings) -> list[str]:
    return sorted(one.code for one in found)


def test_a_clean_folder_has_no_finding(tmp_path: Path) -> None:
    """Nothing is told where nothing is wrong, in color and in gray."""
    assert [] == codes(fl.audit(clean(tmp_path / "color")))
    assert [] == codes(fl.audit(clean(tmp_path / "gray", color=False)))


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(tmp_path: Path, code: str) -> None:
    """One fault, one code."""
    root = clean(tmp_path / "photos")
    plant, along = PLANTED[code]
    plant(root)
    found = fl.audit(root)
    assert sorted({code, *along}) == codes(found), str(found)
    one = found.with_code(code)
    assert one is not None and one.count >= 1 and one.advice.endswith(".") and one.message.endswith(".")


def test_an_image_without_a_class_is_reported(tmp_path: Path) -> None:
    """Of a table with a label missing."""
    table = fl.scan(clean(tmp_path / "photos"))
    labels = table.labels.copy()
    labels[3] = -1
    names = {name: table.rows[name] for name in ("size", "modified")}
    partly = fl.Table.build(
        table.root, table.rows["key"], classes=table.classes, labels=labels, splits=table.splits, columns=names
    )
    assert ["FL105"] == codes(fl.audit(partly))


def test_another_aspect_is_reported_next_to_the_sizes(tmp_path: Path) -> None:
    """A wide image among square ones has another size as well."""
    root = clean(tmp_path / "photos")
    path = some(root, "train/cat/*.png", 1)[0]
    path.write_bytes(file_of(Image.open(path).resize((SIDE * 2, SIDE))))
    assert ["FL403", "FL404"] == codes(fl.audit(root))


def test_tiny_images_are_reported(tmp_path: Path) -> None:
    """Of 6 x 6 px each."""
    root = clean(tmp_path / "photos")
    for path in root.rglob("*.png"):
        path.write_bytes(file_of(Image.open(path).resize((6, 6), Image.Resampling.BOX)))
    assert ["FL409"] == codes(fl.audit(root))


def shapes(seed: int, kind: int) -> np.ndarray:
    """A white disc or square on black, somewhere near the middle, a little noisy."""
    generator = np.random.default_rng(seed)
    row, column = np.indices((SIDE, SIDE)) - SIDE / 2 + generator.uniform(-2, 2, (2, 1, 1))
    size = generator.uniform(5, 8)
    inside = (row**2 + column**2 < size**2) if kind else (np.maximum(abs(row), abs(column)) < size * 0.9)
    return np.clip(inside * 230.0 + generator.integers(0, 25, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def test_an_inverted_image_is_found(tmp_path: Path) -> None:
    """Black on white among white on black, and no other."""
    names = np.random.default_rng(1).permutation(1000)
    images = {f"{'ab'[n % 2]}/{names[n]:04}.png": file_of(shapes(n, n % 2)) for n in range(80)}
    root = write_images(tmp_path / "shapes", images)
    key = f"b/{names[41]:04}.png"
    (root / key).write_bytes(file_of(255 - shapes(41, 1)))
    found = fl.audit(root).with_code("FL408")
    assert found is not None
    assert (1, ((key,),)) == (found.count, found.examples)


def test_a_class_that_is_brighter_is_a_shortcut(tmp_path: Path) -> None:
    """One class was photographed in the dark: brightness alone tells it."""
    root = clean(tmp_path / "photos")
    for path in root.rglob("dog/*.png"):
        path.write_bytes(file_of((np.asarray(Image.open(path)) // 4).astype(np.uint8)))
    found = fl.audit(root).with_code("FL501")
    assert found is not None
    assert "brightness" in found.message and found.facts["dog, brightness"]["above"] is False


def test_gray_of_one_class_only_is_reported_as_giving_it_away(tmp_path: Path) -> None:
    """Color that goes along with the class is said."""
    root = clean(tmp_path / "photos")
    for path in root.rglob("dog/*.png"):
        path.write_bytes(file_of(Image.open(path).convert("L")))
    found = fl.audit(root).with_code("FL407")
    assert found is not None and "color alone" in found.message


@pytest.mark.parametrize("rename", [lambda n, c: f"{c}_{n}.png", lambda n, c: f"{n + 500 * (c == 'dog')}.png"])
def test_names_that_tell_the_class_are_reported(tmp_path: Path, rename: Callable[[int, str], str]) -> None:
    """By their first letters, or by numbers that run class by class."""
    root = clean(tmp_path / "photos")
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        path.rename(path.with_name(rename(number, path.parent.name)))
    assert ["FL502"] == codes(fl.audit(root))


@pytest.mark.slow
def test_a_label_that_was_swapped_is_among_the_candidates(tmp_path: Path) -> None:
    """Discs among squares; looked for only where it was asked."""
    names = np.random.default_rng(1).permutation(1000)
    images = {f"{'ab'[n % 2]}/{names[n]:04}.png": file_of(shapes(n, n % 2)) for n in range(120)}
    wrong = f"a/{names[31]:04}.png"
    images[wrong] = images.pop(f"b/{names[31]:04}.png")
    root = write_images(tmp_path / "shapes", images)
    found = fl.audit(root, labels=True).with_code("FL503")
    assert found is not None
    assert wrong == found.keys[0]
    accuracy, n = (found.facts[name] for name in ("accuracy", "n"))
    low = binomtest(round(accuracy * n), n).proportion_ci(method="wilson").low
    assert ("estimated_share" in found.facts) == (low >= 0.8)  # else the model's own errors are too many
    assert any("were not checked" in remark for remark in fl.audit(root).remarks)


def test_unreadable_images_are_reported_by_reason(tmp_path: Path) -> None:
    """Each reason with its count."""
    root = clean(tmp_path / "photos")
    first, second, third = some(root, "train/cat/*.png", 3)
    first.write_bytes(b"")
    second.write_bytes(b"<html>")
    third.write_bytes(b"<html>")
    found = fl.audit(root).with_code("FL301")
    assert found is not None
    assert {"not an image (text)": 2, "empty file (0 bytes)": 1} == dict(found.facts)


def test_leaked_images_are_left_out_of_a_second_score(tmp_path: Path) -> None:
    """The run's evidence has every rung's accuracy without them, with its n."""
    from firstlight.runs.evidence_file import read_evidence

    root = clean(tmp_path / "photos")
    same_in_splits(root)
    run = fl.climb(root, rungs=["prior", "centroid-l2"], out=tmp_path / "run")
    evidence = read_evidence(run)
    assert evidence is not None
    without = evidence.without_leaked
    assert without is not None and 3 == without.left_out
    n = run["prior"].metrics.n
    assert {"prior": n - 3, "centroid-l2": n - 3} == {name: one.n for name, one in without.rungs.items()}


def test_findings_come_gravest_first_and_as_a_frame() -> None:
    """Errors, then warnings, then notes; a row each."""
    made = [Finding(code, "Something is so.", 1, "Do something.") for code in ("FL403", "FL201", "FL401")]
    found = Findings(tuple(made), 10)
    assert ["FL201", "FL401", "FL403"] == [one.code for one in found]
    assert ["error", "warning", "note"] == found.frame()["severity"].tolist()
    assert 3 == len(found) == len(found.to_dict()["findings"])


def test_a_code_that_is_none_is_refused() -> None:
    """A finding has a known code."""
    with pytest.raises(ArgumentError, match="FL999"):
        Finding("FL999", "Something.", 1, "Do.")


def test_every_code_is_explained() -> None:
    """docs/findings.md has a row for each code, with its severity."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "findings.md").read_text(encoding="utf-8")
    for code, (severity, _) in CODES.items():
        assert f"| {code} | {severity} |" in page


def test_the_command_prints_and_minds_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings on standard output; a strict code is told and given back; JSON is one document."""
    root = clean(tmp_path / "photos")
    same_in_splits(root)
    assert not show_audit(str(root), Wanted(), as_json=False, quiet=True)
    printed = capsys.readouterr()
    summary, findings = printed.out.split("\n\n")[:2]
    assert findings.startswith("FL201 error    3 images of validation")
    table = fl.scan(root)
    assert str(replace(table, notes=())).split() == summary.split()
    assert show_audit(str(root), Wanted(strict=["FL201", "FL102"]), as_json=True, quiet=True)
    document = json.loads(capsys.readouterr().out)
    assert (["FL201"], 63) == (document["strict"], document["images"])
    assert (table.counts(), list(table.notes)) == (document["counts"], document["notes"])
    with pytest.raises(ArgumentError, match="FL9"):
        show_audit(str(root), Wanted(strict=["FL9"]), as_json=False, quiet=True)


def test_a_folder_that_is_not_there_is_one_sentence() -> None:
    """As everywhere."""
    with pytest.raises(DataError, match="nowhere"):
        fl.audit("nowhere")


def test_an_audit_reports_before_it_has_read_anything(tmp_path: Path) -> None:
    """So that the clock of a meter starts before the first photos are decoded."""
    steps: list[fl.Step] = []
    fl.audit(
        write_images(tmp_path, {f"{name}/{n}.png": noise(4, 4) for name in "ab" for n in range(3)}),
        progress=steps.append,
    )
    assert ("auditing", 0, 6) == (steps[0].work, steps[0].done, steps[0].total)
    assert 6 == max(step.done for step in steps)
