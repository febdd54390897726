"""`Picture`: a drawing with the numbers behind it and its words; matplotlib without pyplot's state."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from firstlight.atomic import new_file
from firstlight.errors import ArgumentError
from firstlight.notebook import data_frame
from firstlight.reporting.letters import use_fonts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas
    from matplotlib.figure import Figure

Style = Literal["plain", "xkcd"]
STYLES = ("plain", "xkcd")
WIDTH = 4.4  # inches: on a phone, 320 px of it, letters of 9 pt are then 9 px
SALT = "firstlight"  # of the identifiers in an SVG, which would be drawn at random without
PLAIN = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
DRAWN = "xkcd, 'xkcd Script', 'Comic Neue', 'Comic Sans MS', cursive"
# matplotlib's own settings that make a drawing, so that a user's style does not reach the report.
NOT_DRAWING = (
    "backend",
    "interactive",
    "toolbar",
    "webagg",
    "keymap",
    "tk.",
    "macosx",
    "timezone",
    "date",
    "docstring",
)


@dataclass(frozen=True)
class Theme:
    """The colors of a picture on a light or a dark page; the page itself shows through.

    The series are after those of Okabe and Ito 2008, "Color Universal Design", which people with any kind of color
    vision can tell apart: darker on light pages, lighter on dark ones.
    """

    text: str
    muted: str
    grid: str
    surface: str
    series: tuple[str, ...]
    signed: tuple[str, str, str]  # negative, nothing, positive
    ramp: tuple[str, str]  # nothing, most


LIGHT = Theme(
    text="#1b1d21",
    muted="#5b6069",
    grid="#dcdde0",
    surface="#fbfbf9",
    series=("#0072b2", "#b34e00", "#00795a", "#a8477f", "#7a5c00"),
    signed=("#d55e00", "#f4f4f2", "#0072b2"),
    ramp=("#f4f6f8", "#00507d"),
)
DARK = Theme(
    text="#e9eaec",
    muted="#a6acb7",
    grid="#363b44",
    surface="#14161a",
    series=("#56b4e9", "#e69f00", "#2fc99a", "#e39ac4", "#f0e442"),
    signed=("#f2a15f", "#23272e", "#6cc0f0"),
    ramp=("#1c222a", "#8fd0f7"),
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that can also be read: as numbers by `frame`, as words by `alt`.

    Attributes:
        title: what it shows, in a few words; drawn above it.
        alt: what is to be seen, with the main numbers, for people who do not see it.
        columns: the numbers behind it, columns of one length.
        draw: puts it on a figure in the colors of a theme.
        size: width and height in inches.

    Example:
        >>> from firstlight.reporting.pictures import accuracies
        >>> picture = accuracies(["prior"], [0.504], [(0.483, 0.526)], [2038])
        >>> picture.alt
        'Accuracy by model with 95 % intervals, measured on 2,038 images: prior 0.504 [0.483, 0.526].'
        >>> picture.svg().startswith("<svg")
        True
    """

    title: str
    alt: str
    columns: Mapping[str, Sequence[Any]]
    draw: Callable[[Figure, Theme], None] = field(repr=False)
    size: tuple[float, float] = (WIDTH, 3.6)

    def figure(self, *, dark: bool = False, style: Style = "plain") -> Figure:
        """A new matplotlib figure.

        Args:
            dark: in the colors for a dark page.
            style: ``"xkcd"``: as if drawn by hand, for talks.

        Raises:
            ArgumentError: where the style is not known.
        """
        with _settings(DARK if dark else LIGHT, style):
            return self._drawn(DARK if dark else LIGHT)

    def svg(self, *, dark: bool = False, style: Style = "plain") -> str:
        """As SVG that can stand inside a page: text stays text, and the same picture gives the same bytes."""
        file = io.StringIO()
        with _settings(DARK if dark else LIGHT, style), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's fonts have it, or none
            figure = self._drawn(DARK if dark else LIGHT)
            figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        text = file.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
        head, _, body = re.sub(r"<\w[^>]*>", lambda tag: _tidy(tag[0], used), text).partition(">")
        head += f' font-family="{DRAWN if style == "xkcd" else PLAIN}" stroke-linejoin="round" stroke-linecap="butt"'
        text = f'{head} role="img" aria-label="{escape(self.alt)}">{body}'
        # Identifiers of this picture alone, since several stand in one page.
        own = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>p{own}-", text)

    def png(self, *, dark: bool = False, style: Style = "plain", dpi: int = 150) -> bytes:
        """As PNG, on the color of the page."""
        return self._bytes("png", dark=dark, style=style, dpi=dpi)

    def save(self, path: str | Path, *, dark: bool = False, style: Style = "plain") -> None:
        """Writes it, whole or not at all, as its ending says: .svg, .png or .pdf.

        Raises:
            ArgumentError: where the ending is another one.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in ("svg", "png", "pdf"):
            raise ArgumentError(f"{path} ends in neither .svg, .png nor .pdf; give it one of these endings.")
        style_options: dict[str, Any] = {"dark": dark, "style": style}
        data = self.svg(**style_options).encode() if kind == "svg" else self._bytes(kind, **style_options)
        with new_file(path) as part:
            part.write_bytes(data)

    def frame(self) -> pandas.DataFrame:
        """The numbers behind it."""
        return data_frame({name: list(values) for name, values in self.columns.items()})

    def _repr_html_(self) -> str:
        # in a tag of its own, since SVG inside the page is taken out of notebooks that are not trusted yet
        data = base64.b64encode(self.svg().encode()).decode()
        css = f"width: 100%; max-width: {self.size[0] * 96:.0f}px; background: {LIGHT.surface}"
        return f'<img style="{css}" alt="{escape(self.alt)}" src="data:image/svg+xml;base64,{data}">'

    def _bytes(self, kind: str, *, dark: bool, style: Style, dpi: int = 150) -> bytes:
        theme, file = DARK if dark else LIGHT, io.BytesIO()
        about = {"Title": self.title, "CreationDate": None} if kind == "pdf" else {"Description": self.alt}
        with _settings(theme, style):
            figure = self._drawn(theme)
            use_fonts(figure)
            figure.savefig(file, format=kind, dpi=dpi, facecolor=theme.surface, metadata=about)
        return file.getvalue()

    def _drawn(self, theme: Theme) -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=self.size, layout="constrained")
        figure.patch.set_sketch_params(None)  # the edge of the page stays straight
        left = 0.06 / self.size[0]
        title = textwrap.fill(self.title, int(9.5 * self.size[0]))  # bold letters of 11 pt
        figure.suptitle(title, x=left, ha="left", fontsize=11, fontweight="bold", color=theme.text)
        self.draw(figure, theme)
        return figure


def _tidy(tag: str, used: set[str]) -> str:
    """A tag of matplotlib's SVG without the attributes of its root, and without identifiers that nothing refers to."""
    tag = re.sub(r'font-family: [^;"]*(; )?|text-anchor: start(; )?| transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r' (width|height)="[^"]*pt"', "", tag)
    # older versions of matplotlib (3.9) write weight, size and family in one
    tag = re.sub(r'font: (?:(\w+) )?([\d.]+px) [^;"]*', r"font-weight: \1; font-size: \2", tag).replace(
        "weight: ;", "weight: 400;"
    )
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", tag)


