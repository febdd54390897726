"""What is printed fits the terminal; through a pipe every line stays whole."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from command import firstlight
from firstlight.apps.ladder_table import LadderTable, comparison_lines
from firstlight.apps.terminal import width, wrapped
from firstlight.data.fetching.catalog import write_digits
from firstlight.ladder import climb
from firstlight.runs.results import Run
from firstlight.tabular import Column, TextTable, text_table
from firstlight.wording import p_number

WIDTHS = [60, 80, 100, 120]
MAIN = "from firstlight.apps.cli import main; main()"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_digits(tmp_path_factory.mktemp("data") / "digits"))


@pytest.fixture(scope="module")
def run(digits: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return climb(digits, rungs=["prior", "ink", "centroid"], out=tmp_path_factory.mktemp("runs") / "digits")


def printed(arguments: list[str], columns: int | None) -> subprocess.CompletedProcess[str]:
    settings = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    settings |= {} if columns is None else {"COLUMNS": str(columns)}
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_table_of_the_ladder_fits(run: Run, columns: int) -> None:
    """Rung, accuracy, interval and gain are there at any width, and no line is too long."""
    table = LadderTable(run.classes, columns)
    lines = [*table.head(run.rungs[0])[1:], *map(table.line, run)]
    assert all(len(line) <= columns for line in lines)
    best = run["centroid-cosine"]
    line = table.line(best, run["centroid-l2"]).split()
    about = run.to_dict()["rungs"][-1]
    low, high = about["interval"]
    assert ["centroid-cosine", f"{about['accuracy']:.3f}", f"{low:.3f}", f"{high:.3f}"] == line[:4]
    assert f"{about['against_previous']['difference']:+.3f}" == line[4]


def test_a_wider_terminal_shows_more_columns(run: Run) -> None:
    """The lowest recall at 62 columns, the time to fit at 72, the time of an image at 84 and through a pipe."""
    heads = {columns: LadderTable(run.classes, columns).table.head for columns in (50, 62, 72, 84, None)}
    assert "recall" not in heads[50]
    assert "lowest recall" in heads[62] and "fit" not in heads[62]
    assert "fit" in heads[72] and "per image" not in heads[72]
    assert "per image" in heads[84] and "per image" in heads[None]


def test_every_other_rung_is_compared_with_the_advised_one(run: Run) -> None:
    """Below the ladder each has its difference, its p and a verdict; the p is that of the run's pair."""
    lines = comparison_lines(run, 80)
    assert run.advice is not None
    found = {line.split()[0]: line for line in lines if line.split()[:1] != ["rung"] and "[" in line}
    assert set(found) == {rung.name for rung in run} - {run.advice.rung}
    for one in run.comparisons:
        if run.advice.rung in (one.name, one.against):
            other = one.name if one.against == run.advice.rung else one.against
            assert f"  {p_number(one.p)}" in found[other]
    assert all(len(line) <= 80 for line in found.values())


def test_few_classes_have_a_column_of_recall_each(run: Run) -> None:
    """Two classes are named in the head; with many the class of the lowest recall is named in its row."""
    assert ["cat", "dog"] == LadderTable(["cat", "dog"], 80).table.head.split()[4:6]
    recall = {name: part["correct"] / part["n"] for name, part in run["ink"].to_dict()["recall"].items()}
    lowest = min(recall, key=lambda name: recall[name])
    assert f"{recall[lowest]:.3f} ({lowest})" in LadderTable(run.classes, 80).line(run["ink"])


def test_the_least_important_column_is_dropped_first() -> None:
    """A column that does not fit makes room for a narrower one of a higher rank; rank 0 always stays."""
    columns = (Column("rung", 10), Column("a wide remark", rank=1), Column("n", 3, right=True, rank=2))
    assert "rung          n" == TextTable(columns, 16).head
    assert "rung" == TextTable(columns, 4).head
    assert "rung        a wide remark    n" == TextTable(columns).head
    assert ["p", "0.1"] == text_table([Column("p")], [["0.1"]])


def test_long_lines_are_wrapped_where_they_may_be() -> None:
    """At spaces, with the indent of the line; a path or a rung's name is never cut."""
    text = "Put each class into its own folder.\n  note: centroid-cosine is in /a/long/path/that-has-no-space/at-all"
    lines = wrapped(text, 40).splitlines()
    assert ["Put each class into its own folder.", "  note: centroid-cosine is in"] == lines[:2]
    assert ["  /a/long/path/that-has-no-space/at-all"] == lines[2:]
    assert text == wrapped(text, None)
    for columns in range(20, 60):  # an interval stays whole, and a number with its unit
        lines = wrapped("It reaches 0.955 [0.928, 0.972] on 357 images in 12.3 s.", columns).splitlines()
        assert any("[0.928, 0.972]" in line for line in lines) and any("12.3 s." in line for line in lines)


def test_a_pipe_has_no_width_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS counts for pipes too; nonsense in it does not."""
    assert width(io.StringIO()) is None
    for value, expected in (("72", 72), ("7", 40), ("0", None), ("wide", None)):
        monkeypatch.setenv("COLUMNS", value)
        assert expected == width(io.StringIO())


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80])
def test_the_commands_fit_the_terminal(run: Run, digits: str, tmp_path: Path, columns: int) -> None:
    """Tables, sentences, findings and hints; only a path may be longer than a line."""
    for arguments in (
        ["scan", digits],
        ["audit", digits],
        ["compare", str(run.path)],
        ["compare", str(run.path), "--by", "brightness"],
        ["explain", str(run.path), "--rung", "centroid-l1", "--count", "2"],
        ["fit", digits, "--out", f"{run.path}-fit-{columns}"],
        ["get"],
    ):
        done = firstlight(*arguments, folder=tmp_path, COLUMNS=str(columns))
        assert 0 == done.returncode
        for line in (done.stdout + done.stderr).splitlines():
            assert len(line) <= columns or " " not in line.strip(), (arguments, line)


@pytest.mark.slow
def test_a_pipe_has_whole_lines_and_no_colors(run: Run, digits: str) -> None:
    """One line for each sentence, the same at every call."""
    arguments = ["compare", str(run.path)]
    first, again = (printed(arguments, None).stdout for _ in range(2))
    assert first == again and "\x1b" not in first
    assert len(run) - 1 == sum(
        "centroid" in line or line.startswith(("prior", "ink")) for line in first.splitlines()[3:]
    )
    assert json.loads(printed([*arguments, "--json"], 60).stdout)["rows"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_real_terminal_is_measured(run: Run) -> None:
    """Without COLUMNS the width of the terminal itself counts."""
    import fcntl
    import pty
    import struct
    import termios

    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    settings = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-c", MAIN, "compare", str(run.path)]
    with subprocess.Popen(command, stdout=other, stderr=other, stdin=other, env=settings) as process:
        os.close(other)
        said = b""
        while True:
            try:
                part = os.read(main, 4096)
            except OSError:  # how Linux says that nobody writes any more
                break
            if not part:
                break
            said += part
    os.close(main)
    assert 0 == process.returncode
    lines = said.decode().splitlines()
    assert any("centroid-cosine" in line for line in lines)
    assert all(len(line) <= 60 for line in lines)
