// Brings a drawing to the look of the training images: polarity, size, stroke and place. Pure functions on gray
// pictures {width, height, data}, 0 black to 255 white, row by row; no page is needed.

const CONTRAST = 24; // gray levels; ground and ink that differ by less are no drawing
const FINE = [160, 320]; // px, between which the longer side of the ink is worked on
const SAMPLES = 4; // by so many squared a pixel is covered or not
const ROUNDS = 8; // stroke and size depend on each other; after five both move by less than 1 %

/** What RGBA values look like in gray (ITU-R BT.601, as Pillow has it), on white where they are clear. */
export function gray({ width, height, data }) {
  const values = new Float32Array(width * height);
  for (let at = 0; at < values.length; at++) {
    const [red, green, blue, alpha] = data.subarray(4 * at, 4 * at + 4);
    values[at] = 255 + ((0.299 * red + 0.587 * green + 0.114 * blue - 255) * alpha) / 255;
  }
  return { width, height, data: values };
}

/**
 * The ink of a drawing on an even ground.
 *
 * @returns {{light: boolean, width, height, data: Float32Array, box} | null} how much of each pixel is ink, 0 to 1, and
 *   the box [top, bottom, left, right] around what is at least half ink; null where there is no drawing.
 */
export function findInk({ width, height, data }) {
  const border = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x += y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1)) border.push(data[y * width + x]);
  }
  border.sort((a, b) => a - b);
  const ground = border[border.length >> 1];
  let [lighter, darker] = [0, 0];
  for (const value of data) {
    if (value > ground) lighter += value - ground;
    else darker += ground - value;
  }
  const light = lighter > darker;
  const away = Float32Array.from(data, (value) => Math.max(0, light ? value - ground : ground - value));
  const cut = otsu(away);
  let [sum, count] = [0, 0];
  for (const value of away) if (value > cut) [sum, count] = [sum + value, count + 1];
  if (!count || sum / count < CONTRAST) return null;
  const full = sum / count;
  const ink = { width, height, data: away.map((value) => Math.min(1, value / full)) };
  const box = boxOf(ink);
  return box && { light, ...ink, box };
}

/** The value that parts two groups so that they differ most (Otsu 1979). */
function otsu(values) {
  const counts = new Float64Array(256);
  for (const value of values) counts[Math.min(255, Math.round(value))]++;
  const total = counts.reduce((sum, count, value) => sum + count * value, 0);
  let [below, sum, best, cut] = [0, 0, 0, 0];
  for (let value = 0; value < 255; value++) {
    below += counts[value];
    sum += counts[value] * value;
    const above = values.length - below;
    if (!below || !above) continue;
    const between = below * above * (sum / below - (total - sum) / above) ** 2;
    if (between > best) [best, cut] = [between, value + 0.5];
  }
  return cut;
}

function boxOf({ width, height, data }) {
  let [top, bottom, left, right] = [height, 0, width, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] < 0.5) continue;
      [top, bottom] = [Math.min(top, y), y + 1];
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
    }
  }
  return bottom > 0 ? [top, bottom, left, right] : null;
}

/** Twice the area over the contour's length, px: the width of the strokes, as models/exporting/look.py measures it. */
export function strokeOf({ width, height, data }) {
  const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : data[y * width + x]);
  let [area, contour] = [0, 0];
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) {
      const here = at(y, x);
      area += here;
      contour += Math.hypot(at(y + 1, x) - here, at(y, x + 1) - here);
    }
  }
  return contour ? (2 * area) / contour : 0;
}

/** The centre of mass, [y, x] in px; the middle of a pixel is at half. */
function massOf({ width, data }) {
  let [total, down, along] = [0, 0, 0];
  data.forEach((value, at) => {
    total += value;
    down += value * (Math.floor(at / width) + 0.5);
    along += value * ((at % width) + 0.5);
  });
  return [down / total, along / total];
}

