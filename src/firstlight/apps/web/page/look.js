// A drawing brought to the look of the training images: polarity, size, stroke and centre. Pure functions on gray
// pictures {width, height, data: Float32Array 0..255}.

const FINE = 6; // the picture is worked on at up to so many times the model's size
const ROUNDS = 3; // of measuring and mending, since size and stroke depend on each other
const MOST = 192; // px of its longer side then, so that a phone is quick enough

function median(values) {
  const sorted = Float32Array.from(values).sort();
  return sorted[sorted.length >> 1];
}

/** The gray levels at the edge. */
function border({ width, height, data }) {
  const values = [];
  for (let x = 0; x < width; x++) values.push(data[x], data[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) values.push(data[y * width], data[y * width + width - 1]);
  return values;
}

/** Ink as a picture of 0..1, and whether it was lighter than the ground. */
export function inkOf(picture) {
  const ground = median(border(picture));
  let lighter = 0;
  let darker = 0;
  for (const value of picture.data) {
    if (value > ground) lighter = Math.max(lighter, value - ground);
    else darker = Math.max(darker, ground - value);
  }
  const light = lighter > darker;
  const most = Math.max(lighter, darker, 1);
  const data = picture.data.map((value) => Math.max(0, light ? value - ground : ground - value) / most);
  return { ink: { ...picture, data }, light, strength: most };
}

/** The box of what has half of the ink: {left, top, right, bottom}, or null. */
export function box({ width, height, data }) {
  const found = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] < 0.5) continue;
      found.left = Math.min(found.left, x);
      found.right = Math.max(found.right, x + 1);
      found.top = Math.min(found.top, y);
      found.bottom = Math.max(found.bottom, y + 1);
    }
  }
  return found.right ? found : null;
}

/** The width of the strokes in px: twice the area over the length of the contour, which is the total variation. */
export function stroke({ width, height, data }) {
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : data[y * width + x]);
  let area = 0;
  let contour = 0;
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) {
      area += at(x, y);
      contour += Math.hypot(at(x + 1, y) - at(x, y), at(x, y + 1) - at(x, y));
    }
  }
  return contour ? (2 * area) / contour : 0;
}

/** Squared distances to the nearest of a row's finite values (Felzenszwalb and Huttenlocher 2012). */
function squaredRow(values, length, from, step) {
  const places = new Int32Array(length);
  const edges = new Float64Array(length + 1);
  const row = new Float64Array(length);
  for (let i = 0; i < length; i++) row[i] = values[from + i * step];
  let last = -1;
  for (let i = 0; i < length; i++) {
    if (row[i] === Infinity) continue;
    let edge = -Infinity;
    while (last >= 0) {
      const other = places[last];
      edge = (row[i] + i * i - row[other] - other * other) / (2 * (i - other));
      if (edge > edges[last]) break;
      last -= 1;
      edge = -Infinity;
    }
    last += 1;
    places[last] = i;
    edges[last] = edge;
    edges[last + 1] = Infinity;
  }
  if (last < 0) return;
  for (let i = 0, k = 0; i < length; i++) {
    while (edges[k + 1] < i) k += 1;
    values[from + i * step] = (i - places[k]) ** 2 + row[places[k]];
  }
}

function distances(width, height, inside) {
  const values = Float64Array.from(inside, (there) => (there ? 0 : Infinity));
  for (let x = 0; x < width; x++) squaredRow(values, height, x, width);
  for (let y = 0; y < height; y++) squaredRow(values, width, y * width, 1);
  return values.map(Math.sqrt);
}

/** The strokes made wider by so many px, or narrower; their edges fall off within a pixel. */
export function widened({ width, height, data }, by) {
  const out = distances(width, height, Array.from(data, (value) => value >= 0.5));
  const into = distances(width, height, Array.from(data, (value) => value < 0.5));
  const from = (i) => (out[i] > 0 ? out[i] - 0.5 : 0.5 - into[i]); // to the edge, negative inside
  return { width, height, data: data.map((_, i) => Math.min(1, Math.max(0, 0.5 - (from(i) - by / 2)))) };
}

