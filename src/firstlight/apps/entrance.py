"""From the words that were typed to a command's exit status: the streams, usage errors, the last flush."""

from __future__ import annotations

import sys
from typing import Any

from firstlight.apps.command import app
from firstlight.apps.commands import data, learn, look, use
from firstlight.apps.ending import sentence
from firstlight.apps.terminal import OutputError, escape_output, remark

__all__ = ["app", "data", "enter", "learn", "look", "use"]


def enter() -> int:
    """Runs the command that was typed; returns its exit status."""
    escape_output()
    status = _status()
    sys.stdout.flush()
    failed = getattr(sys.stdout, "failed", None)
    if failed is None:
        return status
    if str(failed):
        remark(f"firstlight: {failed}")
    return 1


def _status() -> int:
    try:
        status = app(standalone_mode=False)
    except OutputError:
        return 1
    except Exception as error:
        if hasattr(error, "format_message"):
            return _misused(error)
        if (said := sentence(error)) is None:
            raise
        remark(f"firstlight: {said}")
        return 1
    return status if isinstance(status, int) else 0


def _misused(error: Any) -> int:
    """Prints what is wrong with the words, as Typer says it, wrapped to the terminal; returns 2."""
    context, message = getattr(error, "ctx", None), error.format_message()
    if context is not None and "\n" not in message:  # else it is the help itself
        remark(*context.get_usage().split("\n"), f"Try '{context.command_path} --help' for help.", "")
        message = f"Error: {message}"
    remark(*message.split("\n"))
    return int(getattr(error, "exit_code", 2))
