// What lies over the film: points, proposals, other readers, lines, measuring tools, the cursor and the loupe's rim.
// Everything is drawn through a View, so that the loupe shows the very same marks at its own scale.

import { spoken } from "./points.js";

const INK = {
  own: "#5fd4ff", current: "#ffe14d", occluded: "#ffb454", proposal: "#cf9bff", tool: "#8dff9b", calibration: "#ff9db5",
  cursor: "#ffe14d", line: "#5fd4ff88", consensus: "#ffffff",
};
const READERS = ["#8dff9b", "#ff9db5", "#ffb454", "#9db8ff", "#f0f07a", "#7df0dc", "#ff8f6b", "#d0d0d0"];

export const readerColour = (i) => READERS[i % READERS.length];

/** One drawing: a context, the view it goes through and the device pixels its lengths are counted in. */
class Pen {
  constructor(context, view, ratio) {
    this.context = context;
    this.view = view;
    this.ratio = ratio;
  }

  /** Strokes a path twice, dark and wide underneath, so that it is seen on bone and on air. */
  stroke(colour, width, path, dash = []) {
    const { context, ratio } = this;
    context.setLineDash(dash.map((d) => d * ratio));
    for (const [style, wide] of [["#000000b0", width + 2], [colour, width]]) {
      context.strokeStyle = style;
      context.lineWidth = wide * ratio;
      context.beginPath();
      path(context);
      context.stroke();
    }
    context.setLineDash([]);
  }

  line(a, b, colour, width = 1, dash = []) {
    const [p, q] = [this.view.toCanvas(a), this.view.toCanvas(b)];
    this.stroke(colour, width, (c) => { c.moveTo(...p); c.lineTo(...q); }, dash);
  }

  /** Four arms around a gap: the pixel itself stays free. */
  cross(point, colour, { gap = 3, arm = 9, width = 1.5 } = {}) {
    const [u, v] = this.view.toCanvas(point);
    const [g, a] = [gap * this.ratio, arm * this.ratio];
    this.stroke(colour, width, (c) => {
      for (const [du, dv] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        c.moveTo(u + du * g, v + dv * g);
        c.lineTo(u + du * a, v + dv * a);
      }
    });
  }

  polygon(point, radius, corners, turn, colour, width = 1.5, dash = []) {
    const [u, v] = this.view.toCanvas(point);
    this.stroke(colour, width, (c) => {
      for (let i = 0; i <= corners; i += 1) {
        const angle = turn + (2 * Math.PI * i) / corners;
        const [x, y] = [u + radius * this.ratio * Math.cos(angle), v + radius * this.ratio * Math.sin(angle)];
        if (i) c.lineTo(x, y);
        else c.moveTo(x, y);
      }
    }, dash);
  }

  ring(point, radius, colour, width = 1.5, dash = []) {
    const [u, v] = this.view.toCanvas(point);
    this.stroke(colour, width, (c) => c.arc(u, v, radius * this.ratio, 0, 2 * Math.PI), dash);
  }

