"""The options of the command line that come from the fields of `Recipe`."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from firstlight.models.training.accepted import Accepted, options_of
from firstlight.models.training.recipes import Recipe


def training_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command with ``**options`` an option for each of these fields of `Recipe`; default: all that have help.

    The command gets the options that were passed, and no others.
    """
    offered = {name: one for name, one in options_of(Recipe).items() if one.help and name in (names or (name,))}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        parameters = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        for name, one in offered.items():
            kind: Any = one.type if one.type in (bool, int, float) else str
            added = Annotated[kind | None, typer.Option(help=one.help)]
            parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=added))

        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            for name, one in offered.items():
                value = arguments.pop(name, None)
                if value is not None:
                    arguments[name] = _number_or_text(value, one.accepted)
            function(**arguments)

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def _number_or_text(value: Any, accepted: Accepted) -> Any:
    """Text that is not accepted as a number, if it is one; `Recipe` reports what is still not accepted."""
    if isinstance(value, str) and not accepted.test(value):
        with contextlib.suppress(ValueError):
            return float(value)
    return value
