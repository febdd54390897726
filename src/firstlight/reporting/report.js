// Lets the columns of the ladder be sorted; without scripts it keeps the order of the climb.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const value = (row) => Number(row.cells[column].dataset.value);
      const rows = [...table.tBodies[0].rows].sort((a, b) => (descending ? value(b) - value(a) : value(a) - value(b)));
      table.tBodies[0].append(...rows);
    });
  });
}

// Shows the thumbnail of the point of the map that is nearest to the pointer, or that the arrow keys reach.
for (const map of document.querySelectorAll(".map")) {
  const svg = map.querySelector("svg"), sheet = map.querySelector(".sheet"), across = Number(map.dataset.across);
  const points = [...svg.querySelectorAll("g")].map((node, place) => {
    const { e, f } = node.transform.baseVal[0].matrix;
    return { node, place, x: e, y: f };
  });
  const rows = Math.ceil(points.length / across);
  const [card, picture, caption, hint] = ["figure", "div", "figcaption", "p"].map((name) => document.createElement(name));
  hint.className = "hint muted";
  hint.textContent = "Point at or tap an image; with the keyboard, the arrow keys go to the next one.";
  caption.setAttribute("aria-live", "polite");
  card.append(picture, caption);
  card.hidden = true;
  map.append(card, hint);
  picture.style.backgroundImage = `url(${sheet.src})`;
  picture.style.backgroundSize = `${across * 100}% ${rows * 100}%`;
  svg.setAttribute("tabindex", "0");
  let chosen;
  const show = (point) => {
    chosen?.node.classList.remove("chosen");
    chosen = point;
    point.node.classList.add("chosen");
    const share = (at, count) => (count > 1 ? (at / (count - 1)) * 100 : 0);
    picture.style.backgroundPosition = `${share(point.place % across, across)}% ${share(Math.floor(point.place / across), rows)}%`;
    const { key, label, wrong } = point.node.dataset;
    caption.textContent = `${label}${wrong ? " (taken for another class)" : ""}: ${key.split("/").pop()}`;
    card.hidden = false;
    const scale = svg.clientWidth / svg.viewBox.baseVal.width, room = map.clientWidth - card.offsetWidth - 4;
    card.style.left = `${Math.max(4, Math.min(point.x * scale + 14, room))}px`;
    const above = point.y > svg.viewBox.baseVal.height / 2;
    card.style.top = `${point.y * scale + (above ? -card.offsetHeight - 14 : 14)}px`;
  };
  const nearest = (x, y) =>
    points.reduce((best, one) => (Math.hypot(one.x - x, one.y - y) < Math.hypot(best.x - x, best.y - y) ? one : best));
  const point = (event) => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    show(nearest((event.clientX - box.left) * scale, (event.clientY - box.top) * scale));
  };
  const hide = () => (card.hidden = true);
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", (event) => event.pointerType === "touch" || hide());
  svg.addEventListener("blur", hide);
  svg.addEventListener("focus", () => chosen || show(points[0]));
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = chosen ?? points[0];
    const ahead = points.filter((one) => (one.x - from.x) * step[0] + (one.y - from.y) * step[1] > 0.01);
    const cost = (one) => Math.hypot((one.x - from.x) * (step[0] ? 1 : 3), (one.y - from.y) * (step[1] ? 1 : 3));
    if (ahead.length) show(ahead.reduce((best, one) => (cost(one) < cost(best) ? one : best)));
  });
}
