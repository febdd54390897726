// The engine that computes in the browser: model.onnx by onnxruntime-web, whose files lie beside this page.

import { InferenceSession, Tensor, env } from "./ort.wasm.bundle.min.mjs";

export const privacy = "The image stays on this device; the page works without a network after the first visit.";

env.wasm.numThreads = 1; // more would need headers that a plain folder does not send
env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };

const about = get("model.json").then((response) => response.json());
const session = get("model.onnx")
  .then((response) => response.arrayBuffer())
  .then((bytes) => InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] }));
session.catch(() => {}); // told by whoever asks

if ("serviceWorker" in navigator) navigator.serviceWorker.register("sw.js").catch(() => {}); // not over plain http

async function get(file) {
  const response = await fetch(new URL(file, import.meta.url)).catch(() => null);
  if (!response?.ok) throw new Error(`${file} could not be loaded; open the page once more with a network.`);
  return response;
}

/** uint8 (1, H, W, 3) of an image file: upright, its colours as they are stored, what is transparent over white. */
async function decoded(blob) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" };
  const bitmap = await createImageBitmap(blob, options).catch(() => {
    throw new Error("This is no image that the browser can read; choose a PNG, JPEG or WebP file.");
  });
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    values[j++] = data[i];
    values[j++] = data[i + 1];
    values[j++] = data[i + 2];
  }
  return new Tensor("uint8", values, [1, height, width, 3]);
}

/** The model's document. */
export async function model() {
  await session;
  return about;
}

/** What an image file is: {label, probability, probabilities, distances, pixels}. */
export async function predict(blob) {
  const found = await (await session).run({ images: await decoded(blob) });
  const label = Number(found.label.data[0]);
  const probabilities = found.probabilities.data;
  return {
    label: (await about).classes[label],
    probability: probabilities[label],
    probabilities,
    distances: found.distances?.data ?? null,
    pixels: { shape: found.pixels.dims.slice(1), data: found.pixels.data },
  };
}

/** Each class's ideal image, {shape: [K, h, w, c], data}; null where the model has none. */
export async function ideal() {
  if (!(await about).outputs.includes("ideal")) return null;
  const black = new Tensor("uint8", new Uint8Array(1), [1, 1, 1, 1]);
  const { ideal: found } = await (await session).run({ images: black }, ["ideal"]);
  return { shape: found.dims, data: found.data };
}
