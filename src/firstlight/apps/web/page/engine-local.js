// The engine that computes in the browser: asks engine-worker.js, a thread of its own, so that the page stays quick.

export const privacy = "The image stays on this device; the page works without a network after the first visit.";

const waiting = new Map(); // number of a question -> {resolve, reject}
let last = 0;
let broken = null;
const worker = new Worker(new URL("engine-worker.js", import.meta.url), { type: "module" });

worker.addEventListener("message", ({ data: { number, value, problem } }) => {
  const { resolve, reject } = waiting.get(number);
  waiting.delete(number);
  if (problem) reject(new Error(problem));
  else resolve(value);
});
worker.addEventListener("error", () => {
  broken = new Error("The page did not load completely, or this browser is too old; connect to a network and reload it.");
  for (const { reject } of waiting.values()) reject(broken);
  waiting.clear();
});

function ask(what, blob) {
  return new Promise((resolve, reject) => {
    if (broken) return reject(broken);
    waiting.set((last += 1), { resolve, reject });
    worker.postMessage({ number: last, what, blob });
  });
}

/** Lets the service worker keep every file; they were loaded just now, so that few come over the network again. */
function keep() {
  const options = { updateViaCache: "none" };
  navigator.serviceWorker?.register(new URL("sw.js", import.meta.url), options).catch(() => {}); // not over plain http
}

/** The model's document. */
export async function model() {
  const about = await ask("model");
  keep();
  return about;
}

/** What an image file is: {label, probability, probabilities, distances, pixels}. */
export async function predict(blob) {
  return ask("predict", blob);
}

/** Each class's ideal image, {shape: [K, h, w, c], data}; null where the model has none. */
export async function ideal() {
  return ask("ideal");
}
