"""What a folder's name says on its own: a split, a part of a set, a group of images, or nothing at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Whole folder names in any letter case, and the place of their split in SPLITS.
SPLIT_WORDS = {
    "train": 0,
    "training": 0,
    "val": 1,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
    "eval": 2,
}
INSIDE = SPLIT_WORDS | {
    "trn": 0,
    "evaluation": 2,
    "holdout": 2,
    "tst": 2,
}  # words that mean a split only next to a train folder

# Words that say of a folder only that it holds images.
PLAIN = _words("""
    image images img imgs photo photos picture pictures pic pics jpg jpgs jpeg jpegs png pngs jpegimages data
    dataset datasets set sets folder folders file files all leftimg8bit
""")

# Words that number a part of a set, as archives are cut in pieces: HAM10000_images_part_1, images_001, fold3.
PART = PLAIN | _words("part parts batch chunk shard fold volume vol disc disk archive zip subset split")

# Words for images that belong together for another reason than their class.
GROUP = PART | _words("""
    day session patient subject person user participant volunteer writer signer actor speaker driver owner scene
    video clip seq sequence camera cam run take group week month year visit study series slide scan case site
    phase frame frames record recording trial round shoot trip house room location station device phone sample
    samples id pid uid morning noon afternoon evening night daytime indoor indoors outdoor outdoors monday
    tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december jan feb mar apr jun jul aug sep oct nov dec new old more extra misc rest
    backup copy one two three first second third s p
""")

# Words for versions of the same classes: PlantVillage has color, grayscale and segmented, DomainNet clipart and real.
VERSION = PLAIN | _words("""
    color colour colored coloured gray grey grayscale greyscale rgb raw original originals processed
    preprocessed augmented augmentation aug resized cropped crops segmented normalized normalised enhanced small
    large full hd version
    bands rgbn clipart real world sketch quickdraw infograph painting art cartoon webcam dslr
""")

# Words for folders of masks or boxes, which say what is where in an image.
MASK_WORDS = _words("""
    mask masks segmentation segmentations segmentationclass segmentationobject seg groundtruth gt trimap trimaps
    annotation annotations label labels labelids matte mattes manual
""")

# Folders that systems make, in any letter case.
SYSTEM = {"system volume information", "network trash folder", "temporary items", "ipod photo cache"} | _words("""
    thumbs thumbnails thevolumesettingsfolder recycler recycled lost+found lost.dir thumbs.db iscsitrg
""")
# Words that mean such a folder where a sign is before them: @eaDir, #recycle, ~snapshot, $RECYCLE.BIN, __pycache__.
SIGNED = _words("""
    eadir synoresource recycle recycle.bin trash snapshot snapshots recently-snapshot tmp temp transcode thumb thumbs
    thumbnails sharesnap pycache windows.~bt vti_cnf gsdata cache
""")
MACOSX = "__MACOSX"

TOKEN = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]|\d+|[^\W\d_a-zA-Z]+")
CAMERA = re.compile(r"[1-9]\d\d[0-9A-Z_]{5}")  # 100CANON: a camera's folder (CIPA DC-009, section 3.2.2)
SIZE = re.compile(r"\d+x(\d+)?", re.IGNORECASE)  # 224x224 in pixels, 40X under a microscope
HASH = re.compile(r"(?=.*\d)[0-9a-f]{8,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(\.\d+){3,}", re.IGNORECASE)


def tokens(name: str) -> list[str]:
    """The words and numbers of a name, in lower case.

    Example:
        >>> tokens("asl_alphabetTrain 2017")
        ['asl', 'alphabet', 'train', '2017']
    """
    return [token.lower() for token in TOKEN.findall(name)]


def is_system(name: str) -> bool:
    """Whether a system made the folder for itself: thumbnails, trash, caches.

    Example:
        >>> is_system("@eaDir"), is_system("found.000"), is_system("@home")
        (True, True, False)
    """
    lower = name.lower()
    signed = re.fullmatch(r"[@#$~_]+(.*?)_*", lower)
    made = signed is not None and signed[1] in SIGNED
    return made or lower in SYSTEM or bool(re.fullmatch(r"found\.\d{3}|.*\.lrdata", lower))


def is_split(name: str) -> bool:
    """Whether the whole name is the word for a split."""
    return name.lower() in SPLIT_WORDS


def split_in(name: str) -> tuple[int, tuple[str, ...]] | None:
    """The split that a name has inside, and its other words; None where there is none, or several.

    Example:
        >>> split_in("Training_Set"), split_in("asl_alphabet_train"), split_in("trains")
        ((0, ()), (0, ('asl', 'alphabet')), None)
    """
    rest, found = [], set()
    for token in tokens(name):
        word = next((word for word in INSIDE if token == word or _with_plain(token, word)), None)
        if word is not None:
            found.add(INSIDE[word])
        elif token not in PLAIN and not token.isdigit():
            rest.append(token)
    return (found.pop(), tuple(rest)) if len(found) == 1 else None


def without_split(name: str) -> str:
    """A name without its word for a split, as it is written otherwise.

    Example:
        >>> without_split("train_Cats"), without_split("Big Dogs-test"), without_split("train_images")
        ('Cats', 'Big Dogs', '')
    """
    found = split_in(name)
    if found is None or not found[1]:
        return ""
    rest = TOKEN.sub(lambda token: " " if split_in(token[0]) == (found[0], ()) else token[0], name)
    return rest.strip(" -_.")


def _with_plain(token: str, word: str) -> bool:
    """Whether it is one word such as trainset or testdata."""
    return token.startswith(word) and token[len(word) :] in PLAIN


def is_plain(name: str) -> bool:
    """Whether a name only says that images are inside: images, JPEGImages, data_2."""
    return name.lower() in PLAIN or _made_of(name, PLAIN)


def is_mask_folder(name: str) -> bool:
    """Whether a folder's name says that masks, or other annotations, are inside."""
    found = tokens(name)
    return not MASK_WORDS.isdisjoint(found) or {"ground", "truth"} <= set(found)


