"""The command line: every verb of the library as a command, with `--json` for machines."""

from firstlight.apps.command import app
from firstlight.apps.commands import data, learn, look, use

__all__ = ["app", "data", "learn", "look", "main", "use"]


def main() -> None:
    """The entry point."""
    app()
