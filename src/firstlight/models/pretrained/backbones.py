"""`backbone()`: the pretrained network of a name: a packaged one, or the user's own as an ONNX file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from firstlight.data.decoding.loading import Preprocessing
from firstlight.errors import ArgumentError
from firstlight.models.pretrained.backbone import Backbone, EfficientNet
from firstlight.models.pretrained.efficientnet import LITE0, LITE2
from firstlight.models.pretrained.onnx_backbone import onnx_backbone
from firstlight.models.pretrained.packaged import PACKAGED, packaged_weights
from firstlight.wording import choose

ARCHITECTURES = {"efficientnet-lite0": LITE0, "efficientnet-lite2": LITE2}
DEFAULT = "efficientnet-lite0"


@cache
def backbone(name: str = DEFAULT) -> Backbone:
    """The backbone of a name.

    Args:
        name: ``"efficientnet-lite0"``, whose weights are a package of the extra ``photos``;
            ``"efficientnet-lite2"``, with a package of its own; or an ONNX file or folder, as `onnx_backbone` takes it.

    Raises:
        ArgumentError: where there is no such backbone.
        DataError: where its weights are not those that were published.
        MissingExtraError: where its package is not installed.
    """
    if name not in PACKAGED:
        path = Path(name)
        if path.exists():
            return onnx_backbone(path)
        if "/" in name and not name.startswith((".", "/")) and name.count("/") == 1:
            folder = name.split("/")[1]
            raise ArgumentError(
                f"There is no file or folder {name!r}; if it is a model of the Hugging Face hub with an ONNX file, "
                f"download it with: hf download {name} --local-dir {folder}, and pass {folder} (behind a proxy, set "
                "HTTPS_PROXY first)."
            )
        raise ArgumentError(f"There is no backbone {name!r}; {choose(name, PACKAGED)}, or pass an ONNX file or folder.")
    weights, architecture = packaged_weights(name), ARCHITECTURES[name]
    network = EfficientNet(architecture, weights.arrays)
    return Backbone(
        name=name,
        digest=weights.digest,
        preprocessing=Preprocessing((architecture.side, architecture.side), "rgb", "crop"),
        dimensions=len(weights.arrays["_bn1.weight"]),
        license=PACKAGED[name].license,
        bytes=sum(array.nbytes for array in weights.arrays.values()),
        features=network.features,
        network=network,
    )
