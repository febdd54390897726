"""Nothing that Firstlight ships, writes or exports is a pickle, holds one, or turns text into code."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import pickletools
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import firstlight as fl
from firstlight.data.fetching.catalog import write_digits
from firstlight.models.exporting.folder import write_folder
from serving import runtime
from unsafe_loaders import ways_to_run_code

PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
NUMPY = b"\x93NUMPY"
# What turns text into code in a browser. `model.eval(` of other languages does not occur in these files.
IN_A_PAGE = re.compile(
    rb"\beval\s*\(|\bnew\s+Function\b|\bFunction\s*\(|set(Timeout|Interval)\s*\(\s*[\"'`]|document\.write|insertAdjacentHTML"
)
PAGE = {".js", ".html", ".mjs", ".svg"}


def pickles(data: bytes, name: str = "") -> Iterator[str]:
    """Every pickle in a file, in the archives in it, and in NumPy arrays of objects, as short descriptions."""
    if data.startswith(PROTOCOLS):
        yield f"{name}: pickle protocol {data[1]}"
    elif data.endswith(b".") and _is_old_pickle(data):
        yield f"{name}: pickle protocol 0 or 1"
    if data.startswith(NUMPY) and b"'descr': '|O'" in data[:1024]:
        yield f"{name}: NumPy array of objects"
    if data.startswith(b"\x1f\x8b"):
        yield from pickles(gzip.decompress(data), f"{name}/gzip")
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                if Path(member).name == "data.pkl" or member.endswith((".pkl", ".pickle")):
                    yield f"{name}/{member}: named as a pickle"
                yield from pickles(archive.read(member), f"{name}/{member}")
    if data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for one in archive:
                if (part := archive.extractfile(one)) is not None:
                    yield from pickles(part.read(), f"{name}/{one.name}")


def _is_old_pickle(data: bytes) -> bool:
    """Whether all of it reads as operations of a pickle; nothing is run."""
    try:
        operations = list(pickletools.genops(data))
    except (ValueError, IndexError, UnicodeDecodeError):
        return False
    return len(operations) > 1 and operations[-1][2] == len(data) - 1


def faults(root: Path) -> list[str]:
    """Every pickle, every way to load one and every way from text to code in the files of a folder."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        name, data = path.relative_to(root).as_posix(), path.read_bytes()
        found += pickles(data, name)
        if path.suffix == ".py":
            found += [f"{name}: {way}" for way in ways_to_run_code(data.decode())]
        if path.suffix in PAGE:
            found += [f"{name}: {one.group().decode()}" for one in IN_A_PAGE.finditer(data)]
        if path.suffix in (".md", ".html"):
            found += [f"{name}: names a loader" for _ in re.finditer(rb"torch\.load\(|pickle\.loads?\(", data)]
    return found


