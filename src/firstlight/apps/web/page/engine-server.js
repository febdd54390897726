// The engine that asks the server: every answer comes from POST /api/predict beside this page.

const token = new URLSearchParams(location.hash.slice(1)).get("token");
const headers = token ? { authorization: `Bearer ${token}` } : {};

export const privacy = "The image is sent to the computer that serves this page and is not stored there.";

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers, ...options.headers } });
  } catch {
    throw new Error("The server does not answer; check that it is still running.");
  }
  const document = await response.json().catch(() => null);
  if (!response.ok) throw new Error(document?.detail ?? `The server answered with status ${response.status}.`);
  return document;
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

let about;

/** The model's document. */
export async function model() {
  return (about ??= await ask("api/model"));
}

/** The numbers of all classes, in the model's order. */
async function ordered(numbers) {
  return numbers && Float32Array.from((await model()).classes, (name) => numbers[name]);
}

/** What an image file is: {label, probability, probabilities, distances, pixels}. */
export async function predict(blob) {
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const found = await ask("api/predict?pixels", { method: "POST", body: blob, headers: { "content-type": type } });
  const { label, probability, probabilities, distances, pixels } = found.predictions[0];
  return {
    label,
    probability,
    probabilities: await ordered(probabilities),
    distances: await ordered(distances),
    pixels: { shape: pixels.shape, data: bytes(pixels.data) },
  };
}

/** Each class's ideal image, {shape: [K, h, w, c], data}; null where the model has none. */
export async function ideal() {
  const about = await model();
  if (!about.outputs.includes("ideal")) return null;
  const found = await ask("api/ideal");
  return { shape: found.shape, data: new Float32Array(bytes(found.data).buffer) };
}