/** The ink's box alone, with room around it, its longer side between FINE[0] and FINE[1]; true where there is ink. */
function cutOut(ink) {
  const [top, bottom, left, right] = ink.box;
  const longer = Math.max(bottom - top, right - left);
  const fine = Math.min(FINE[1], Math.max(FINE[0], longer));
  const zoom = fine / longer;
  const room = Math.ceil(fine / 4);
  const [height, width] = [bottom - top, right - left].map((side) => Math.ceil(side * zoom) + 2 * room);
  const value = (y, x) => (y < 0 || x < 0 || y >= ink.height || x >= ink.width ? 0 : ink.data[y * ink.width + x]);
  const inside = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const down = (y + 0.5 - room) / zoom + top - 0.5;
    const [y0, dy] = [Math.floor(down), down - Math.floor(down)];
    for (let x = 0; x < width; x++) {
      const along = (x + 0.5 - room) / zoom + left - 0.5;
      const [x0, dx] = [Math.floor(along), along - Math.floor(along)];
      const upper = value(y0, x0) * (1 - dx) + value(y0, x0 + 1) * dx;
      const lower = value(y0 + 1, x0) * (1 - dx) + value(y0 + 1, x0 + 1) * dx;
      inside[y * width + x] = upper * (1 - dy) + lower * dy >= 0.5 ? 1 : 0;
    }
  }
  return { height, width, inside, room, sides: [height - 2 * room, width - 2 * room] };
}

/** How far each pixel is from the ink's contour, px; below 0 inside of it. */
export function signedDistance({ width, height, inside }) {
  const [toInk, toGround] = [1, 0].map((wanted) => squaredDistance(width, height, (at) => inside[at] === wanted));
  return toInk.map((squared, at) => (inside[at] ? 0.5 - Math.sqrt(toGround[at]) : Math.sqrt(squared) - 0.5));
}

/** Squared distance to the nearest pixel that is meant, exact (Felzenszwalb and Huttenlocher 2012). */
function squaredDistance(width, height, meant) {
  const far = (width + height) ** 2;
  const grid = Float64Array.from({ length: width * height }, (_, at) => (meant(at) ? 0 : far));
  for (let x = 0; x < width; x++) lowerEnvelope(grid, x, width, height);
  for (let y = 0; y < height; y++) lowerEnvelope(grid, y * width, 1, width);
  return grid;
}

/** One line of it: the lowest of the parabolas that stand on the line's values. */
function lowerEnvelope(grid, start, step, length) {
  const values = Float64Array.from({ length }, (_, at) => grid[start + at * step]);
  const [feet, bounds] = [new Int32Array(length), new Float64Array(length + 1)];
  let last = 0;
  [bounds[0], bounds[1]] = [-Infinity, Infinity];
  for (let at = 1; at < length; at++) {
    let crossing;
    do {
      const foot = feet[last];
      crossing = (values[at] + at * at - values[foot] - foot * foot) / (2 * (at - foot));
    } while (crossing <= bounds[last] && --last >= 0);
    feet[++last] = at;
    [bounds[last], bounds[last + 1]] = [crossing, Infinity];
  }
  for (let at = 0, part = 0; at < length; at++) {
    while (bounds[part + 1] < at) part++;
    grid[start + at * step] = (at - feet[part]) ** 2 + values[feet[part]];
  }
}

/** The ink at another size, its contour moved outwards by `grow`, its box's middle at `middle`. */
function render(cut, distance, { height, width, scale, grow, middle }) {
  const data = new Float32Array(width * height);
  const softness = scale * SAMPLES;
  for (let y = 0; y < height * SAMPLES; y++) {
    const down = ((y + 0.5) / SAMPLES - middle[0]) / scale + cut.height / 2 - 0.5;
    const y0 = Math.floor(down);
    if (y0 < 0 || y0 + 1 >= cut.height) continue;
    for (let x = 0; x < width * SAMPLES; x++) {
      const along = ((x + 0.5) / SAMPLES - middle[1]) / scale + cut.width / 2 - 0.5;
      const x0 = Math.floor(along);
      if (x0 < 0 || x0 + 1 >= cut.width) continue;
      const [at, dy, dx] = [y0 * cut.width + x0, down - y0, along - x0];
      const upper = distance[at] * (1 - dx) + distance[at + 1] * dx;
      const lower = distance[at + cut.width] * (1 - dx) + distance[at + cut.width + 1] * dx;
      const covered = 0.5 - (upper * (1 - dy) + lower * dy - grow) * softness;
      const pixel = Math.floor(y / SAMPLES) * width + Math.floor(x / SAMPLES);
      data[pixel] += Math.min(1, Math.max(0, covered)) / SAMPLES ** 2;
    }
  }
  return { width, height, data };
}