def beyond(name: str, parent: str) -> str:
    """What a folder's name says beyond that of the folder around it.

    Example:
        >>> beyond("cat_2", "cat"), beyond("Cat indoors", "cat"), beyond("siamese", "cat")
        ('part2', 'indoors', 'siamese')
    """
    around, found = tokens(parent), tokens(name)
    if not around or found[: len(around)] != around or found == around:
        return name
    rest = found[len(around) :]
    return " ".join(rest) if any(not token.isdigit() for token in rest) else f"part{''.join(rest)}"


def are_parts(names: Collection[str]) -> bool:
    """Whether names differ only in the number of a part, or are those of a camera's folders.

    Example:
        >>> are_parts(["HAM10000_images_part_1", "HAM10000_images_part_2"]), are_parts(["class1", "class2"])
        (True, False)
    """
    if len(names) < 2:
        return False
    if all(map(CAMERA.fullmatch, names)):
        return True
    cut = [tokens(name) for name in names]
    if any(len(one) < 2 or one[-2] not in PART or not (one[-1].isdigit() or len(one[-1]) == 1) for one in cut):
        return False
    return len({tuple(one[:-1]) for one in cut}) == 1


def are_versions(names: Collection[str]) -> bool:
    """Whether most names are those of versions of the same classes: color and grayscale, notMNIST_small and _large."""
    cut = [tokens(name) for name in names]
    while all(cut) and len({one[0] for one in cut}) == 1:  # what all names begin with
        cut = [one[1:] for one in cut]
    ends = [_made_of(" ".join(end), VERSION) for end in cut if end]
    return sum(ends) * 2 > len(ends) or all(map(SIZE.fullmatch, names))


def are_groups(names: Collection[str]) -> bool:
    """Whether names number or date groups of images (day1, s02, 2024-05-01), or are words such as indoor.

    Single numbers of few digits are no groups by themselves: digits are classes, too.

    Example:
        >>> are_groups(["s0", "s1"]), are_groups(["2024-05-01"]), are_groups(["poodle", "beagle"])
        (True, True, False)
    """
    stems = [_stem(name) for name in names]
    shared = {stem for stem, count in Counter(stems).items() if count > 1}
    return all(
        _made_of(name, GROUP)
        or HASH.fullmatch(name)
        or (bool(re.search(r"\d", name)) and (stem in shared or len(stem) <= 1))
        for name, stem in zip(names, stems, strict=True)
        if not _is_short_number(name)
    ) and not all(map(_is_short_number, names))  # fmt: skip


def name_groups(names: Collection[str]) -> bool:
    """Whether all names say themselves that they are groups: patient12, session_3, 2024-05-01, a hash.

    Example:
        >>> name_groups(["patient1", "patient2"]), name_groups(["a4", "a6"]), name_groups(["0", "1"])
        (True, False, False)
    """
    return all(
        HASH.fullmatch(name) or (_made_of(name, GROUP) and not name.isdigit() and bool(re.search(r"\d", name)))
        or bool(re.fullmatch(r"\d{4}[-_. ]\d\d([-_. ]\d\d)?", name))
        for name in names
    )  # fmt: skip


def are_numbers(names: Iterable[str]) -> bool:
    """Whether every name is a number or a hash, which a person or case may have."""
    return all(name.isdigit() or HASH.fullmatch(name) for name in names)


def are_dates(names: Collection[str]) -> bool:
    """Whether every name has a year in it, as the folders of a photo library do."""
    return bool(names) and all(re.search(r"(?<!\d)(19|20)\d\d(?!\d)", name) for name in names)


def are_padded(names: Collection[str]) -> bool:
    """Whether the names are numbers that were filled up with zeros, as running numbers are."""
    return all(map(str.isdigit, names)) and len({*map(len, names)}) == 1 and any(name[:1] == "0" for name in names)


def _is_short_number(name: str) -> bool:
    return name.isdigit() and len(name) < 6


def _stem(name: str) -> str:
    """The letters of a name, without numbers and signs."""
    return "".join(letter for letter in name.lower() if letter.isalpha())


def _made_of(name: str, words: Collection[str]) -> bool:
    """Whether a name has only these words, and numbers or single letters that number them: batch_a, day 2."""
    found = tokens(name)
    numbered = (token in words or token.isdigit() or len(token) == 1 for token in found)
    return any(token in words for token in found) and all(numbered)
