// One film on a canvas: fit, zoom, pan, window. It draws gray values; what lies over them is overlay.js.
//
// The visible part goes through the window's table at the pyramid level that has about one pixel a device pixel, then onto
// the canvas by one scaled copy. So the work follows the screen's size, not the film's.

import { View } from "./geometry.js";
import { Window } from "./levels.js";

const MARGIN = 96; // pixels painted around the visible part, so that most steps of a pan need no painting

/** Gray values of a part of a film through a table, kept as a canvas of one pixel a pixel. */
class Painted {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d");
    this.level = this.table = null;
    this.x0 = this.y0 = this.x1 = this.y1 = 0;
  }

  /** Columns x0 … x1 and rows y0 … y1 (ends not included) of a level. */
  paint(level, table, x0, y0, x1, y1) {
    const [w, h] = [x1 - x0, y1 - y0];
    if (this.canvas.width !== w || this.canvas.height !== h || !this.image) {
      [this.canvas.width, this.canvas.height] = [w, h];
      this.image = this.context.createImageData(w, h);
      this.words = new Uint32Array(this.image.data.buffer);
    }
    const { pixels, width } = level;
    const { words } = this;
    let to = 0;
    for (let y = y0; y < y1; y += 1) {
      let from = y * width + x0;
      for (let x = 0; x < w; x += 1) words[to++] = table[pixels[from++]];
    }
    this.context.putImageData(this.image, 0, 0);
    Object.assign(this, { x0, y0, x1, y1, level, table });
  }

  holds(level, table, x0, y0, x1, y1) {
    return this.level === level && this.table === table && x0 >= this.x0 && y0 >= this.y0 && x1 <= this.x1 && y1 <= this.y1;
  }
}

/** Draw the part of `film` that `view` shows in the rectangle (u0, v0, u1, v1) of a context, through `table`. */
function drawFilm(context, painted, film, view, table, smooth, u0, v0, u1, v1, margin) {
  const n = Math.max(0, Math.min(film.deepest, Math.round(-Math.log2(view.scale))));
  const step = 2 ** n;
  const level = film.level(n);
  const size = view.scale * step; // device pixels a pixel of the level
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  const x0 = clamp(Math.floor((u0 - view.left) / size) - 1, level.width);
  const y0 = clamp(Math.floor((v0 - view.top) / size) - 1, level.height);
  const x1 = clamp(Math.ceil((u1 - view.left) / size) + 1, level.width);
  const y1 = clamp(Math.ceil((v1 - view.top) / size) + 1, level.height);
  if (x1 <= x0 || y1 <= y0) return;
  if (!painted.holds(level, table, x0, y0, x1, y1)) {
    painted.paint(
      level, table,
      clamp(x0 - margin, level.width), clamp(y0 - margin, level.height),
      clamp(x1 + margin, level.width), clamp(y1 + margin, level.height),
    );
  }
  context.save();
  context.beginPath(); // the last pixel of a halved level may reach over the film's edge
  context.rect(view.left, view.top, film.width * view.scale, film.height * view.scale);
  context.clip();
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "low"; // bilinear; the pyramid has done the rest
  context.drawImage(
    painted.canvas,
    x0 - painted.x0, y0 - painted.y0, x1 - x0, y1 - y0,
    view.left + x0 * size, view.top + y0 * size, (x1 - x0) * size, (y1 - y0) * size,
  );
  context.restore();
}

/**
 * A place on the page, in device pixels, moved up (1) or down (-1) to the next whole one. To a whole CSS pixel too, where there
 * is one within ten, for browsers round to either. */
function whole(place, step, ratio) {
  const round = step > 0 ? Math.ceil : Math.floor;
  const first = round(place - step * 1e-3);
  for (let i = 0; i < 10; i += 1) {
    const device = (first + i * step) * ratio;
    if (Math.abs(device - Math.round(device)) < 1e-6) return Math.round(device);
  }
  return round(place * ratio - step * 1e-3);
}

export class Viewer {
  /**
   * @param canvas the canvas element.
   * @param others canvases that lie over it.
   *
   * They fill their parent, but from a whole device pixel to a whole device pixel: else the browser would shift the picture by
   * a part of a pixel, and a click would be that much beside what was seen. */
  constructor(canvas, others = []) {
    this.canvas = canvas;
    this.canvases = [canvas, ...others];
    this.context = canvas.getContext("2d", { alpha: false });
    this.film = null;
    this.view = new View();
    this.window = new Window(32768, 65535);
    this.table = this.window.table();
    this.smooth = true;
    this.painted = new Painted();
    this.paintedLoupe = new Painted();
    this.listeners = new Set();
    this.fitted = true;
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    addEventListener("resize", () => this.redraw());
  }

  /** Called after each drawing. */
  onDraw(listener) {
    this.listeners.add(listener);
  }

  show(film) {
    this.film = film;
    this.original = film ? Window.of(film) : null;
    if (film) {
      this.setWindow(new Window(this.original.level, this.original.width, this.window.invert));
      this.fit();
    }
    this.redraw();
  }

  /** Device pixels a CSS pixel, of this canvas. */
  get ratio() {
    return devicePixelRatio;
  }

  /** Device pixels for a length that is 1 where the page's font is 14 CSS pixels: marks grow with the page's words. */
  get unit() {
    return this.ratio * (this.font ?? 1);
  }

