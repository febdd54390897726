"""The floor plan holds: who imports whom, what a fresh process has loaded, how long files are, what is public."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import firstlight
from firstlight.data.fetching.catalog import write_digits

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "src" / "firstlight"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = sorted(
    name
    for _, name, folder in pkgutil.walk_packages([str(PACKAGE)], "firstlight.")
    if not folder and name != "firstlight.estimators"
)
SLOW = (
    "torch",
    "sklearn",
    "scipy",
    "pandas",
    "matplotlib",
    "numba",
    "PIL",
    "requests",
    "pooch",
    "pi_heif",
    "onnx",
)


def with_examples() -> list[str]:
    """The modules whose docstrings have examples."""
    found = [file for file in FILES if re.search(r"^ *>>> ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)]
    return [
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for file in found
    ]


WITH_EXAMPLES = [name for name in with_examples() if name in ("firstlight", *MODULES)]
LONGEST = ("firstlight.reporting.report", "firstlight.models.exporting.export")  # a third of a second or more


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def planted(folder: Path, file: str, line: str) -> Path:
    """A copy of the package with one line added to one file."""
    shutil.copytree(PACKAGE, folder / "src" / "firstlight", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    target = folder / "src" / "firstlight" / file
    target.write_text(target.read_text() + f"\n{line}\n")
    return folder


def loaded(code: str, path: Path) -> set[str]:
    """The modules of SLOW that a fresh process has loaded after ``code``; each one there is a stand-in."""
    for name in SLOW:
        (path / f"{name}.py").write_text("")
    code += f"\nimport sys; print('|'.join(n for n in {SLOW!r} if n in sys.modules))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(filter(None, done.stdout.splitlines()[-1].split("|")))


def test_imports_only_go_down() -> None:
    """The one contract of the floor plan is kept."""
    done = lint_imports(CHECKOUT)
    assert "1 kept, 0 broken" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("data/splits.py", "import firstlight.evaluation.metrics"),
        ("evaluation/metrics.py", "import firstlight.models.closed_form.centroid"),
        ("errors.py", "import firstlight.atomic"),
    ],
)
def test_an_import_that_goes_up_or_sideways_is_found(tmp_path: Path, file: str, line: str) -> None:
    """The contract breaks as soon as one file imports from above or from a sibling."""
    done = lint_imports(planted(tmp_path, file, line))
    assert "0 kept, 1 broken" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_a_new_folder_has_to_be_given_a_floor(tmp_path: Path) -> None:
    """The contract is exhaustive: a room that it does not name breaks it."""
    folder = planted(tmp_path, "errors.py", "")
    (folder / "src" / "firstlight" / "attic.py").write_text('"""A room without a floor."""\n')
    assert "0 kept, 1 broken" in lint_imports(folder).stdout


EVERY_ROOM = "import " + ", ".join(
    name for name in MODULES if name.startswith(("firstlight.data.", "firstlight.evaluation."))
)
HELP = "import contextlib\nfrom firstlight.apps.cli import app\nwith contextlib.suppress(SystemExit): app(['--help'])"


@pytest.mark.parametrize("code", ["import firstlight", EVERY_ROOM, HELP], ids=["door", "rooms", "help"])
def test_a_fresh_process_loads_nothing_slow(tmp_path: Path, code: str) -> None:
    """The door, the rooms before and after the model, and --help load neither torch nor any optional package."""
    assert set() == loaded(code, tmp_path)


def test_help_loads_neither_numpy_nor_arrow() -> None:
    """They take most of the time that --help may take."""
    code = f"{HELP}\nimport sys; print([name for name in ('numpy', 'pyarrow') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_climb_loads_nothing_slow(tmp_path: Path, digits: str) -> None:
    """From folder to advice, the rungs without training load none of the packages that take long."""
    slow = ("torch", "sklearn", "scipy", "pandas", "numba", "matplotlib")
    code = (
        "import sys, firstlight as fl\n"
        f"tell = lambda: print([name for name in {slow!r} if name in sys.modules])\n"
        "rungs = ['prior', 'ink', 'centroid']\n"
        "fl.climb(sys.argv[1], rungs=rungs, out=sys.argv[2], "
        "progress=lambda step: isinstance(step.result, fl.Run) and tell())"
    )
    command = [sys.executable, "-c", code, digits, str(tmp_path / "run")]
    assert "[]\n" == subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_climb_with_its_evidence_loads_no_pandas(tmp_path: Path, digits: str) -> None:
    """The audit and the gathering at the end of a climb leave pandas alone, whose import costs time and memory."""
    code = (
        "import sys, firstlight as fl\n"
        "fl.climb(sys.argv[1], rungs=['prior', 'centroid'], out=sys.argv[2])\n"
        "print([name for name in ('torch', 'pandas', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, digits, str(tmp_path / "run")]
    assert "[]\n" == subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_watch_over_slow_imports_sees_them(tmp_path: Path) -> None:
    """A module that is loaded is named."""
    assert {"torch", "pandas"} == loaded("import torch, pandas", tmp_path)


def test_a_file_says_what_it_owns_and_stays_short() -> None:
    """Every file starts with a docstring of one line and has at most 400 lines; inner __init__.py are empty."""
    assert PACKAGE / "errors.py" in FILES
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        if file.name == "__init__.py" and file.parent != PACKAGE:
            assert "" == text, file
            continue
        assert text.startswith('"""') and text.splitlines()[0].endswith('."""'), file
        assert len(text.splitlines()) <= 400, file


@pytest.mark.parametrize("name", firstlight.__all__)
def test_a_public_name_can_be_fetched_and_explains_itself(name: str) -> None:
    """Every name of the door exists and its docstring has an example."""
    value = getattr(firstlight, name)
    if name != "__version__":
        assert ">>> " in (value.__doc__ or ""), f"{name} has no example"


def test_the_door_has_no_other_names() -> None:
    """A name that is not public is refused as Python refuses it."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = firstlight.nothing


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_digits(tmp_path_factory.mktemp("doctest") / "digits"))


