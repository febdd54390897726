"""Every way in which a source file could turn data into running code."""

from __future__ import annotations

import ast

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
