"""`onnx_backbone()`: a network that the user has as an ONNX file, in a folder as model hubs lay it out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.decoding.loading import LARGEST, Preprocessing
from firstlight.errors import DataError, require
from firstlight.models.graphs.builder import OPSET
from firstlight.models.graphs.values import Value
from firstlight.models.pretrained.backbone import Backbone, Features
from firstlight.parsing import parsed

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

CONFIG = "preprocessor_config.json"
PLACES = ("model.onnx", "onnx/model.onnx")  # of the network, below the folder
OUTPUTS = ("image_embeds", "pooler_output", "last_hidden_state")  # whichever there is first, else the first output
MOST_BYTES = 2**31  # of a file; protobuf takes no more
PICKLED = (".pth", ".pt", ".bin", ".pkl", ".pickle", ".ckpt")
LEAST = 1e-6  # of a standard deviation
RESCALE = 1 / 255  # of a pixel, where the configuration does not say
EXPORT = "export it as ONNX, with optimum-cli export onnx for example"


@dataclass(frozen=True)
class _Normalizing:
    """How pixels become the network's input.

    Attributes:
        side: px of the square images.
        scale: (3,) by which a pixel of each channel is multiplied.
        shift: (3,) that is added then.
    """

    side: int
    scale: np.ndarray
    shift: np.ndarray


def onnx_backbone(path: Path) -> Backbone:
    """A backbone from an ONNX file and the preprocessor_config.json next to it, or from a folder that holds both.

    The network takes normalized images (N, 3, S, S) and gives embeddings (N, D), tokens (N, T, D), of which the first
    is taken, or maps (N, D, h, w), of which the mean is. The centred square of an image is resized to S with bilinear
    interpolation, whatever the configuration says of cropping. Nothing of the folder is run but the network's graph.

    Args:
        path: of the file or the folder.

    Raises:
        DataError: where it is no such network.
        MissingExtraError: where onnx is not installed.
    """
    file, folder = _file(path)
    how = _normalizing(folder / CONFIG)
    data = _bytes(file)
    model, output = _checked(data, file, how.side)

    def features(images: Value) -> Features:
        planes = images.to(np.float32) * how.scale.astype(np.float32) + how.shift.astype(np.float32)
        found, rank = images.graph.inline(model, planes.transpose(0, 3, 1, 2), output, "backbone.")
        maps = found if rank == 4 else None
        if rank == 3:
            found = found.take(images.graph.constant(0, np.int64), 1)
        embeddings = found.mean(2, 3) if rank == 4 else found
        return Features(embeddings.to(np.float16).to(np.float32), maps)

    made = Backbone(
        name=str(path),
        digest=hashlib.blake2b(data + (folder / CONFIG).read_bytes(), digest_size=16).hexdigest(),
        preprocessing=Preprocessing((how.side, how.side), "rgb", "crop"),
        dimensions=0,
        license=_license(folder),
        bytes=len(data),
        features=features,
    )
    return _measured(made, file)


def _measured(made: Backbone, file: Path) -> Backbone:
    """The backbone with the number of its dimensions, which a first image shows."""
    from dataclasses import replace

    try:
        found = made.batch(np.zeros((1, *made.shape), np.uint8))
    except DataError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions have no other common parent
        raise DataError(
            f"{file} cannot be run on images of {made.shape[0]} px ({type(error).__name__}); {CONFIG} has to name the "
            "size that the network takes."
        ) from error
    if found.ndim != 2 or not found.shape[1]:
        raise DataError(f"{file} gives {found.shape[1:]} for an image; a backbone gives a row of numbers, or maps.")
    return replace(made, dimensions=found.shape[1])


def _file(path: Path) -> tuple[Path, Path]:
    """The ONNX file and the folder of its configuration."""
    if path.suffix.lower() in PICKLED:
        raise DataError(f"{path} holds pickled weights, which can run code, and is not read; {EXPORT}.")
    if not path.is_dir():
        return path, path.parent if (path.parent / CONFIG).is_file() else path.parent.parent
    for place in PLACES:
        if (path / place).is_file():
            return path / place, path
    kinds = {one.suffix.lower() for one in path.iterdir()}
    if kinds & {".safetensors", *PICKLED}:
        raise DataError(f"{path} holds weights without the network's graph; {EXPORT}.")
    raise DataError(f"{path} has no {' or '.join(PLACES)}; pass a folder with a network as ONNX.")


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"{file} is larger than 2 GiB, which an ONNX file cannot be; pass another one.")
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error}); pass an ONNX file.") from error


def _checked(data: bytes, file: Path, side: int) -> tuple[ModelProto, str]:
    """The network in our version of the operators, and the name of the output that is used."""
    with require("photos", purpose="Pretrained rungs"):
        import onnx
        from onnx import version_converter
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise DataError(f"{file} is a pickle or an archive of one, which can run code, and is not read; {EXPORT}.")
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
        if _version(model) != OPSET:
            model = version_converter.convert_version(model, OPSET)
    except Exception as error:  # protobuf's and onnx's own
        raise DataError(
            f"{file} is no whole ONNX network that can be used ({type(error).__name__}); download or export it again."
        ) from error
    domains = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    if domains or model.functions:
        raise DataError(f"{file} uses operators of {', '.join(sorted(domains)) or 'its own'}; {EXPORT} without these.")
    if any(one.data_location == onnx.TensorProto.EXTERNAL for one in model.graph.initializer):
        raise DataError(f"{file} has its weights in another file; save them in one with onnx.save_model.")
    inputs = _inputs(model)
    if len(inputs) != 1:
        raise DataError(f"{file} takes {len(inputs)} inputs; a backbone takes one, the images.")
    shape = [one.dim_value for one in inputs[0].type.tensor_type.shape.dim]  # 0 where any size is taken
    if len(shape) != 4 or shape[1] not in (0, 3) or any(one not in (0, side) for one in shape[2:]):
        raise DataError(f"{file} takes {shape} and {CONFIG} names {side} px; a backbone takes (N, 3, S, S).")
    names = [one.name for one in model.graph.output]
    return model, next((name for name in OUTPUTS if name in names), names[0])


def _inputs(model: ModelProto) -> list[ValueInfoProto]:
    weights = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in weights]


def _version(model: ModelProto) -> int:
    return next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)


def _normalizing(path: Path) -> _Normalizing:
    """What preprocessor_config.json says, as Hugging Face writes it."""
    try:
        about = parsed(path.read_bytes())
        sizes = about.get("crop_size") or about["size"]
        side = next(iter(sizes.values())) if isinstance(sizes, Mapping) else sizes
        scale = float(about.get("rescale_factor", RESCALE)) if about.get("do_rescale", True) else 1.0
        mean, deviation = (np.zeros(3), np.ones(3))
        if about.get("do_normalize", True):
            mean, deviation = (np.array([float(one) for one in about[name]]) for name in ("image_mean", "image_std"))
        good = mean.shape == deviation.shape == (3,) and (deviation > LEAST).all() and 0 < scale < 1 / LEAST
        if not good or not isinstance(side, int) or not 1 <= side <= LARGEST:
            raise ValueError(f"size {side!r}, image_mean {mean.tolist()}, image_std {deviation.tolist()}")
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is missing; write one with the size, image_mean and image_std that the network was trained with."
        ) from error
    except (OSError, ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise DataError(
            f"{path} cannot be used ({type(error).__name__}: {str(error)[:100]}); it needs size, image_mean, image_std."
        ) from error
    return _Normalizing(side, scale / deviation, -mean / deviation)


def _license(folder: Path) -> str:
    """As the model card states it."""
    try:
        text = (folder / "README.md").read_text("utf-8", errors="replace")[:4000]
    except OSError:
        return "unknown"
    found: Any = re.search(r"^license:\s*([\w.-]{1,40})\s*$", text, re.M)
    return found[1] if found else "unknown"
