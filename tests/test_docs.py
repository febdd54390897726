"""The documentation agrees with the code: Python that runs, commands and files that exist, the page of commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import firstlight as fl

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = "src/firstlight"
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
COMMANDS = (
    *("demo", "get", "scan", "split", "audit", "show", "fit", "climb"),
    *("compare", "explain", "report", "predict", "serve", "export", "cache"),
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def pages() -> str:
    """docs/commands.md as it should be."""
    text = "# Commands\n\nWhat `firstlight COMMAND --help` prints; `python tests/test_docs.py` writes this page.\n"
    for command in COMMANDS:
        words = [str(Path(sys.executable).with_name("firstlight")), command, "--help"]
        settings = os.environ | {"COLUMNS": "100", "PATH": ""}
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=settings)
        text += f"\n## firstlight {command}\n\n```text\n{done.stdout.strip()}\n```\n"
    return text


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_of_the_readme_runs(
    block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From top to bottom, on the digits; it prints an accuracy with its interval and the advice."""
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path))
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own page
    printed = capsys.readouterr().out
    assert re.search(r"accuracy 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]  n=\d+  majority share 0\.\d{3}", printed)
    assert re.search(r"Stop\s+at|is\s+the\s+(most\s+accurate|best\s+guess)", printed) and "with prior" in printed


def test_the_readme_has_python_and_commands() -> None:
    """The test above has something to run."""
    assert 1 == len(blocks("python"))
    assert 4 == len(blocks("console"))


@pytest.mark.parametrize("line", [line[2:] for block in blocks("console") for line in block.splitlines()])
def test_each_command_of_the_readme_is_one_that_stands(line: str) -> None:
    """The scripts are files, and the verbs are those of the command line."""
    words = line.partition("#")[0].split()
    if words[0].startswith("./"):
        assert (CHECKOUT / words[0]).is_file()
    elif words[0] == "firstlight":
        assert words[1] in COMMANDS
    else:
        assert words[0] in ("git", "pip")


def missing(text: str) -> list[str]:
    """The paths in code spans that are neither in the checkout nor in the package."""
    paths = [path for path in re.findall(r"`([\w./-]+)`", text) if "/" in path]
    return [path for path in paths if not any((home / path).exists() for home in (CHECKOUT, CHECKOUT / PACKAGE))]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/design.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    """A file that is renamed is renamed there too."""
    assert [] == missing((CHECKOUT / page).read_text(encoding="utf-8"))


def test_every_public_name_is_on_a_page_of_the_library() -> None:
    """And no page has one that is gone."""
    text = "".join(page.read_text(encoding="utf-8") for page in (CHECKOUT / "docs" / "library").glob("*.md"))
    names = set(fl.__all__) - {"__version__"}
    assert names == set(re.findall(r"^::: firstlight\.(\w+)$", text, flags=re.MULTILINE))
    assert names == names & set(re.findall(r"`(\w+)`", text))


def tree(text: str) -> list[str]:
    """The paths of an annotated file tree: two spaces are one level."""
    paths: list[str] = []
    levels: list[str] = []
    for line in text.splitlines():
        name = line.split()[0]
        level = (len(line) - len(line.lstrip())) // 2
        levels = [*levels[:level], name]
        paths.append("".join(levels))
    return paths


def test_the_tree_of_the_readme_is_that_of_the_checkout() -> None:
    """Each room that it names is there."""
    (block,) = (block for block in blocks("text") if block.startswith(PACKAGE))
    assert [] == [path for path in tree(block) if not (CHECKOUT / path).exists()]
    assert ["src/", "src/a/", "src/a/b.py", "docs/"] == tree("src/  x\n  a/\n    b.py  y z\ndocs/")


def test_a_file_that_is_not_there_is_found() -> None:
    """The guard sees a wrong path, and neither a name without a folder nor a command."""
    text = "`src/firstlight/gone.py`, `models/rungs.py`, `tests/conftest.py`, `report.html`, `./scripts/test --fast`"
    assert ["src/firstlight/gone.py"] == missing(text)


def test_the_citation_is_of_this_version() -> None:
    """pyproject.toml and CITATION.cff name the same one."""
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert f"\nversion: {version}\n" in (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_of_commands_is_what_help_prints() -> None:
    """A changed option changes the page."""
    assert pages() == (CHECKOUT / "docs" / "commands.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    (CHECKOUT / "docs" / "commands.md").write_text(pages(), encoding="utf-8")