def test_the_modules_without_an_example_can_be_imported() -> None:
    """The next test is about all others."""
    for name in sorted({"firstlight", *MODULES} - set(WITH_EXAMPLES)):
        importlib.import_module(name)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONGEST)) for name in WITH_EXAMPLES]
)
def test_examples_in_docstrings_run(name: str, digits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example prints what it says; ``digits`` is a folder of the ten handwritten digits."""
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    module = importlib.import_module(name)
    failures, count = doctest.testmod(module, extraglobs={"digits": digits}, optionflags=flags)
    assert 0 == failures and count


MOST_ARGUMENTS = {"climb": 8}  # one for each part of the story; the command line has them too


def test_no_function_takes_more_than_six_arguments() -> None:
    """At most six arguments everywhere but in the commands, whose options are a menu."""
    found = []
    for file in FILES:
        if file.parent.name == "commands":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = [one.arg for one in arguments if one.arg not in ("self", "cls")]
                if len(names) > MOST_ARGUMENTS.get(node.name, 7):
                    found.append(f"{file.relative_to(PACKAGE)}: {node.name}")
    assert [] == found


THREADED = {"read", "read_table", "read_csv", "open_csv", "read_json", "read_row_group", "read_row_groups", "to_table"}


def threaded_reads(source: str) -> list[int]:
    """The lines that read by Arrow with its own threads, in a file that imports a reader of Arrow's."""
    if "pyarrow" not in source:
        return []
    tree = ast.parse(source)
    names = [one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    if not {"pyarrow.parquet", "pyarrow.csv", "pyarrow.json", "pyarrow.dataset", "pyarrow.feather"} & set(names):
        return []
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return [
        call.lineno
        for call in calls
        if call.func.attr in THREADED  # type: ignore[attr-defined]
        and not any(one.arg == "use_threads" and ast.unparse(one.value) == "False" for one in call.keywords)
    ]


def test_arrow_reads_without_threads_of_its_own() -> None:
    """A reader's thread that outlives the interpreter ends it with status 134; so no file may start one."""
    found = {
        str(path): threaded_reads(path.read_text(encoding="utf-8"))
        for path in Path(firstlight.__file__).parent.rglob("*.py")
    }
    assert {} == {path: lines for path, lines in found.items() if lines}
    assert [2] == threaded_reads("import pyarrow.csv\npyarrow.csv.read_csv('x')")
    assert [] == threaded_reads("import pyarrow.parquet as p\np.read_table('x', use_threads=False)")
