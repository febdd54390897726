// From an image, however it came, to the answer on the page.

import * as engine from "./engine.js";
import { camera } from "./camera.js";
import { sheet } from "./draw.js";
import { alike } from "./look.js";
import { bars, percent, pixels, reasons } from "./show.js";

const $ = (id) => document.getElementById(id);
const PHOTO = "Drop or paste a photo here, or choose one";
const WAIT = 120; // ms after a piece of a stroke

let about;
let ideal = null;
let latest = 0; // number of the question, so that a late answer to an earlier one is not shown
let current = null; // {blob, drawn}: the image, and whether it is a drawing
let timer;
let running = null; // the camera
const loaded = load();

function say(problem) {
  $("problem").hidden = !problem;
  $("problem").textContent = problem ?? "";
}

/** A canvas as a PNG file; at once, where `toBlob` waits for the browser to be idle, up to a second. */
function blobOf(canvas) {
  const text = atob(canvas.toDataURL("image/png").split(",")[1]);
  return new Blob([Uint8Array.from(text, (letter) => letter.charCodeAt(0))], { type: "image/png" });
}

/** A gray picture of any image file, at most 448 px. */
async function grayOf(blob) {
  const bitmap = await createImageBitmap(blob);
  const scale = Math.min(1, 448 / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // what is transparent counts as white
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  const gray = new Float32Array(width * height);
  for (let i = 0; i < gray.length; i++) gray[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
  return { canvas, picture: { width, height, data: gray } };
}

/** The image that is asked about: as it came, or brought to the training images' look; both are shown. */
async function prepared({ blob }) {
  $("before").hidden = $("after").hidden = true;
  $("changes").textContent = "";
  if (!about.look || !$("look").checked) return blob;
  const found = await grayOf(blob).catch(() => null);
  if (!found) return unchanged(blob, "This browser cannot read the file, so it was sent unchanged.");
  const { canvas, picture } = found;
  const brought = alike(picture, about.look, about.shape);
  if (!brought) return unchanged(blob, "No drawing was found in the image, so it was sent unchanged.");
  const before = $("before").querySelector("canvas");
  before.width = canvas.width;
  before.height = canvas.height;
  before.getContext("2d").drawImage(canvas, 0, 0);
  const after = $("after").querySelector("canvas");
  pixels(after, [brought.picture.height, brought.picture.width, 1], brought.picture.data);
  $("before").hidden = $("after").hidden = false;
  const { changes } = brought;
  $("changes").textContent = changes.length
    ? `Adjusted before the prediction: ${changes.join(", ")}.`
    : "It already looks like the training images.";
  return blobOf(after);
}

function unchanged(blob, sentence) {
  $("changes").textContent = sentence;
  return blob;
}

async function ask(image) {
  current = image;
  const number = (latest += 1);
  busy(true);
  say();
  await loaded; // an image may come before the model
  if (!about || number !== latest) return;
  try {
    const answer = await engine.predict(await prepared(image));
    if (number === latest) show(answer);
  } catch (error) {
    if (number === latest) {
      forget();
      say(error.message);
    }
  }
  if (number === latest) busy(false);
}

/** Whether an answer is on its way; screen readers wait for it. */
function busy(now) {
  $("answer").setAttribute("aria-busy", now);
}

function forget() {
  $("verdict").textContent = "No image yet.";
  $("bars").replaceChildren();
  $("outside").hidden = $("steps").hidden = $("why").hidden = $("all").hidden = true;
}

function show(answer) {
  const name = document.createElement("b");
  name.textContent = answer.label;
  $("verdict").replaceChildren("It looks like ", name, `, probability ${percent(answer.probability)}.`);
  $("outside").textContent = outside(answer);
  $("outside").hidden = !$("outside").textContent;
  bars($("bars"), $("all"), about.classes, answer.probabilities);
  const { shape, data } = answer.pixels;
  pixels($("seen").querySelector("canvas"), shape, data);
  $("size").textContent = `${shape[1]} x ${shape[0]} ${shape[2] === 1 ? "gray" : "RGB"} pixels`;
  $("steps").hidden = false;
  $("alike").hidden = !about.look;
  $("why").hidden = !answer.distances;
  if (!$("why").hidden) {
    const parts = { ideals: $("ideals"), because: $("because"), map: $("map"), legend: $("legend") };
    reasons(parts, about, ideal, answer);
  }
}

/** Why the image is out-of-distribution; empty where it is not. */
function outside({ probability, distances }) {
  const { probability: least, distance: furthest, share } = about.in_distribution;
  const often = `${(100 * share).toFixed(0)} in 100`;
  const said = [];
  if (probability < least) said.push(`its highest probability is ${percent(probability)}, and only ${often} evaluation images are below ${percent(least)}`);
  const nearest = distances && Math.min(...distances);
  if (distances && furthest !== null && nearest > furthest) {
    said.push(`the nearest mean image is at distance ${nearest.toFixed(3)}, and only ${often} evaluation images are beyond ${furthest.toFixed(3)}`);
  }
  return said.length ? `This image is out-of-distribution, so do not rely on the answer: ${said.join("; ")}.` : "";
}

const paper = sheet(
  $("paper"),
  () => Number($("pen").value) / 100,
  () => {
    $("undo").disabled = $("clear").disabled = paper.empty();
    $("hint").hidden = !paper.empty();
    preview(null);
    clearTimeout(timer);
    if (paper.empty()) {
      latest += 1;
      current = null;
      forget();
      say();
      busy(false);
      return;
    }
    busy(true);
    timer = setTimeout(() => {
      $("look").checked = $("look").checked || !current?.drawn;
      ask({ blob: blobOf(paper.picture()), drawn: true });
    }, WAIT);
  },
);

/** Of a model of photos the page offers file and camera first, and no sheet to draw on. */
function forPhotos() {
  document.body.classList.add("photos");
  $("drop").before($("ways"));
  $("pens").hidden = $("paper").hidden = true;
  $("choose").textContent = "Choose a photo";
  $("camera").textContent = "Take a photo";
  $("hint").textContent = PHOTO;
  $("drop").addEventListener("click", () => running || $("file").click());
}

/** Shows an image file in place of the sheet. */
function preview(blob) {
  URL.revokeObjectURL($("preview").src);
  $("preview").hidden = !blob;
  if (!blob) return $("preview").removeAttribute("src");
  $("preview").src = URL.createObjectURL(blob);
  $("hint").hidden = true;
  $("clear").disabled = false;
}

/** An image file that was chosen, dropped or pasted, or a photograph. */
function take(blob) {
  clearTimeout(timer);
  if (running) stop();
  paper.clear();
  preview(blob);
  $("look").checked = false; // a photo is taken as it is, unless one asks
  ask({ blob, drawn: false });
}

$("preview").addEventListener("error", () => {
  if (!$("preview").src) return;
  preview(null); // HEIC in most browsers, say; the model's pixels are shown below
  $("hint").textContent = "This browser cannot show the file";
  $("hint").hidden = false;
});
$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps its #token=
  $("answer").focus();
});
$("undo").addEventListener("click", paper.undo);
$("clear").addEventListener("click", paper.clear);
$("look").addEventListener("change", () => current && ask(current));
$("file").addEventListener("change", ({ target }) => {
  if (target.files.length) take(target.files[0]);
  target.value = "";
});
addEventListener("paste", ({ clipboardData }) => {
  const file = [...(clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  if (file) take(file);
  else say("The clipboard holds no image; copy an image, not its address or text.");
});
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) addEventListener(name, () => $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  else say("That is not a file; drop an image file.");
});

