"""The class and the split of each image, decided from its folder or from a list."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import booleans, strings, to_numpy
from firstlight.data.files import Read
from firstlight.data.scanning.entries import Entries
from firstlight.data.scanning.layout import Layout
from firstlight.data.scanning.lists import METADATA, LabelList, read_voc, split_codes
from firstlight.data.scanning.matching import Match
from firstlight.wording import plural, shortened, shortlist

KINDS = {".csv": "CSV", ".tsv": "TSV", ".jsonl": "JSON lines"}
ANNOTATED = 0.9  # share of the images that must have an annotation, where the folders do not say that they belong
IMAGES_ARE = ("image is", "images are")


@dataclass(frozen=True)
class Labels:
    """What was decided for each image.

    Attributes:
        layout: where it was read off, such as ``"root/split/class"`` or ``"CSV"``.
        classes: the class names in sorted order.
        labels: (N,) index into ``classes``; -1 where the class is not known.
        splits: (N,) index into `SPLITS`; -1 where there is no split.
        kept: (N,) bool, which images belong into the table.
        notes: what a person should know of it, a sentence each.
    """

    layout: str
    classes: tuple[str, ...]
    labels: np.ndarray
    splits: np.ndarray
    kept: np.ndarray
    notes: tuple[str, ...]


def by_folder(entries: Entries, layout: Layout) -> Labels:
    """Labels as the folders say them.

    With less than two classes every image is kept, since the folder is then a heap of images to predict.
    """
    kept = layout.kept[entries.folder_of] | (len(layout.classes) < 2)
    notes = list(layout.notes)
    if loose := int(np.count_nonzero(~kept)):
        example = _example(entries.keys, ~kept)
        notes.append(f"{plural(loose, *IMAGES_ARE)} next to the class folders, not in one, and skipped, {example}.")
    return Labels(
        layout.name,
        layout.classes,
        layout.labels[entries.folder_of],
        layout.splits[entries.folder_of],
        kept,
        tuple(notes),
    )


def completed(labels: Labels, entries: Entries, found: LabelList, matched: Match) -> Labels:
    """Labels of folders, and those of a list where the folders give none: train/cat and a flat test with test.csv.

    The list must name classes of the folders, and more than one, since a form for predictions has one for all.
    """
    theirs = _pick(to_numpy(pc.index_in(found.labels, strings(labels.classes))), matched.rows)
    gained = (labels.labels < 0) & (theirs >= 0)
    if len(np.unique(theirs[gained])) < 2:
        return labels
    images = plural(int(np.count_nonzero(gained)), "image")
    note = (
        f"{found.source} gives the classes of {images} that are in no class folder, {_example(entries.keys, gained)}."
    )
    return replace(
        labels,
        labels=np.where(gained, theirs, labels.labels),
        kept=labels.kept | gained,
        notes=(*labels.notes, note),
    )


def by_list(entries: Entries, layout: Layout, found: LabelList, matched: Match, *, alone: bool = False) -> Labels:
    """Labels as a list says them; where it says no split, the folders may.

    Args:
        entries: the images.
        layout: what the folders say.
        found: the list.
        matched: which of its rows belong to which image.
        alone: whether images that it does not name are left out; else they stay, their class unknown.
    """
    source, named_rows = found.source, matched.rows >= 0
    mine = found.labels.filter(booleans(matched.found))
    classes = tuple(sorted(name for name in pc.unique(mine).to_pylist() if name))
    codes = to_numpy(pc.index_in(found.labels, strings(classes)))
    listed = split_codes(found.splits)
    splits = _pick(listed, matched.rows)
    splits = np.where(splits >= 0, splits, layout.splits[entries.folder_of])
    labels = _pick(codes, matched.rows)

    notes = list(found.notes)
    if empty := int(np.count_nonzero(named_rows & (labels < 0))):
        example = _example(entries.keys, named_rows & (labels < 0))
        notes.append(f"{source} gives no label to {plural(empty, 'image')} that it names, {example}.")
    if matched.renamed:
        at = int(np.argmax(named_rows))
        example = f"{shortened(str(found.names[int(matched.rows[at])]))} for {shortened(str(entries.keys[at]))}"
        notes.append(f"{source} names the images by another extension than they have, for example {example}.")
    if several := int(np.count_nonzero(matched.ambiguous)):
        example = _example(found.names, matched.ambiguous)
        notes.append(
            f"{plural(several, 'name')} in {source} may mean more than one image, {example}; write more of the path."
        )
    if gone := int(np.count_nonzero(matched.missing)):
        example = _example(found.names, matched.missing)
        notes.append(f"{source} names {plural(gone, 'image that is', 'images that are')} not there, {example}.")
    if not alone and (left := int(np.count_nonzero(~named_rows))):
        notes.append(f"{plural(left, *IMAGES_ARE)} not named in {source}, {_example(entries.keys, ~named_rows)}.")
    if twice := int(np.count_nonzero(matched.contradicted)):
        example = _example(found.names, matched.contradicted)
        notes.append(f"{source} gives {twice:,} of its images a second, other label, which was not used, {example}.")
    unknown = pc.unique(found.splits.filter(booleans(listed < 0))).to_pylist()
    if strange := [str(word) for word in unknown if word]:
        notes.append(f"{source} names splits that are none of train, validation and test: {shortlist(strange)}.")
    file = source.rpartition("/")[2]
    name = "Hugging Face metadata" if file in METADATA else KINDS.get(file[file.rfind(".") :].lower(), "list")
    kept = named_rows if alone else np.ones(len(entries), bool)
    return Labels(name, classes, labels, splits, kept, tuple(notes))


def by_voc(entries: Entries, layout: Layout, annotations: pa.StringArray, read: Read) -> Labels | None:
    """Labels as Pascal VOC XML says them, one file next to each image.

    Beside is in the same folder, or in ``Annotations`` where the image is in ``JPEGImages``; or in any other folder
    where nearly every image has one of its own name.

    Args:
        entries: the images.
        layout: what the folders say.
        annotations: the keys of the XML files.
        read: reads one of them.

    Returns:
        The class of each image's only object, or of the one with the largest box; None where no XML
        belongs to an image.
    """
    places = pc.replace_substring_regex(_stem(annotations), r"(^|/)Annotations/", r"\1JPEGImages/")
    stems = _stem(entries.keys)
    own = pc.index_in(stems, _stem(annotations))
    rows = to_numpy(pc.coalesce(own, pc.index_in(stems, places)))
    if not (rows >= 0).any():
        rows = _by_last_part(stems, _stem(annotations))
    if not (rows >= 0).any():
        return None
    code_of: dict[str, int] = {}
    codes = np.full(len(entries), -1, np.int64)
    several, unclear = [], []  # a sentence's end for each image
    for at in np.flatnonzero(rows >= 0).tolist():
        try:
            objects = read_voc(read(str(annotations[int(rows[at])])))
        except OSError as error:
            objects = error.strerror or str(error)
        if isinstance(objects, str):
            unclear.append(f"{entries.keys[at]} ({objects})")
            continue
        codes[at] = code_of.setdefault(objects[0][0], len(code_of))
        if len(objects) > 1:
            rest = shortlist(sorted({name for name, _ in objects[1:]}))
            several.append(f"{entries.keys[at]} is {objects[0][0]}, together with {rest}")
    classes = tuple(sorted(code_of))
    order = np.array([*(classes.index(name) for name in code_of), -1])

    notes = []
    if several:
        notes.append(
            f"{plural(len(several), *IMAGES_ARE)} annotated with several objects and took the name of the largest "
            f"box, for example {several[0]}."
        )
    if unclear:
        notes.append(f"{plural(len(unclear), *IMAGES_ARE)} without a class in the XML, for example {unclear[0]}.")
    if left := int(np.count_nonzero(rows < 0)):
        notes.append(f"{plural(left, *IMAGES_ARE)} without XML, {_example(entries.keys, rows < 0)}.")
    everything = np.ones(len(entries), bool)
    splits = layout.splits[entries.folder_of]
    return Labels("Pascal VOC XML", classes, order[codes], splits, everything, tuple(notes))


def _by_last_part(stems: pa.StringArray, annotations: pa.StringArray) -> np.ndarray:
    """The annotation (N,) with the name of each image, whatever its folder; -1 throughout where that is not clear."""
    mine, theirs = (pc.replace_substring_regex(each, r"^.*/", "") for each in (stems, annotations))
    rows = to_numpy(pc.index_in(mine, theirs))
    unique = pc.count_distinct(mine).as_py() == len(mine) and pc.count_distinct(theirs).as_py() == len(theirs)
    return rows if unique and np.mean(rows >= 0) >= ANNOTATED else np.full(len(stems), -1)


def disagreement(entries: Entries, layout: Layout, found: LabelList, matched: Match) -> list[str]:
    """Where a list contradicts the class folders: one sentence, or none where they agree.

    They also agree where the list calls the classes by other names, such as 0 and 1, but by the same other
    name throughout a folder.
    """
    labels = layout.labels[entries.folder_of]
    both = (matched.rows >= 0) & (labels >= 0)
    words = found.labels.dictionary_encode()
    texts = words.dictionary.to_pylist()
    ours, theirs = (
        labels[both].astype(np.int64),
        to_numpy(words.indices)[matched.rows[both]].astype(np.int64),
    )
    expected = np.full(len(layout.classes), -1)
    place = {text: at for at, text in enumerate(texts)}
    if any(name in place for name in layout.classes):
        expected = np.array([place.get(name, -1) for name in layout.classes])
    else:
        pairs, counts = np.unique(ours * len(texts) + theirs, return_counts=True)
        pairs = pairs[np.argsort(counts, kind="stable")]
        expected[pairs // len(texts)] = pairs % len(texts)  # the most frequent of a class is written last
    differs = (theirs != expected[ours]) & (np.array([text != "" for text in texts], bool)[theirs])
    if not differs.any():
        return []
    at = int(np.flatnonzero(both)[np.argmax(differs)])
    return [
        f"{found.source} disagrees with the folders on {plural(int(differs.sum()), 'image')} and the folders were "
        f"believed; for example it calls {entries.keys[at]} {texts[theirs[np.argmax(differs)]]}."
    ]


def _example(keys: pa.StringArray, chosen: np.ndarray) -> str:
    return f"for example {shortened(str(keys[int(np.argmax(chosen))]))}"


def _pick(codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``codes`` at ``rows``, and -1 where the row is -1."""
    return np.append(codes, -1).take(rows)


def _stem(keys: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(keys, r"\.[^./]*$", "")
