"""The peer of `firstlight serve`: a Gradio Interface of an exported model, run by an interpreter that has Gradio."""

from __future__ import annotations

import json
import sys

import gradio as gr
import numpy as np
import onnxruntime
from PIL import Image

FILE, PORT = sys.argv[1], int(sys.argv[2])
session = onnxruntime.InferenceSession(FILE, providers=["CPUExecutionProvider"])
classes = json.loads(session.get_modelmeta().custom_metadata_map["firstlight"])["classes"]


def predict(picture: Image.Image) -> dict[str, float]:
    """The probability of each class."""
    image = np.asarray(picture.convert("L"))[None, :, :, None]
    return dict(zip(classes, map(float, session.run(["probabilities"], {"images": image})[0][0]), strict=True))


interface = gr.Interface(predict, gr.Image(type="pil", image_mode="L"), gr.Label(), api_name="predict")
interface.queue(default_concurrency_limit=None, max_size=None)  # by default one request at a time is computed
interface.launch(server_name="127.0.0.1", server_port=PORT, quiet=True, show_error=True)