  /** Words beside a point; on its other side where there is no room. */
  words(point, text, colour, { away = 12, size = 12 } = {}) {
    const { context, ratio } = this;
    const [u, v] = this.view.toCanvas(point);
    context.font = `${size * ratio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const wide = context.measureText(text).width;
    const left = u + away * ratio + wide > context.canvas.width ? u - away * ratio - wide : u + away * ratio;
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "#000000d0";
    context.strokeText(text, left, v);
    context.fillStyle = colour;
    context.fillText(text, left, v);
  }
}

function landmarks(pen, scene, close) {
  const { reading, current, hovered, dragged, settings } = scene;
  const at = (name) => (dragged?.name === name ? dragged.point : reading.point(name));
  if (settings.lines) {
    for (const [a, b] of scene.edges) {
      const [p, q] = [at(a), at(b)];
      if (p && q) pen.line(p, q, INK.line);
      else if (scene.cursor && current && !close && !scene.tool && ((p && b === current) || (q && a === current))) {
        pen.line(p ?? q, scene.cursor, INK.line, 1, [5, 4]);
      }
    }
  }
  if (scene.proposals) {
    for (const [name, proposal] of Object.entries(scene.proposals)) {
      if (reading.get(name)?.state !== "not_annotated" || proposal.x === null) continue;
      const point = dragged?.name === name ? dragged.point : [proposal.x, proposal.y];
      const mine = name === current;
      pen.polygon(point, mine ? 11 : 8, 4, 0, INK.proposal, mine ? 2 : 1.5, [4, 2]);
      pen.cross(point, INK.proposal, { gap: 2, arm: 5, width: 1 });
      if (mine || name === hovered || settings.names) {
        const sure = proposal.confidence === undefined ? "" : ` ${Math.round(100 * proposal.confidence)} %`;
        pen.words(point, `${spoken(name)}?${sure}`, INK.proposal, { away: 15 });
      }
    }
  }
  for (const name of reading.names) {
    const point = at(name);
    if (!point) continue;
    const { state } = reading.get(name);
    const mine = name === current;
    const colour = mine ? INK.current : state === "occluded" ? INK.occluded : INK.own;
    pen.cross(point, colour, { width: mine ? 2 : 1.5 });
    if (state === "occluded") pen.polygon(point, 11, 4, Math.PI / 4, colour);
    if (mine || name === hovered) pen.ring(point, 13, colour, 1);
    if (settings.names || mine || name === hovered) pen.words(point, spoken(name), colour, { away: 16 });
  }
}

function others(pen, scene) {
  if (!scene.readings) return;
  const index = new Map(scene.readings.readers.map(({ reader, reading }, i) => [`${reader} ${reading}`, i]));
  for (const [name, found] of Object.entries(scene.readings.landmarks)) {
    const near = name === scene.current;
    for (const one of found.points) {
      if (one.x === null) continue;
      const colour = readerColour(index.get(`${one.reader} ${one.reading}`) ?? 0);
      if (found.consensus) pen.line([one.x, one.y], [found.consensus.x, found.consensus.y], `${colour}90`);
      pen.ring([one.x, one.y], 3, colour, near ? 2 : 1.5);
      if (one.outlier) {
        pen.polygon([one.x, one.y], 10, 3, -Math.PI / 2, "#ff5a5a", 2);
        pen.words([one.x, one.y], `${one.reader}: outlier`, "#ff8a8a", { away: 13, size: 11 });
      } else if (near) pen.words([one.x, one.y], one.reader, colour, { size: 11 });
    }
    if (found.consensus) {
      const { x, y } = found.consensus;
      pen.polygon([x, y], near ? 8 : 6, 4, 0, INK.consensus, near ? 2 : 1);
    }
  }
}

function tools(pen, scene) {
  const { tool } = scene;
  if (scene.calibration?.points) calibration(pen, scene.calibration.points, scene.calibration.kind, false, scene.circle);
  if (!tool) return;
  if (tool.kind === "measure") {
    const points = scene.cursor && tool.points.length < 3 && tool.live ? [...tool.points, scene.cursor] : tool.points;
    for (let i = 1; i < points.length; i += 1) pen.line(points[i - 1], points[i], INK.tool, 1.5);
    for (const point of tool.points) pen.cross(point, INK.tool);
    if (points.length > 1 && tool.words) pen.words(points[points.length - 1], tool.words, INK.tool, { away: 18, size: 14 });
  } else calibration(pen, tool.points, tool.kind, true, scene.circle);
}

function calibration(pen, points, kind, live, circle) {
  for (const point of points) pen.cross(point, INK.calibration);
  if (kind === "line" && points.length === 2) pen.line(points[0], points[1], INK.calibration, 1.5, live ? [] : [6, 4]);
  if (kind === "circle") {
    const found = circle(points);
    if (found) pen.ring(found.centre, (found.radius * pen.view.scale) / pen.ratio, INK.calibration, 1.5, live ? [] : [6, 4]);
  }
}

function cursor(pen, scene, size) {
  if (!scene.cursor) return;
  const [u, v] = pen.view.toCanvas(scene.cursor);
  const { width, height } = pen.context.canvas;
  if (scene.settings.guides) {
    pen.stroke("#ffe14d90", 1, (c) => {
      c.moveTo(0, v);
      c.lineTo(width, v);
      c.moveTo(u, 0);
      c.lineTo(u, height);
    });
  }
  if (scene.byKeys || size) pen.cross(scene.cursor, INK.cursor, { gap: 4, arm: size || 18, width: 1.5 });
}

export class Overlay {
  constructor(canvas, viewer) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.viewer = viewer;
  }

  /** @param scene what there is to draw; see stage.js. */
  draw(scene) {
    const { canvas, context, viewer } = this;
    const { width, height } = viewer.canvas;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    else context.clearRect(0, 0, width, height);
    if (!viewer.film || !scene.reading) return;
    const pen = new Pen(context, viewer.view, viewer.unit);
    landmarks(pen, scene, false);
    others(pen, scene);
    tools(pen, scene);
    if (!scene.loupe) {
      cursor(pen, scene, 0);
      return;
    }
    const { view, centre, radius } = scene.loupe;
    cursor(pen, { ...scene, byKeys: false }, 0);
    viewer.drawLoupe(context, view, centre, radius);
    context.save();
    context.beginPath();
    context.arc(...centre, radius, 0, 2 * Math.PI);
    context.clip();
    const close = new Pen(context, view, viewer.unit);
    landmarks(close, scene, true);
    others(close, scene);
    tools(close, scene);
    cursor(close, { ...scene, settings: { ...scene.settings, guides: false } }, 22);
    context.restore();
    context.strokeStyle = scene.loupe.held ? INK.cursor : "#8a939b";
    context.lineWidth = 2 * viewer.unit;
    context.beginPath();
    context.arc(...centre, radius, 0, 2 * Math.PI);
    context.stroke();
  }
}
