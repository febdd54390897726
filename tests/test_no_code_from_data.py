"""No file that Firstlight reads or writes can run code: a walk over the source of the whole package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import firstlight

# Modules whose files run code when they are loaded, or which exist to run code.
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "joblib",
    "dill",
    "cloudpickle",
    "runpy",
    "code",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
# Loaders that unpickle or build objects, by the end of their dotted name.
LOADERS = {"yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "torch.load", "torch.save"}
LOADERS |= {"pandas.read_pickle", "pd.read_pickle"}
NUMPY_LOAD = {"np.load", "numpy.load"}


def ways_to_run_code(source: str) -> list[str]:
    """Every place in the source where loading data could run code, as short descriptions."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [f"import {name.name}" for name in node.names if name.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found += [f"import {module}"] * (module.split(".")[0] in MODULES)
            names = {f"{module.split('.')[0]}.{name.name}" for name in node.names}
            found += sorted(names & (LOADERS | NUMPY_LOAD | {f"builtins.{name}" for name in BUILTINS}))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called in BUILTINS or called.removeprefix("builtins.") in BUILTINS or called in LOADERS:
                found.append(called)
            if called in NUMPY_LOAD and keywords.get("allow_pickle") != "False":
                found.append(f"{called} without allow_pickle=False")
            elif keywords.get("allow_pickle", "False") != "False":
                found.append(f"{called} with allow_pickle")
            if called in {"import_module", "importlib.import_module"} and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and str(first.value).split(".")[0] in MODULES:
                    found.append(f"import {first.value}")
            if called.split(".")[-1] in {"njit", "jit", "vectorize", "guvectorize"} and "cache" in keywords:
                found.append(f"numba cache={keywords['cache']}")
    return found


def test_no_file_of_the_package_can_run_code_from_data() -> None:
    """The package imports no pickle and its kin, and calls nothing that turns data into code."""
    root = Path(firstlight.__file__).parent
    sources = sorted(root.rglob("*.py"))
    assert root / "runs" / "folder.py" in sources
    found = {
        (path.relative_to(root).as_posix(), way)
        for path in sources
        for way in ways_to_run_code(path.read_text(encoding="utf-8"))
    }
    assert set() == found


@pytest.mark.parametrize(
    ("source", "way"),
    [
        ("import pickle", "import pickle"),
        ("import os, marshal as m", "import marshal"),
        ("def f():\n    from joblib import load", "import joblib"),
        ("from dill.session import x", "import dill.session"),
        ("importlib.import_module('shelve')", "import shelve"),
        ("x = eval('1')", "eval"),
        ("builtins.exec(text)", "builtins.exec"),
        ("from builtins import eval as e", "builtins.eval"),
        ("compile(text, 'a', 'exec')", "compile"),
        ("__import__(name)", "__import__"),
        ("np.load(path)", "np.load without allow_pickle=False"),
        ("numpy.load(path, allow_pickle=True)", "numpy.load without allow_pickle=False"),
        ("from numpy import load", "numpy.load"),
        ("np.save(path, array, allow_pickle=wanted)", "np.save with allow_pickle"),
        ("torch.load(path, weights_only=True)", "torch.load"),
        ("from torch import load", "torch.load"),
        ("yaml.load(text)", "yaml.load"),
        ("pd.read_pickle(path)", "pd.read_pickle"),
        ("@numba.njit(cache=True)\ndef f(): pass", "numba cache=True"),
    ],
)
def test_the_guard_sees_each_way(source: str, way: str) -> None:
    """The guard finds every way that it is there to find."""
    assert [way] == ways_to_run_code(source)


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('a')",
        "np.load(path, allow_pickle=False)",
        "np.load(path, mmap_mode='r', allow_pickle=False)",
        "json.loads(text)\nmodel.eval()\nyaml.safe_load(text)",
        "# import pickle\nx = 'eval(1)'",
        "import_module(f'firstlight.{room}')",
    ],
)
def test_the_guard_lets_harmless_code_pass(source: str) -> None:
    """The guard finds nothing where nothing can run."""
    assert [] == ways_to_run_code(source)
