"""`Backbone`: a pretrained network that turns images into embeddings, run by ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from firstlight.data.decoding.loading import Preprocessing
from firstlight.data.decoding.threads import cores, in_order, spans
from firstlight.errors import DataError, require
from firstlight.models.graphs.builder import GraphBuilder
from firstlight.models.graphs.values import Value
from firstlight.models.pretrained import efficientnet
from firstlight.models.pretrained.packaged import digest_of

if TYPE_CHECKING:
    from onnx import ModelProto

VERSION = 1  # counted up whenever the same images and weights would give other embeddings
AT_ONCE = 8  # images of a batch: more take longer each (docs/log.md)
OVERSIZED = 2  # times the size that a backbone takes
PERMISSIVE = ("apache", "mit", "bsd")


class Features(NamedTuple):
    """What a backbone makes of images, as values of an ONNX graph.

    Attributes:
        embeddings: float32 (N, D), rounded to float16.
        maps: float32 (N, D, h, w), whose mean over the positions is the embedding; None where there are no such maps.
    """

    embeddings: Value
    maps: Value | None


@dataclass(frozen=True, eq=False)
class EfficientNet:
    """An EfficientNet-Lite with its weights.

    Attributes:
        architecture: of the variant.
        weights: float16, by name.
    """

    architecture: efficientnet.Architecture
    weights: Mapping[str, np.ndarray]

    def features(self, images: Value) -> Features:
        """Its last maps and their mean."""
        maps = efficientnet.graph(images, self.weights, self.architecture)
        return Features(maps.mean(2, 3).to(np.float16).to(np.float32), maps)


@dataclass(frozen=True, eq=False)
class Backbone:
    """A pretrained network without its last layer.

    Attributes:
        name: as `firstlight.models.pretrained.backbones.backbone` takes it.
        digest: of its weights, in hexadecimal.
        preprocessing: what an image goes through first.
        dimensions: D, the number of values of an embedding.
        license: of the weights.
        bytes: of the weights.
        features: adds its layers to an ONNX graph: uint8 (N, S, S, 3) -> `Features`.
        network: its architecture and weights, where it can be fine-tuned; else None.
        lasting: whether its embeddings are saved: not those of weights that one run has fine-tuned.
    """

    name: str
    digest: str
    preprocessing: Preprocessing
    dimensions: int
    license: str
    bytes: int
    features: Callable[[Value], Features]
    network: EfficientNet | None = None
    lasting: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images that it takes."""
        return (*self.preprocessing.size, 3)

    @property
    def least(self) -> int:
        """px that both sides of a photo keep where a large JPEG is decoded at a part of its size (docs/log.md)."""
        return OVERSIZED * max(self.preprocessing.size)

    @property
    def key(self) -> str:
        """Names its embeddings: two backbones with the same key give the same ones."""
        return f"{re.sub(r'[^A-Za-z0-9-]', '_', Path(self.name).name)}-{self.digest[:16]}-{VERSION}"

    def embed(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, S, S, 3) -> float16 (N, D); each image's is the same, to the bit, whatever the batch."""
        over = spans(len(images), AT_ONCE)
        parts = in_order(lambda span: self.batch(images[span.start : span.stop]), over, cores())
        return np.concatenate([*parts, np.zeros((0, self.dimensions), np.float16)])

    def batch(self, images: np.ndarray) -> np.ndarray:
        """The same for a few images, in the calling thread."""
        found = self._run("embeddings", images)
        if not np.isfinite(found).all():
            raise DataError(f"The network {self.name} gives numbers that are not finite; take another one.")
        return found

    def maps(self, images: np.ndarray) -> np.ndarray | None:
        """uint8 (N, S, S, 3) -> float32 (N, D, h, w), the maps whose mean is the embedding; None without such maps."""
        if "maps" not in {one.name for one in self._session.get_outputs()}:
            return None
        return np.concatenate([self._run("maps", image[None]) for image in images])

    def middle(self, images: np.ndarray) -> np.ndarray:
        """Of a few images the maps before what is fine-tuned: uint8 (N, S, S, 3) -> float16 (N, s, s, C)."""
        maps: np.ndarray = self._middle_session.run(["maps"], {"images": images})[0]
        return maps

    def _run(self, output: str, images: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._session.run([output], {"images": images})[0]
        return found

    @cached_property
    def _session(self) -> Any:
        """One for all threads, each of which works on a batch of its own."""
        return _session(self._model())

    @cached_property
    def _middle_session(self) -> Any:
        assert self.network is not None
        graph = GraphBuilder()
        images = graph.input("images", np.uint8, ["N", *self.shape])
        maps = efficientnet.middle(images, self.network.weights, self.network.architecture)
        graph.output("maps", maps.transpose(0, 2, 3, 1).to(np.float16), ["N", "h", "w", "C"])
        return _session(graph.model("middle"))

    def _model(self) -> ModelProto:
        graph = GraphBuilder()
        found = self.features(graph.input("images", np.uint8, ["N", *self.shape]))
        graph.output("embeddings", found.embeddings.to(np.float16), ["N", self.dimensions])
        if found.maps is not None:
            graph.output("maps", found.maps, ["N", self.dimensions, "h", "w"])
        return graph.model("backbone")


def described(found: Backbone | None) -> str:
    """The sentence on a backbone: its size and its license; empty for None."""
    if found is None:
        return ""
    permissive = found.license.lower().startswith(PERMISSIVE)
    caution = "" if permissive else "; read whether it permits your use"
    seen = f"it sees the centred square of each photo in color, at {found.preprocessing.size[0]} px"
    return f"Pretrained network {found.name}, {found.bytes / 1e6:.1f} MB, license {found.license}{caution}; {seen}."


def _session(model: ModelProto) -> Any:
    with require("photos", purpose="Pretrained rungs"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # nothing but what ends the process: errors are raised
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def tuned(base: Backbone, changed: Mapping[str, np.ndarray]) -> Backbone:
    """A backbone with some of its weights replaced.

    Args:
        base: an EfficientNet.
        changed: float16 arrays by name, of the shapes that the base has.
    """
    assert base.network is not None
    network = EfficientNet(base.network.architecture, {**base.network.weights, **changed})
    return replace(base, digest=digest_of(network.weights), features=network.features, network=network, lasting=False)