def test_the_installed_package_holds_and_loads_no_pickle() -> None:
    """Every file of it: modules, the page, the report's template."""
    root = Path(fl.__file__).parent
    kinds = {path.suffix for path in root.rglob("*")}
    assert {".py", ".js", ".html", ".css"} <= kinds
    assert [] == faults(root)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a closed-form rung and of a network, what it can be exported to, its report and its predictions."""
    home = tmp_path_factory.mktemp("no-pickle")
    write_digits(home / "data")
    made = home / "made"
    run = fl.climb(home / "data", rungs=["centroid-l2", "mlp"], effort="quick", epochs=2, out=made / "run")
    fl.report(run, made / "report.html")
    for rung in run:
        fl.export(run, made / f"{rung.name}.onnx", rung=rung.name)
        write_folder(run, made / rung.name, rung=rung.name)
        rung.predictions.to_parquet(made / f"{rung.name}.parquet")
    return made


@pytest.mark.slow
def test_a_run_folder_and_its_exports_are_no_pickles(home: Path, own_cache: Path) -> None:
    """Nor is anything in them, nor in the cache of decoded images."""
    fl.load(fl.scan(home.parent / "data"))
    files = [path for folder in (home, own_cache) for path in folder.rglob("*") if path.is_file()]
    suffixes = {path.suffix for path in files}
    assert {".json", ".safetensors", ".parquet", ".onnx", ".csv", ".html", ".md"} <= suffixes
    assert any(own_cache.rglob("*"))
    assert [] == faults(home) + faults(own_cache)
    assert set() == suffixes & {".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib"}


@pytest.mark.slow
def test_every_json_and_tensor_of_a_run_is_read_by_a_library_that_cannot_run_code(home: Path) -> None:
    """The files are what their names say: JSON, safetensors, Parquet."""
    import pyarrow.parquet as parquet
    from safetensors.numpy import load

    read = {".json": json.loads, ".safetensors": load, ".parquet": lambda data: parquet.read_table(io.BytesIO(data))}
    count = 0
    for path in home.rglob("*"):
        if path.suffix in read:
            read[path.suffix](path.read_bytes())
            count += 1
    assert count >= 12


@pytest.mark.slow
def test_the_static_page_holds_none(home: Path, tmp_path: Path) -> None:
    """The folder that a phone installs; the WebAssembly runtime, which is not ours, is looked at for pickles alone."""
    from firstlight.apps.web.folder import page_folder

    page_folder(home / "run", tmp_path / "page", rung="mlp", runtime=runtime())
    found = faults(tmp_path / "page")
    assert [] == [fault for fault in found if "pickle" in fault or not fault.startswith("ort")]


def planted() -> dict[str, bytes]:
    """A file of each kind that must be found; what would be loaded is harmless."""
    arrays, weights, zipped, tarred = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(arrays, a=np.array([{}, None], object))
    torch.save({"weight": torch.zeros(2)}, weights)
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("notes/data.pkl", b"anything")
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        member = tarfile.TarInfo("inner")
        member.size = len(pickle.dumps([1]))
        archive.addfile(member, io.BytesIO(pickle.dumps([1])))
    files = {f"protocol-{protocol}": pickle.dumps({"a": [1.5]}, protocol) for protocol in range(6)}
    return files | {
        "model.pt": weights.getvalue(),
        "arrays.npz": arrays.getvalue(),
        "renamed.safetensors": zipped.getvalue(),
        "archive.tar": tarred.getvalue(),
        "squeezed.gz": gzip.compress(pickle.dumps([1])),
        "loads.py": b"import numpy as np\nnp.load('x', allow_pickle=True)\n",
        "imports.py": b"def f():\n    import pickle\n",
        "runs.py": b"exec('x = 1')\n",
        "page.js": b"const answer = eval(text);",
        "late.js": b"setTimeout('alert(1)', 10);",
        "made.html": b"<script>new Function('a', 'return a')</script>",
        "README.md": b"model = torch.load('model.pt')",
    }


@pytest.mark.parametrize("name", planted())
def test_a_planted_file_is_found(tmp_path: Path, name: str) -> None:
    """Whatever it is called, and in whatever archive it lies."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_bytes(planted()[name])
    assert faults(tmp_path)
    assert all(fault.startswith(f"deep/{name}") for fault in faults(tmp_path))


@pytest.mark.slow
def test_a_fault_in_the_middle_of_a_run_folder_is_found(home: Path, tmp_path: Path) -> None:
    """One file replaced by a pickle among all the good ones."""
    import shutil

    shutil.copytree(home / "run", tmp_path / "run")
    victim = tmp_path / "run" / "rungs" / "mlp" / "model.safetensors"
    victim.write_bytes(pickle.dumps([1]))
    assert ["rungs/mlp/model.safetensors: pickle protocol 4"] == faults(tmp_path / "run")


@pytest.mark.parametrize(
    "data",
    [b"", b".", b"A sentence.", b"{}", b"0.5.", b"\x80", b"\x80\x06", b"(a sentence, and more).", b"\x93NUMPY '<f4'"],
)
def test_what_is_no_pickle_is_not_called_one(data: bytes) -> None:
    """Text, numbers, half a header, arrays of numbers."""
    assert [] == list(pickles(data))
