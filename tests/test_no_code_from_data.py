"""The guard that no file can run code, which test_no_pickle applies to the whole package, sees each way to do so."""

from __future__ import annotations

import pytest

from unsafe_loaders import ways_to_run_code


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
