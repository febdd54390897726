"""The command line: every verb of the library as a command, with `--json` for machines."""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """The entry point; what it needs is imported only inside, so that Ctrl-C ends it quietly from the first moment."""
    try:
        from firstlight.apps.entrance import enter

        status = enter()
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def __getattr__(name: str) -> Any:
    """``app``, with all commands, when it is first used."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from firstlight.apps.entrance import app

    return app
