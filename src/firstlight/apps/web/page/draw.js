// A sheet of paper to draw on with finger, pen or mouse; what is drawn is kept as strokes.

const INK = "#000";
const PAPER = "#fff";
export const SIDE = 448; // px of the picture that is handed on

/** Draws strokes, each {width, points: [[x, y], ...]} in shares of the side, on a square canvas. */
export function paint(canvas, strokes) {
  const context = canvas.getContext("2d");
  const side = canvas.width;
  context.fillStyle = PAPER;
  context.fillRect(0, 0, side, side);
  context.strokeStyle = context.fillStyle = INK;
  context.lineCap = context.lineJoin = "round";
  for (const { width, points } of strokes) {
    context.lineWidth = width * side;
    context.beginPath();
    context.moveTo(points[0][0] * side, points[0][1] * side);
    if (points.length === 1) context.lineTo(points[0][0] * side + 0.01, points[0][1] * side);
    for (let i = 1; i < points.length - 1; i++) {
      const [x, y] = points[i];
      const [nextX, nextY] = points[i + 1];
      context.quadraticCurveTo(x * side, y * side, ((x + nextX) / 2) * side, ((y + nextY) / 2) * side);
    }
    if (points.length > 1) context.lineTo(points.at(-1)[0] * side, points.at(-1)[1] * side);
    context.stroke();
  }
}

/** Makes a canvas a sheet; `changed(strokes)` is called after every piece of a stroke. */
export function sheet(canvas, penWidth, changed) {
  let strokes = [];
  let pointer = null;

  function fit() {
    const side = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    paint(canvas, strokes);
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || (event.pointerType === "mouse" && event.button !== 0)) return;
    event.preventDefault();
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push({ width: penWidth(), points: [place(event)] });
    fit();
    changed(strokes);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) strokes.at(-1).points.push(place(one));
    fit();
    changed(strokes);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }
  new ResizeObserver(fit).observe(canvas);

  function set(others) {
    strokes = others;
    fit();
    changed(strokes);
  }
  return {
    undo: () => set(strokes.slice(0, -1)),
    clear: () => set([]),
    empty: () => strokes.length === 0,
    /** The drawing as a canvas of `SIDE` px. */
    picture() {
      const copy = document.createElement("canvas");
      copy.width = copy.height = SIDE;
      paint(copy, strokes);
      return copy;
    },
  };
}