@contextmanager
def _settings(theme: Theme, style: str) -> Iterator[None]:
    """matplotlib's settings for one drawing, and what they were before after it."""
    if style not in STYLES:
        raise ArgumentError(f"style={style!r} is not known; choose from {', '.join(STYLES)}.")
    import logging

    from matplotlib import rc_context, rcParamsDefault

    settings: dict[str, Any] = {
        **{name: value for name, value in rcParamsDefault.items() if not name.startswith(NOT_DRAWING)},
        **{
            "font.size": 10,
            "font.family": ["sans-serif"],
            "svg.fonttype": "none",
            "svg.hashsalt": SALT,
            "text.parse_math": False,
        },
        **{"text.color": theme.text, "axes.labelcolor": theme.muted, "axes.edgecolor": theme.grid},
        **{"xtick.color": theme.muted, "ytick.color": theme.muted, "xtick.major.size": 0, "ytick.major.size": 0},
        **{"axes.facecolor": "none", "figure.facecolor": "none", "axes.grid": True, "grid.color": theme.grid},
        **{"grid.linewidth": 0.7, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False},
        **{"axes.spines.left": False, "lines.linewidth": 1.8, "image.interpolation": "none"},
        **{"axes.titlesize": 10, "axes.titlelocation": "left", "axes.titlecolor": theme.text},
        **{"figure.constrained_layout.w_pad": 0.06, "figure.constrained_layout.h_pad": 0.06},
        **{"legend.frameon": False, "legend.fontsize": 9, "xtick.labelsize": 9, "ytick.labelsize": 9},
    }
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    if style == "xkcd":  # as matplotlib's own pyplot.xkcd sets it
        families = ["xkcd", "xkcd Script", "Comic Neue", "Comic Sans MS", "DejaVu Sans"]
        settings |= {"font.family": families, "path.sketch": (1, 100, 2), "axes.linewidth": 1.5, "axes.grid": False}
        settings |= {"axes.spines.left": True, "axes.edgecolor": theme.text}
        fonts.setLevel(logging.ERROR)  # most of these fonts are missing, and it would warn of each
    try:
        with rc_context(settings):  # type: ignore[arg-type]  # its keys are typed as the words they may be
            yield
    finally:
        fonts.setLevel(level)
