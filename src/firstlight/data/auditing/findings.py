"""`Finding` and `Findings`: the problems of a folder, under stable codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from firstlight.characters import visible
from firstlight.errors import ArgumentError
from firstlight.notebook import Shown, View, data_frame
from firstlight.wording import plural

if TYPE_CHECKING:
    import pandas

SEVERITIES = ("error", "warning", "note")  # a score is wrong; it may mislead; good to know

# Code -> (severity, what it means in a few words). Codes are never given a second meaning.
CODES: Mapping[str, tuple[str, str]] = {
    "FL101": ("note", "files that are not images were skipped"),
    "FL102": ("warning", "an empty folder"),
    "FL103": ("warning", "class names that differ in case, spaces, signs or accents only"),
    "FL104": ("warning", "a class is missing from a split"),
    "FL105": ("warning", "images without a class"),
    "FL106": ("warning", "splits whose class shares differ"),
    "FL107": ("error", "fewer than two classes"),
    "FL201": ("error", "the same image in two splits"),
    "FL202": ("error", "nearly the same image in two splits"),
    "FL203": ("error", "the same image in two classes"),
    "FL204": ("warning", "nearly the same image in two classes"),
    "FL205": ("note", "the same image twice in a class and split"),
    "FL206": ("note", "nearly the same image twice in a class and split"),
    "FL207": ("error", "a crop or a turned copy in two splits"),
    "FL208": ("warning", "a crop or a turned copy in two classes"),
    "FL209": ("note", "a crop or a turned copy in a class and split"),
    "FL301": ("error", "images that cannot be read"),
    "FL302": ("note", "images with an EXIF orientation other than upright"),
    "FL303": ("note", "images with palettes, transparency, 16 bits or CMYK"),
    "FL304": ("note", "files whose name has the wrong extension"),
    "FL305": ("note", "files with several frames, of which the first is used"),
    "FL401": ("warning", "classes of very different size"),
    "FL402": ("warning", "classes with few images"),
    "FL403": ("note", "images of different sizes"),
    "FL404": ("note", "images of different aspect ratio"),
    "FL405": ("warning", "images that are nearly blank"),
    "FL406": ("note", "images that are very dark or very bright for this folder"),
    "FL407": ("warning", "gray and color images mixed"),
    "FL408": ("warning", "images that are inverted compared with their class"),
    "FL409": ("note", "images with very few pixels"),
    "FL410": ("warning", "splits whose images differ"),
    "FL411": ("note", "images that are very dark everywhere"),
    "FL412": ("note", "images that are very bright nearly everywhere"),
    "FL413": ("note", "images of very low contrast"),
    "FL414": ("note", "blurred images"),
    "FL415": ("note", "noisy images"),
    "FL416": ("note", "images of extreme proportions for this folder"),
    "FL417": ("note", "images of another size than the others"),
    "FL418": ("note", "heavily compressed images"),
    "FL501": ("warning", "one number alone separates a class from the others"),
    "FL502": ("note", "file names or their order give the class away"),
    "FL503": ("warning", "likely label errors"),
    "FL504": ("note", "images unlike all others"),
}
LEAKS = ("FL201", "FL202", "FL207")  # whose keys are images outside the training split that are also in it
EXAMPLES = 10  # groups of keys that a finding shows


@dataclass(frozen=True)
class Finding:
    """One thing to know about a folder.

    Attributes:
        code: a key of `CODES`.
        message: one sentence with the count, such as ``"12 images occur in train and validation."``
        count: images (for FL102 to FL104, FL106, FL401 and FL402 classes, for FL410 differences) that it concerns.
        advice: what to do, one sentence.
        examples: groups of keys, at most `EXAMPLES`; of duplicates each group is one image's copies.
        facts: numbers for machines, JSON values only.
        keys: the keys of all images concerned, where other modules need them (of FL201, FL202 and FL207 those
            outside the training split) or where they are few (FL405, FL406, FL408, FL411 to FL418); else empty.

    Example:
        >>> print(Finding("FL402", "1 class has fewer than 20 images: owl (7).", 1, "Collect more images of it."))
        FL402 warning  1 class has fewer than 20 images: owl (7). Collect more images of it.
    """

    code: str
    message: str
    count: int
    advice: str
    examples: tuple[tuple[str, ...], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ArgumentError(f"{self.code!r} is not a code of a finding; choose from {', '.join(CODES)}.")

    @property
    def severity(self) -> str:
        """``"error"``, ``"warning"`` or ``"note"``."""
        return CODES[self.code][0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"code": self.code, "severity": self.severity, **asdict(self)}

    def __str__(self) -> str:
        return visible(f"{self.code} {self.severity:<8} {self.message} {self.advice}")


@dataclass(frozen=True)
class LabelCandidate:
    """An image whose label may be wrong.

    Attributes:
        key: its name.
        label: its class.
        suggested: the class that the model suggests.
        probability: of the suggested class.
        label_probability: of its label.
    """

    key: str
    label: str
    suggested: str
    probability: float
    label_probability: float


@dataclass(frozen=True, repr=False)
class Findings(Shown, Sequence[Finding]):
    """What `audit` found, the gravest first.

    Attributes:
        found: the findings.
        images: how many images were looked at.
        remarks: what was not looked for and why, a sentence each.
        labels: the images whose label may be wrong, the most likely errors first; empty where labels were not checked.

    Example:
        >>> found = Findings((Finding("FL402", "1 class is small.", 1, "Collect more."),), images=50)
        >>> [one.code for one in found], found.with_code("FL201")
        (['FL402'], None)
    """

    found: tuple[Finding, ...]
    images: int
    remarks: tuple[str, ...] = ()
    labels: tuple[LabelCandidate, ...] = ()

    def __post_init__(self) -> None:
        ordered = sorted(self.found, key=lambda one: (SEVERITIES.index(one.severity), one.code))
        object.__setattr__(self, "found", tuple(ordered))

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: Any) -> Any:
        return self.found[index]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.found)

    def __repr__(self) -> str:
        return f"<Findings: {len(self):,} in {plural(self.images, 'image')}>"

    def _view(self) -> View:
        rows = ((one.code, one.severity, one.count, one.message, one.advice) for one in self.found)
        columns = ("code", "severity", "count", "message", "advice")
        return View(repr(self), columns, rows, len(self), self.remarks)

    def with_code(self, code: str) -> Finding | None:
        """The finding of this code; None where there is none."""
        return next((one for one in self.found if one.code == code), None)

    @property
    def leaked(self) -> tuple[str, ...]:
        """The keys outside the training split whose image, or nearly the same, or a part of it, is also inside it."""
        return tuple(
            dict.fromkeys(key for one in self.found if one.code in ("FL201", "FL202", "FL207") for key in one.keys)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"images": self.images, "remarks": self.remarks, "findings": [one.to_dict() for one in self.found]}

    def frame(self) -> pandas.DataFrame:
        """One row a finding: code, severity, count, message, advice."""
        names = ("code", "severity", "count", "message", "advice")
        return data_frame([{name: getattr(one, name) for name in names} for one in self.found], columns=names)

    def __str__(self) -> str:
        lines = [str(one) for one in self.found] or [f"Nothing was found in {plural(self.images, 'image')}."]
        return "\n".join([*lines, *map(visible, self.remarks)])