  fit() {
    if (!this.film) return;
    this.fitted = true;
    this.view = View.fit(this.film.width, this.film.height, this.canvas.width, this.canvas.height, 8 * this.ratio);
    this.redraw();
  }

  /**
   * Zoom by a factor about a place on the canvas (device pixels), by default its middle.
   *
   * @param {number} factor
   * @param {[number, number]} about
   */
  zoom(factor, about = [this.canvas.width / 2, this.canvas.height / 2]) {
    this.zoomTo(this.view.scale * factor, about);
  }

  /**
   * @param {number} scale
   * @param {[number, number]} about
   */
  zoomTo(scale, about = [this.canvas.width / 2, this.canvas.height / 2]) {
    if (!this.film) return;
    const least = View.fit(this.film.width, this.film.height, this.canvas.width, this.canvas.height).scale / 4;
    this.fitted = false;
    this.view = this.view.zoomed(Math.min(64 * this.ratio, Math.max(Math.min(1, least), scale)), about);
    this.#keepInSight();
    this.redraw();
  }

  pan(du, dv) {
    this.fitted = false;
    this.view = new View(this.view.scale, Math.round(this.view.left + du), Math.round(this.view.top + dv));
    this.#keepInSight();
    this.redraw();
  }

  /** Bring a point of the picture well into sight, if it is not. */
  reveal(point) {
    const [u, v] = this.view.toCanvas(point);
    const [w, h] = [this.canvas.width, this.canvas.height];
    const edge = Math.min(w, h) / 10;
    if (u >= edge && v >= edge && u <= w - edge && v <= h - edge) return;
    this.pan(w / 2 - u, h / 2 - v);
  }

  setWindow(window) {
    this.window = window;
    this.table = window.table();
    this.redraw();
  }

  resetWindow() {
    if (this.original) this.setWindow(new Window(this.original.level, this.original.width, this.window.invert));
  }

  /** Move level and width by shares of the window the film was opened with. */
  changeWindow(level, width) {
    if (!this.original) return;
    const unit = this.original.width;
    const next = Math.max(unit / 200, this.window.width + width * unit);
    this.setWindow(new Window(this.window.level + level * unit, next, this.window.invert));
  }

  invert() {
    this.setWindow(new Window(this.window.level, this.window.width, !this.window.invert));
  }

  setSmooth(smooth) {
    this.smooth = smooth;
    this.redraw();
  }

  /** The point of the picture under a pointer event.
   *
   * A mouse names a device pixel by its top-left corner; what the eye puts on the target is the pixel's middle. */
  pictureAt(event, view = this.view) {
    return view.toPicture(this.canvasAt(event));
  }

  /** @returns {[number, number]} device pixels. */
  canvasAt(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * this.canvas.width) / box.width + 0.5,
      ((event.clientY - box.top) * this.canvas.height) / box.height + 0.5,
    ];
  }

  redraw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.draw();
    });
  }

  draw() {
    this.#settle();
    const { width, height } = this.canvas;
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, width, height);
    if (this.film && width && height) {
      drawFilm(
        this.context, this.painted, this.film, this.view, this.table, this.smooth, 0, 0, width, height, MARGIN,
      );
    }
    for (const listener of this.listeners) listener();
  }

  /** The film through another view, in a disc of a context: the loupe. */
  drawLoupe(context, view, [u, v], radius) {
    context.save();
    context.beginPath();
    context.arc(u, v, radius, 0, 2 * Math.PI);
    context.fillStyle = "#000";
    context.fill();
    context.clip();
    drawFilm(
      context, this.paintedLoupe, this.film, view, this.table, this.smooth,
      u - radius, v - radius, u + radius, v + radius, 16,
    );
    context.restore();
  }

  #keepInSight() {
    const { width, height } = this.canvas;
    const keep = 40 * this.ratio;
    const hold = (at, size, whole) => Math.round(Math.min(whole - keep, Math.max(keep - size, at)));
    this.view.left = hold(this.view.left, this.film.width * this.view.scale, width);
    this.view.top = hold(this.view.top, this.film.height * this.view.scale, height);
  }

  /** Lie on whole device pixels, wherever the page has put the parent. */
  #settle() {
    const ratio = devicePixelRatio;
    const box = this.canvas.parentElement.getBoundingClientRect();
    const [left, top] = [whole(box.left, 1, ratio), whole(box.top, 1, ratio)];
    const width = Math.max(0, whole(box.right, -1, ratio) - left);
    const height = Math.max(0, whole(box.bottom, -1, ratio) - top);
    const key = [left, top, width, height, box.left, box.top, ratio].join(" ");
    if (key === this.settled) return;
    this.settled = key;
    this.font = Math.max(1, parseFloat(getComputedStyle(document.documentElement).fontSize) / 14);
    const sized = width !== this.canvas.width || height !== this.canvas.height;
    const centre = this.view.toPicture([this.canvas.width / 2, this.canvas.height / 2]);
    for (const { style } of this.canvases) {
      style.left = `${left / ratio - box.left}px`;
      style.top = `${top / ratio - box.top}px`;
      style.width = `${width / ratio}px`;
      style.height = `${height / ratio}px`;
    }
    if (!sized) return;
    [this.canvas.width, this.canvas.height] = [width, height];
    if (!this.film) return;
    if (this.fitted) this.fit();
    else {
      const [u, v] = this.view.toCanvas(centre);
      this.pan(width / 2 - u, height / 2 - v);
    }
  }
}
