"""How a command ends: what can be expected to fail, and what a machine may refuse, becomes one sentence."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from firstlight.apps.terminal import OutputError, remark
from firstlight.errors import FirstlightError

MEMORY = "there is not enough memory; close other programs, or pass fewer or smaller images (--size)."
# How the loader, PyTorch and ONNX Runtime say that there is no more memory.
NO_MEMORY = (
    "failed to map segment",
    "out of memory",
    "not enough memory",
    "allocate memory",
    "bad_alloc",
    "bad allocation",
)
THREAD = "can't start new thread"


@contextmanager
def ended() -> Iterator[None]:
    """Turns an expected failure inside the block into one sentence and exit status 1, Ctrl-C into 130.

    Raises:
        typer.Exit: with the exit status.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        again = shlex.join(["firstlight", *sys.argv[1:]])
        remark("", "Interrupted; nothing was lost. The same command continues:")
        print(again, file=sys.stderr)
        raise typer.Exit(130) from error
    except OutputError:
        raise
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        remark(f"firstlight: {said}")
        raise typer.Exit(1) from error


def sentence(error: BaseException) -> str | None:
    """What a person should read of a failure; None where it is our own mistake.

    Example:
        >>> sentence(PermissionError(13, "Permission denied", "photos/cat"))
        'photos/cat cannot be used: Permission denied.'
        >>> sentence(KeyError("cat"))
    """
    if isinstance(error, FirstlightError):
        return str(error)
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, OSError):
        return f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."
    root = _root(error)
    text = str(root).strip().rpartition("\n")[2]
    if isinstance(error, RuntimeError | ImportError) and any(one in text.lower() for one in NO_MEMORY):
        return MEMORY
    if isinstance(error, RuntimeError) and THREAD in text:
        return "the system starts no more threads; allow more processes or memory (see ulimit), or end other programs."
    if isinstance(error, ImportError) and not (error.name or "").startswith("firstlight"):
        return (
            f"a package that is needed cannot be loaded ({text}); allow more memory if it is limited, or install "
            "Firstlight again."
        )
    return None


def _root(error: BaseException) -> BaseException:
    """What an error was first raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
