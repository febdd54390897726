"""Numbers and names as people read them: counts with their noun, lists, choices, durations, p-values."""

from __future__ import annotations

from collections.abc import Iterable

from firstlight.characters import visible


def plural(count: int, one: str, several: str = "") -> str:
    """A count with its noun, or with a noun and a verb.

    Args:
        count: how many.
        one: what follows a count of one.
        several: what follows every other count; if empty, ``one`` with an s.

    Example:
        >>> plural(1, "image"), plural(2000, "image"), plural(2, "class has", "classes have")
        ('1 image', '2,000 images', '2 classes have')
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def shortlist(names: Iterable[str], most: int = 3) -> str:
    """Names as a sentence has them, shortened where there are many.

    Example:
        >>> shortlist(["a", "b"]), shortlist(["a", "b", "c", "d", "e"])
        ('a and b', 'a, b, c and 2 more')
    """
    names = [shortened(visible(name)) for name in names]
    shown = names[:most] + ([f"{len(names) - most:,} more"] if len(names) > most else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def choose(name: object, known: Iterable[str]) -> str:
    """What to choose from instead of a name that is not known, and which of these was probably meant.

    Example:
        >>> choose("cnnn", ["linear", "cnn"]), choose("x", ["linear", "cnn"]), choose("x", [])
        ('choose from linear, cnn (did you mean cnn?)', 'choose from linear, cnn', 'choose from none')
    """
    from difflib import get_close_matches  # takes 5 ms to import, and is needed for errors only

    names = list(known)
    folded = {one.casefold().replace("_", "-"): one for one in names}
    close = get_close_matches(str(name).casefold().replace("_", "-"), folded, n=1)
    return f"choose from {', '.join(names) or 'none'}" + (f" (did you mean {folded[close[0]]}?)" if close else "")


def shortened(name: str, most: int = 80) -> str:
    """A name without its middle where it is very long.

    Example:
        >>> shortened("photos/a.png"), shortened("x" * 500 + ".png", 12)
        ('photos/a.png', 'xxxxx … .png')
    """
    return name if len(name) <= most else f"{name[: (most - 2) // 2]} … {name[-((most - 4) // 2) :]}"


def rough(seconds: float) -> str:
    """A measured duration to two digits, in the unit that suits it: more digits would be another pass's.

    Example:
        >>> rough(1.84e-6), rough(0.000231), rough(0.0123), rough(0.7491), rough(12.34), rough(1234)
        ('1.8 us', '230 us', '12 ms', '750 ms', '12 s', '21 min')
    """
    for unit, size, digits in (("min", 120.0, 60.0), ("s", 1.0, 1.0), ("ms", 1e-3, 1e-3), ("us", 0.0, 1e-6)):
        if float(f"{seconds:.2g}") >= size:
            return f"{float(f'{seconds / digits:.2g}'):,g} {unit}"
    return "0 us"


def p_value(p: float) -> str:
    """A p-value to three digits; to four where rounding would move it across 0.05.

    Example:
        >>> p_value(0.00001), p_value(0.345), p_value(0.0497)
        ('p < 0.001', 'p = 0.345', 'p = 0.0497')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if (p < 0.05) == (round(p, 3) < 0.05) else f"p = {p:.4f}"


def p_number(p: float) -> str:
    """A p-value in a column of a table.

    Example:
        >>> p_number(0.00001), p_number(0.345)
        ('<0.001', '0.345')
    """
    return p_value(p).removeprefix("p").replace(" ", "").removeprefix("=")


def signed(difference: float) -> str:
    """A difference with its sign, to three digits; with one more digit that is not 0 where it would look like none.

    Example:
        >>> signed(0.0123), signed(-0.00004), signed(0)
        ('+0.012', '-0.00004', '+0.000')
    """
    digits = next((digits for digits in range(3, 7) if round(difference, digits)), 3)
    return f"{difference + 0.0:+.{digits}f}"
