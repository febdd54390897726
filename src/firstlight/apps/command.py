"""What makes a function a command of the one `app`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeVar

import typer

from firstlight.apps.ending import ended
from firstlight.apps.terminal import say

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    help="Audit a folder of images, get an honest baseline, climb to stronger models, and read where to stop.",
    epilog="Start with: firstlight demo",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Registers a command; its expected failures become one sentence and exit status 1, Ctrl-C becomes 130."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with ended():
                return function(*args, **kwargs)

        app.command(epilog=f"Example: {example}")(run)
        return run

    return register


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from firstlight import __version__

        say(f"firstlight {__version__}")
        raise typer.Exit
