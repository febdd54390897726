// Brings an image to the model's size and color, row by row: the integers of Pillow's BILINEAR, as Python has them.
// The model's graph could do it, too, but multiplies with every zero outside the triangles: seconds for a phone's photo.

const BITS = 22; // of a weight, as Pillow has them
const HALF = 2 ** (BITS - 1);

/** The weights of n pixels of a side in each of m: {first, weights}, triangles as wide as the scale, cut off at the edges. */
function weightsOf(n, start, length, m) {
  const scale = length / m;
  const support = Math.max(scale, 1);
  return Array.from({ length: m }, (_, column) => {
    const centre = start + (column + 0.5) * scale;
    const first = Math.floor(Math.max(centre - support + 0.5, 0));
    const end = Math.min(Math.floor(centre + support + 0.5), n);
    const triangle = Array.from({ length: end - first }, (_, i) =>
      Math.max(1 - Math.abs((first + i - centre + 0.5) * (1 / support)), 0),
    );
    const sum = triangle.reduce((total, weight) => total + weight, 0);
    return { first, weights: Int32Array.from(triangle, (weight) => Math.floor((weight / sum) * 2 ** BITS + 0.5)) };
  });
}

/** Half to even, as Python rounds. */
function rounded(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

/** Which part of an image becomes which part of the result: {top, left, height, width}, {y, x, rows, columns}. */
function places(height, width, [rows, columns], resize) {
  const whole = { top: 0, left: 0, height, width };
  if (resize === "crop") {
    const scale = Math.min(height / rows, width / columns);
    const [top, high] = middle(height, rows * scale);
    const [left, wide] = middle(width, columns * scale);
    return [{ top, left, height: high, width: wide }, { y: 0, x: 0, rows, columns }];
  }
  if (resize !== "pad") return [whole, { y: 0, x: 0, rows, columns }];
  const scale = Math.min(rows / height, columns / width);
  const [high, wide] = [height, width].map((side) => Math.max(rounded(side * scale), 1));
  return [whole, { y: (rows - high) >> 1, x: (columns - wide) >> 1, rows: high, columns: wide }];
}

/** Start and length of the middle of a side; in float32, as Pillow computes its box. */
function middle(side, wanted) {
  const free = (side - wanted) / 2;
  const [start, end] = [Math.max(free, 0), Math.min(free + wanted, side)].map(Math.fround);
  return [start, Math.fround(end - start)];
}

/**
 * Takes an image of width x height px from top to bottom: `take(data)` its next rows as RGBA; `done()` gives the model's
 * pixels, uint8 of size[0] x size[1] x (1 for gray, 3 for rgb).
 */
export function resizer(width, height, { size, color, resize }) {
  const channels = color === "gray" ? 1 : 3;
  const [from, to] = places(height, width, size, resize);
  const columns = weightsOf(width, from.left, from.width, to.columns);
  const rows = weightsOf(height, from.top, from.height, to.rows);
  const rowsFirst = height > to.rows && height - to.rows > 2 * (width - to.columns); // as Pillow orders them
  const count = channels * (rowsFirst ? width : to.columns); // values of a row between the two
  const sums = new Int32Array(to.rows * count).fill(HALF); // below 2 ** 31: the weights of a pixel add up to 2 ** 22
  const line = new Uint8Array(channels * width);
  const narrow = new Uint8Array(channels * to.columns);
  let y = 0; // the row that comes next
  let open = 0; // the first row of the result that takes something of it

  function read(data, at) {
    for (let i = at, j = 0; j < line.length; i += 4) {
      if (channels === 1) line[j++] = (19595 * data[i] + 38470 * data[i + 1] + 7471 * data[i + 2] + 32768) >> 16;
      else {
        line[j++] = data[i];
        line[j++] = data[i + 1];
        line[j++] = data[i + 2];
      }
    }
  }

  /** A row of the image's width to one of the result's. */
  function across(values) {
    for (let x = 0; x < to.columns; x++) {
      const { first, weights } = columns[x];
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        for (let k = 0, i = first * channels + c; k < weights.length; k++, i += channels) sum += weights[k] * values[i];
        narrow[x * channels + c] = sum >> BITS;
      }
    }
    return narrow;
  }

  function add(values) {
    while (open < to.rows && rows[open].first + rows[open].weights.length <= y) open += 1;
    for (let row = open; row < to.rows && rows[row].first <= y; row++) {
      const weight = rows[row].weights[y - rows[row].first] ?? 0;
      if (weight) for (let j = 0, at = row * count; j < count; j++, at++) sums[at] += weight * values[j];
    }
    y += 1;
  }

  return {
    take(data) {
      for (let at = 0; at < data.length; at += 4 * width) {
        read(data, at);
        add(rowsFirst ? line : across(line));
      }
    },
    done() {
      const pixels = new Uint8Array(size[0] * size[1] * channels); // black around what is padded
      for (let row = 0; row < to.rows; row++) {
        const values = Uint8Array.from(sums.subarray(row * count, (row + 1) * count), (sum) => sum >> BITS);
        pixels.set(rowsFirst ? across(values) : values, ((to.y + row) * size[1] + to.x) * channels);
      }
      return pixels;
    },
  };
}
