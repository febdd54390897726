"""The command line: in a process of its own, or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("firstlight"))


def firstlight(*words: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a folder, as a shell would."""
    command = [COMMAND, *map(str, words)]
    settings = os.environ | {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"} | environment
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, encoding="utf-8")


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One sentence on standard error that holds the words, nothing on standard output, exit status 1."""
    assert (1, "") == (done.returncode, done.stdout), done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("firstlight: ")]
    assert 1 == len(lines), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]