/** The part of a picture around (x, y), `scale` times as large, in the middle of one of this size; bilinear. */
function placed({ width, height, data }, { x, y, scale = 1, size: [rows, columns] }) {
  const at = (column, row) => {
    if (column < 0 || row < 0 || column >= width || row >= height) return 0;
    return data[row * width + column];
  };
  // Where it is made smaller, every new pixel is the mean of the old ones that it covers.
  const each = Math.max(1, Math.round(1 / scale));
  const result = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let i = 0; i < each * each; i++) {
        const u = x + (column + ((i % each) + 0.5) / each - columns / 2) / scale - 0.5;
        const v = y + (row + (Math.floor(i / each) + 0.5) / each - rows / 2) / scale - 0.5;
        const [left, top] = [Math.floor(u), Math.floor(v)];
        const [right, down] = [u - left, v - top];
        sum += (1 - down) * ((1 - right) * at(left, top) + right * at(left + 1, top));
        sum += down * ((1 - right) * at(left, top + 1) + right * at(left + 1, top + 1));
      }
      result[row * columns + column] = sum / (each * each);
    }
  }
  return { width: columns, height: rows, data: result };
}

function centre(ink, by) {
  const { left, right, top, bottom } = box(ink);
  if (by === "box") return [(left + right) / 2, (top + bottom) / 2];
  let [sum, x, y] = [0, 0, 0];
  ink.data.forEach((value, i) => {
    sum += value;
    x += value * ((i % ink.width) + 0.5);
    y += value * (Math.floor(i / ink.width) + 0.5);
  });
  return [x / sum, y / sum];
}

/** The middle that is asked for, or the nearest one that keeps the whole box in the picture. */
function inside({ left, right, top, bottom }, [x, y], [rows, columns]) {
  const between = (value, first, last, length) => {
    const [least, most] = [last - length / 2, first + length / 2];
    return least > most ? (first + last) / 2 : Math.min(most, Math.max(least, value));
  };
  return { x: between(x, left, right, columns), y: between(y, top, bottom, rows) };
}

function factor(value, more, less) {
  return value > 1 ? `${value.toFixed(1)} times ${more}` : `${(1 / value).toFixed(1)} times ${less}`;
}

/**
 * A picture of a drawing as the training images are.
 *
 * @param picture gray, {width, height, data}.
 * @param look of the training images, `about.look`.
 * @param size height and width of the model's images, px.
 * @returns {picture, changes}: the new picture, a whole number of times the model's size, and what was done, in words;
 *   null where nothing is drawn.
 */
export function alike(picture, look, [height, width]) {
  const { ink, light, strength } = inkOf(picture);
  const there = strength >= 32 ? box(ink) : null;
  if (!there) return null;
  const times = Math.max(1, Math.min(FINE, Math.floor(MOST / Math.max(height, width))));
  const size = [height * times, width * times];
  const fine = Math.max(...size);
  const longer = Math.max(there.right - there.left, there.bottom - there.top);
  const was = Math.min(stroke(ink), longer);
  const [extent, wanted] = [look.extent * fine, look.stroke * fine];
  const middle = { x: (there.left + there.right) / 2, y: (there.top + there.bottom) / 2 };
  // Widening makes the box larger by as much: (longer - was) * scale + wanted = extent.
  const room = size.map((side) => Math.min(extent, side - 2 * times));
  const sides = [there.bottom - there.top, there.right - there.left];
  const fits = sides.map((side, axis) => (room[axis] - wanted) / Math.max(side - was, longer / 20));
  let scale = Math.min(...fits, extent / was);
  let by = wanted - was * scale;
  let drawn = null;
  for (let round = 0; round < ROUNDS; round++) {
    const wide = widened(placed(ink, { ...middle, scale, size }), by);
    const edges = box(wide);
    if (!edges) break; // parts were thinner than the rest, and went
    drawn = wide;
    by += wanted - stroke(wide);
    scale *= Math.min(room[0] / (edges.bottom - edges.top), room[1] / (edges.right - edges.left));
  }
  drawn ??= placed(ink, { ...middle, scale: extent / longer, size });
  drawn = placed(drawn, { ...inside(box(drawn) ?? there, centre(drawn, look.centred), size), size });
  const changes = [];
  if (light !== look.light_on_dark) changes.push(look.light_on_dark ? "turned to light on dark" : "turned to dark on light");
  const whole = Math.max(picture.width, picture.height);
  const larger = look.extent / (longer / whole);
  if (Math.abs(Math.log(larger)) > 0.05) changes.push(`made ${factor(larger, "larger", "smaller")}`);
  const thicker = look.stroke / (was / whole) / larger;
  if (Math.abs(Math.log(thicker)) > 0.1) changes.push(`its strokes ${factor(thicker, "thicker", "thinner")} for its size`);
  const [left, top] = centre(ink, look.centred);
  const moved = Math.hypot(left / picture.width - 0.5, top / picture.height - 0.5);
  if (moved > 0.02) changes.push(`centred by its ${look.centred === "mass" ? "weight" : "outline"}`);
  const data = drawn.data.map((value) => 255 * (look.light_on_dark ? value : 1 - value));
  return { picture: { ...drawn, data }, changes };
}