function run(started) {
  running = started;
  $("viewfinder").hidden = $("shutter").hidden = $("stop").hidden = !started;
  $("camera").hidden = Boolean(started);
}
function stop() {
  running?.stop();
  run(null);
}
$("camera").addEventListener("click", async () => {
  say();
  try {
    $("camera").disabled = true; // while one is asked for leave
    run(await camera($("viewfinder"), stop));
    $("shutter").focus();
  } catch (error) {
    say(error.message);
  } finally {
    $("camera").disabled = false;
  }
});
$("stop").addEventListener("click", () => {
  stop();
  $("camera").focus();
});
$("shutter").addEventListener("click", () => {
  take(blobOf(running.take()));
  $("camera").focus();
});
addEventListener("pagehide", () => running && stop());

/** A measured share; 357 of 357 are all, whatever their probabilities. */
function rate(share) {
  return share === 1 ? "100 %" : percent(share);
}

async function load() {
  try {
    about = await engine.model();
    if (!about.look && about.shape[2] === 3) forPhotos();
    const { accuracy, interval, n, split, chosen } = about.metrics;
    const [low, high] = interval;
    $("about").textContent =
      `${about.name}: accuracy ${rate(accuracy)} on ${n.toLocaleString("en")} ${split} images ` +
      `(95 % interval ${rate(low)} to ${rate(high)}), ${about.classes.length} classes.` +
      (chosen ? " It was chosen on these images, so expect slightly less on new ones." : "");
    $("privacy").textContent = engine.privacy;
    ideal = await engine.ideal();
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    $("about").textContent = "The model could not be loaded.";
    say(error.message);
  }
}
