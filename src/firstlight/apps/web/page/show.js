// What is shown of an answer: bars, pixels, ideal images and the signed map; nothing here asks the model.

const FEW = 5; // classes that are shown at once, of more than twice as many
const NEVER = 2; // the distance to a class without training images; the others are at most 1

function element(name, { text, className, ...attributes } = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export function percent(share) {
  if (share > 0.9995) return "> 99.9 %";
  return share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

/** A distance, with three digits at least. */
function digits(distance) {
  return Math.abs(distance) >= 0.01 || distance === 0 ? distance.toFixed(4) : distance.toPrecision(3);
}

/** Fills a canvas with h x w x c values of 0..255, a pixel each. */
export function pixels(canvas, [height, width, channels], data) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[i * channels + (channels === 1 ? 0 : c)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The classes by probability; the first ones, or all. */
export function bars(list, more, classes, probabilities) {
  const order = [...classes.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const few = order.length <= 2 * FEW ? order.length : FEW;
  const fill = () => {
    const wide = more.getAttribute("aria-expanded") === "true"; // stays so while one draws on
    more.textContent = wide ? `Show the first ${few}` : `Show all ${order.length} classes`;
    list.replaceChildren(
      ...order.slice(0, wide ? undefined : few).map((k) => {
        const row = element("li");
        const bar = element("span", { className: "bar", "aria-hidden": "true" });
        bar.style.setProperty("--share", probabilities[k]);
        const value = element("span", { className: "value", text: percent(probabilities[k]) });
        row.append(element("span", { className: "name", text: classes[k], title: classes[k] }), bar, value);
        return row;
      }),
    );
  };
  more.hidden = order.length <= few;
  more.onclick = () => {
    more.setAttribute("aria-expanded", more.getAttribute("aria-expanded") !== "true");
    fill();
  };
  fill();
}

/**
 * How much each value of the image supports class a rather than b: the values sum to the difference of their
 * distances (l1 and l2: mean over the pixels of 0..1; cosine: one minus the cosine).
 */
export function signed(name, image, a, b, [da, db]) {
  const count = image.length;
  if (name.includes("cosine")) {
    const length = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)) || 1;
    const [x, la, lb] = [length(image), length(a), length(b)];
    return Float64Array.from(image, (value, i) => (value / x) * (a[i] / la - b[i] / lb));
  }
  if (name.includes("l1")) {
    return Float64Array.from(image, (value, i) => (Math.abs(value - b[i]) - Math.abs(value - a[i])) / 255 / count);
  }
  const both = (da + db) * count * 255 ** 2 || 1;
  return Float64Array.from(image, (value, i) => ((value - b[i]) ** 2 - (value - a[i]) ** 2) / both);
}

/** The distances, nearest first; with mean images these as well, and the signed map of the nearest two. */
export function reasons(parts, about, ideal, { distances, pixels: seen }) {
  const there = [...about.classes.keys()].filter((k) => distances[k] < NEVER);
  const order = there.sort((a, b) => distances[a] - distances[b]);
  const [a, b] = order;
  parts.because.textContent =
    `${about.name} compares the image with ` +
    (ideal ? "the mean image of each class (the average of its training images)" : "several mean images of each class") +
    `. The nearest is ${about.classes[a]}, at distance ${digits(distances[a])}` +
    (b === undefined ? "." : `; ${about.classes[b]} is ${digits(distances[b] - distances[a])} farther away.`);
  parts.ideals.hidden = !ideal;
  parts.map.parentElement.hidden = !ideal || b === undefined;
  if (!ideal) return;
  const [, height, width, channels] = ideal.shape;
  const size = height * width * channels;
  const of = (k) => ideal.data.subarray(k * size, (k + 1) * size);
  parts.ideals.replaceChildren(
    ...order.slice(0, order.length <= 2 * FEW ? undefined : FEW).map((k, place) => {
      const canvas = element("canvas", { role: "img", "aria-label": `The mean image of ${about.classes[k]}` });
      pixels(canvas, [height, width, channels], of(k));
      const row = element("li", { className: place ? "" : "nearest" });
      row.append(canvas, element("span", { text: `${about.classes[k]}: ${digits(distances[k])}` }));
      return row;
    }),
  );
  if (b === undefined) return;
  const map = signed(about.name, seen.data, of(a), of(b), [distances[a], distances[b]]);
  drawMap(parts.map, map, [height, width, channels]);
  const [towards, against] = [about.classes[a], about.classes[b]];
  parts.map.setAttribute("aria-label", `Which pixels support ${towards} and which ${against}`);
  const sum = map.reduce((total, value) => total + value, 0);
  parts.legend.replaceChildren(
    element("span", { className: "swatch towards", "aria-hidden": "true" }),
    ` supports ${towards}, `,
    element("span", { className: "swatch against", "aria-hidden": "true" }),
    ` supports ${against}; a stronger color supports it more. All pixels add up to ${digits(sum)}, the difference of the two distances.`,
  );
}

function drawMap(canvas, map, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const [against, nothing, towards] = dark
    ? [[242, 161, 95], [35, 39, 46], [108, 192, 240]]
    : [[213, 94, 0], [244, 244, 242], [0, 114, 178]];
  const sums = Float64Array.from({ length: width * height }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += map[i * channels + c];
    return sum;
  });
  const most = sums.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
  const image = new ImageData(width, height);
  sums.forEach((value, i) => {
    const end = value > 0 ? towards : against;
    const share = Math.abs(value) / most;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = nothing[c] + share * (end[c] - nothing[c]);
    image.data[4 * i + 3] = 255;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
