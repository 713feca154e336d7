// A small drawing of the scheme beside the prompt: where, about, the landmark lies. In the standard display.

const SVG = "http://www.w3.org/2000/svg";
let layouts = null;

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export class Diagram {
  /** @param root where the drawing goes. */
  constructor(root) {
    this.root = root;
    this.dots = new Map();
  }

  /** Draw a scheme; nothing is drawn of one whose layout is not known. */
  async of(scheme, onPick) {
    if (!layouts) layouts = await fetch("/static/layouts.json").then((answer) => answer.json(), () => ({}));
    const layout = layouts[scheme.name] ?? {};
    const names = scheme.landmarks.map((landmark) => landmark.name).filter((name) => name in layout);
    this.root.replaceChildren();
    this.dots.clear();
    if (!names.length) return;
    const points = names.map((name) => layout[name]);
    const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
    const [x0, y0] = [Math.min(...xs), Math.min(...ys)];
    const whole = Math.max((Math.max(...xs) - x0) / 250, (Math.max(...ys) - y0) / 140) || 1;
    const to = ([x, y]) => [(x - x0) / whole + 15, (y - y0) / whole + 15];
    const [w, h] = [(Math.max(...xs) - x0) / whole + 30, (Math.max(...ys) - y0) / whole + 30];
    const svg = element("svg", { viewBox: `0 0 ${w} ${h}`, "aria-hidden": "true", class: "drawing" });
    for (const [a, b] of scheme.edges) {
      if (!(a in layout && b in layout)) continue;
      const [[x1, y1], [x2, y2]] = [to(layout[a]), to(layout[b])];
      svg.append(element("line", { x1, y1, x2, y2 }));
    }
    for (const name of names) {
      const [cx, cy] = to(layout[name]);
      const dot = element("circle", { cx, cy, r: 3.5 });
      dot.append(element("title", {}));
      dot.firstChild.textContent = name;
      dot.addEventListener("click", () => onPick(name));
      this.dots.set(name, dot);
      svg.append(dot);
    }
    if (scheme.pairs.length) {
      for (const [text, x] of [["R", 3], ["L", w - 11]]) {
        const letter = element("text", { x, y: 13 });
        letter.textContent = text;
        svg.append(letter);
      }
    }
    this.root.append(svg);
  }

  update(reading, current) {
    for (const [name, dot] of this.dots) {
      dot.setAttribute("class", name === current ? "current" : reading?.get(name)?.state ?? "");
      dot.setAttribute("r", name === current ? 6 : 3.5);
    }
  }
}
