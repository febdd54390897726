// A thread of the static page: decodes images and runs model.onnx by onnxruntime-web, whose files lie beside it.

import { InferenceSession, Tensor, env } from "./ort.wasm.bundle.min.mjs";
import { resizer } from "./resize.js";

const ROWS = 256; // read at once, since phones have canvases of 16 megapixels only and images of 48
const PIXELS = 89_478_485; // as many as Python takes

env.wasm.numThreads = 1; // more would need headers that a plain folder does not send
env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };

const about = get("model.json").then((response) => response.json());
const session = get("model.onnx")
  .then((response) => response.arrayBuffer())
  .then((bytes) =>
    InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] }).catch(() => {
      throw new Error("The model could not be started; reload the page with a network, or use a newer browser.");
    }),
  );
for (const one of [about, session]) one.catch(() => {}); // told to whoever asks

async function get(file) {
  const response = await fetch(new URL(file, import.meta.url)).catch(() => null);
  if (!response?.ok) throw new Error(`${file} could not be loaded; connect to a network and reload the page.`);
  return response;
}

/** The model's pixels, uint8 (1, h, w, c), of an image file: upright, its colors as stored, over white where transparent. */
async function decoded(blob) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" };
  const bitmap = await createImageBitmap(blob, options).catch(() => {
    throw new Error("The browser cannot read this file as an image; choose a PNG, JPEG or WebP file.");
  });
  const { width, height } = bitmap;
  if (width * height > PIXELS) {
    bitmap.close();
    throw new Error(`The image has too many pixels (${width} x ${height}); choose a smaller one.`);
  }
  const { preprocessing, shape } = await about;
  const rows = Math.min(height, ROWS);
  const context = new OffscreenCanvas(width, rows).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  const image = resizer(width, height, preprocessing);
  for (let top = 0; top < height; top += rows) {
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    image.take(context.getImageData(0, 0, width, Math.min(rows, height - top)).data);
  }
  bitmap.close();
  return new Tensor("uint8", image.done(), [1, ...shape]);
}

async function run(images) {
  const ready = await session;
  return ready.run({ images }).catch(() => {
    throw new Error("The image is too large for this device; choose a smaller one.");
  });
}

const answers = {
  async model() {
    await session;
    return about;
  },
  async predict(blob) {
    const found = await run(await decoded(blob));
    const label = Number(found.label.data[0]);
    const probabilities = found.probabilities.data;
    return {
      label: (await about).classes[label],
      probability: probabilities[label],
      probabilities,
      distances: found.distances?.data ?? null,
      pixels: { shape: found.pixels.dims.slice(1), data: found.pixels.data },
    };
  },
  async ideal() {
    if (!(await about).outputs.includes("ideal")) return null;
    const black = new Tensor("uint8", new Uint8Array(1), [1, 1, 1, 1]);
    const { ideal: found } = await run(black);
    return { shape: found.dims, data: found.data };
  },
};

let turn = Promise.resolve(); // the runtime takes one image at a time
addEventListener("message", ({ data: { number, what, blob } }) => {
  turn = turn
    .then(() => answers[what](blob))
    .then((value) => postMessage({ number, value }))
    .catch((error) => postMessage({ number, problem: error.message || String(error) }));
});