/**
 * A drawing as if it were one of the training images.
 *
 * @param {{width, height, data}} picture gray.
 * @param {{light_on_dark: boolean, extent: number, centred: "mass" | "box", stroke: number}} look of the training images.
 * @param {[number, number]} size height and width of what the model takes.
 * @returns {{picture, changes: string[]} | null} null where there is no drawing on an even ground.
 */
export function alike(picture, look, [height, width]) {
  const ink = findInk(picture);
  if (!ink) return null;
  const cut = cutOut(ink);
  const distance = signedDistance(cut);
  const deepest = -distance.reduce((least, value) => Math.min(least, value), 0);
  const side = Math.max(height, width);
  const how = { height, width, scale: 1, grow: 0, middle: [height / 2, width / 2] };
  let drawn;
  for (let round = 0; round < ROUNDS; round++) {
    const [tall, wide] = cut.sides.map((length) => length + 2 * how.grow);
    how.scale = Math.min((look.extent * side) / Math.max(tall, wide), height / tall, width / wide);
    drawn = render(cut, distance, how);
    const missing = (look.stroke * side - strokeOf(drawn)) / (2 * how.scale);
    how.grow = Math.min(cut.room - 1, Math.max(-0.8 * deepest, how.grow + missing));
  }
  if (look.centred === "mass") {
    const mass = massOf(drawn);
    how.middle = how.middle.map((middle, axis) => {
      const length = [height, width][axis];
      const half = (how.scale * (cut.sides[axis] + 2 * how.grow)) / 2;
      return Math.min(length - half, Math.max(half, middle + length / 2 - mass[axis])); // inside the picture
    });
    drawn = render(cut, distance, how);
  }
  const data = drawn.data.map((value) => Math.round(255 * (look.light_on_dark ? value : 1 - value)));
  return { picture: { width, height, data }, changes: told(ink, drawn, look) };
}

/** What was changed, in words. */
function told(ink, drawn, look) {
  const [before, after] = [ink, { ...drawn, box: boxOf(drawn) ?? [0, 1, 0, 1] }].map((one) => {
    const side = Math.max(one.width, one.height);
    const [top, bottom, left, right] = one.box;
    const middle = look.centred === "mass" ? massOf(one) : [(top + bottom) / 2, (left + right) / 2];
    return {
      extent: Math.max(bottom - top, right - left) / side,
      stroke: strokeOf(one) / side,
      place: [middle[0] / one.height, middle[1] / one.width],
    };
  });
  const changes = [];
  if (ink.light !== look.light_on_dark) changes.push(`turned to ${look.light_on_dark ? "light on dark" : "dark on light"}`);
  const larger = times(after.extent / before.extent, "larger", "smaller");
  if (larger) changes.push(`made ${larger}`);
  const thicker = times(after.stroke / before.stroke, "thicker", "thinner");
  if (thicker) changes.push(`its strokes made ${thicker}`);
  const moved = Math.hypot(after.place[0] - before.place[0], after.place[1] - before.place[1]);
  if (moved > 0.02) changes.push(`centred by its ${look.centred === "mass" ? "weight" : "outline"}`);
  return changes;
}

function times(factor, more, less) {
  if (Math.abs(Math.log(factor)) < 0.07) return null;
  return factor > 1 ? `${factor.toFixed(1)} times ${more}` : `${(1 / factor).toFixed(1)} times ${less}`;
}
