"""The values that an option accepts, declared in its annotation: `name: Annotated[type, accepted, help] = default`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, get_type_hints

from firstlight.errors import ArgumentError


@dataclass(frozen=True)
class Accepted:
    """The values that an option accepts; ``one | other`` accepts those of both.

    Attributes:
        test: whether a value is one of them.
        alternatives: what they are, in words.

    Example:
        >>> rate = number(0, 1, inclusive="left") | choice("auto")
        >>> rate.words, rate.test("auto"), rate.test(1)
        ('a number from 0 to below 1 or auto', True, False)
    """

    test: Callable[[Any], bool]
    alternatives: tuple[str, ...]

    @property
    def words(self) -> str:
        """The alternatives as an enumeration."""
        *others, last = self.alternatives
        return f"{', '.join(others)} or {last}" if others else last

    def __or__(self, other: Accepted) -> Accepted:
        alternatives = (*self.alternatives, *other.alternatives)
        return Accepted(lambda value: self.test(value) or other.test(value), alternatives)


def whole(least: int) -> Accepted:
    """Whole numbers from ``least``, NumPy's among them."""

    def test(value: Any) -> bool:
        return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least

    return Accepted(test, (f"a whole number from {least}",))


def number(low: float, high: float, *, inclusive: Literal["both", "left", "neither"]) -> Accepted:
    """Numbers between two bounds, NumPy's among them; ``inclusive`` says which of the bounds are accepted."""

    def test(value: Any) -> bool:
        if not isinstance(value, Real) or isinstance(value, bool):
            return False
        found = float(value)  # NaN fails every comparison
        return (low < found if inclusive == "neither" else low <= found) and (
            found <= high if inclusive == "both" else found < high
        )

    words = {
        "both": f"from {low:g} to {high:g}",
        "left": f"from {low:g} to below {high:g}",
        "neither": f"above {low:g}" + (f" and below {high:g}" if high < math.inf else ""),
    }
    return Accepted(test, (f"a number {words[inclusive]}",))


def choice(*names: str) -> Accepted:
    """One of these names."""
    return Accepted(lambda value: isinstance(value, str) and value in names, names)


def of_type(kind: type, *words: str) -> Accepted:
    """Values of a type; ``bool`` accepts True and False, but not 1 and 0."""
    return Accepted(lambda value: isinstance(value, kind), words)


@dataclass(frozen=True)
class Option:
    """A field of a dataclass of options.

    Attributes:
        type: of its values.
        accepted: which of these it accepts.
        help: its line in ``--help``; empty where the command line does not offer it.
    """

    type: Any
    accepted: Accepted
    help: str = ""


@cache
def options_of(kind: Any) -> Mapping[str, Option]:
    """The fields of a dataclass of options by name.

    Example:
        >>> from firstlight.models.training.recipes import Recipe
        >>> epochs = options_of(Recipe)["epochs"]
        >>> epochs.type, epochs.accepted.words, epochs.help
        (<class 'int'>, 'a whole number from 1', 'Number of epochs.')
    """
    hints = get_type_hints(kind, include_extras=True)
    return {name: Option(hint.__origin__, *hint.__metadata__) for name, hint in hints.items()}


def check(options: Any) -> None:
    """Compares the value of every field of a dataclass of options with what it accepts.

    Numbers of NumPy's and fractions become Python's, as files can hold them.

    Raises:
        ArgumentError: at the first value that is not accepted; the sentence has its name, the value and what is.
    """
    kind: Any = type(options)
    for name, option in options_of(kind).items():
        value = getattr(options, name)
        if not option.accepted.test(value):
            raise ArgumentError(f"{name}={value!r} cannot be used; pass {option.accepted.words}.")
        if isinstance(value, Real) and not isinstance(value, bool):
            object.__setattr__(options, name, int(value) if isinstance(value, Integral) else float(value))
