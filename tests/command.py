"""The command line as the tests call it: in this process, or in one of its own where that is what is tested."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner

COMMAND = str(Path(sys.executable).with_name("firstlight"))

Done = subprocess.CompletedProcess[str]


def firstlight(*words: object, folder: Path, **environment: str) -> Done:
    """Runs the command in a folder, in this process: the same words, output and exit status, without the imports."""
    from firstlight.apps.cli import app

    typed = [str(word) for word in words]
    with contextlib.chdir(folder), warnings.catch_warnings(), mock.patch.object(sys, "argv", ["firstlight", *typed]):
        warnings.simplefilter("error")
        result = CliRunner().invoke(app, typed, prog_name="firstlight", env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(typed, result.exit_code, result.stdout, result.stderr)


def in_a_process(*words: object, folder: Path, **environment: str) -> Done:
    """Runs the command in a folder, as a shell would."""
    settings = os.environ | {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"} | environment
    command = [COMMAND, *map(str, words)]
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, encoding="utf-8")


def refused(done: Done, *words: str) -> None:
    """One sentence on standard error that holds the words, nothing on standard output, exit status 1."""
    assert (1, "") == (done.returncode, done.stdout), done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("firstlight: ")]
    assert 1 == len(lines), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]
