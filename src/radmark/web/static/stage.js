// The film under the hand: pointer, wheel and keyboard cursor. One rule holds everywhere: the point goes to what is seen under
// the pointer, on the film or, where the loupe lies over it, in the loupe.
//
//   press, slide in the loupe, let go    places the current landmark
//   drag a point                         corrects it (Shift: finely, in the loupe)
//   wheel                                zooms at the cursor
//   middle button, or Space held         pans
//   right button                         level (up and down) and width (left and right)

import { View, circleThrough } from "./geometry.js";
import { Overlay } from "./overlay.js";
import { Viewer } from "./viewer.js";

const GRAB = 9; // units, about CSS pixels, within which a point is taken hold of
const SLIP = 3; // CSS pixels a hand may slip in a click
const LOUPE_SHARE = 0.17; // radius of the loupe, of the canvas' shorter side
export const LOUPES = [4, 6, 8];

export class Stage {
  /** @param app what the page knows; the stage reads it and calls its place, drag, toolPoint and select. */
  constructor(film, marks, app) {
    this.viewer = new Viewer(film, [marks]);
    this.overlay = new Overlay(marks, this.viewer);
    this.marks = marks;
    this.app = app;
    this.cursor = null;
    this.byKeys = false;
    this.press = null;
    this.hovered = null;
    this.space = false;
    this.held = null; // the loupe's view and centre while it is held still
    this.viewer.onDraw(() => this.drawMarks());
    this.#listen();
  }

  redraw() {
    this.viewer.redraw();
  }

  /** Only the marks, for the film under them has not changed. */
  refresh() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.drawMarks();
    });
  }

  drawMarks() {
    const { app } = this;
    const film = this.viewer.film;
    this.overlay.draw({
      reading: film ? app.reading : null,
      current: app.current,
      edges: app.project?.scheme.edges ?? [],
      proposals: app.shownProposals,
      readings: app.shownReadings,
      settings: app.settings,
      cursor: this.cursor,
      byKeys: this.byKeys,
      hovered: this.hovered,
      dragged: this.press?.dragging ? { name: this.press.name, point: this.#draggedPoint() } : null,
      tool: app.tool && { ...app.tool, live: !this.byKeys || this.cursor, words: app.toolWords(this.cursor) },
      calibration: app.tool ? null : app.calibration,
      circle: circleOf,
      loupe: this.#loupe(),
    });
    app.onCursor(this.cursor);
  }

  /** The cursor by the keys: from where it is, or from the middle of what is seen. */
  step([dx, dy]) {
    const { viewer } = this;
    const from = this.cursor ?? viewer.view.toPicture([viewer.canvas.width / 2, viewer.canvas.height / 2]);
    this.moveCursor([from[0] + dx, from[1] + dy]);
  }

  moveCursor([x, y]) {
    const { film } = this.viewer;
    const tenths = (value) => Math.round(value * 1e4) / 1e4; // 0.1 + 0.2 is to read 0.3
    this.byKeys = true;
    this.held = null;
    this.cursor = [tenths(clamp(x, -0.5, film.width - 0.5)), tenths(clamp(y, -0.5, film.height - 0.5))];
    this.viewer.reveal(this.cursor);
    this.refresh();
  }

  forgetCursor() {
    this.cursor = null;
    this.byKeys = false;
    this.press = null;
    this.held = null;
  }

  zoom(factor) {
    this.viewer.zoom(factor, this.cursor ? this.viewer.view.toCanvas(this.cursor) : undefined);
  }

  #loupe() {
    const { app, viewer } = this;
    if (!this.cursor || !viewer.film || app.settings.loupe === "never") return null;
    const wanted = app.settings.loupe === "always" || this.byKeys || this.held || this.press?.button === 0;
    if (!wanted || this.press?.button === 1 || this.press?.button === 2) return null;
    if (this.held) return { ...this.held, held: true };
    return { ...this.#loupeAt(this.cursor), held: false };
  }

  /** A loupe whose middle shows `point`, over the place where the film shows it. */
  #loupeAt(point) {
    const { viewer } = this;
    const { view, ratio } = viewer;
    // So many times what is seen; of a film that is shown very small, so many times half its own size.
    const scale = Math.min(64 * ratio, this.app.settings.loupeZoom * Math.max(view.scale, ratio / 2));
    const [u, v] = view.toCanvas(point);
    const loupeView = new View(scale, u - (point[0] + 0.5) * scale, v - (point[1] + 0.5) * scale);
    const radius = Math.max(90 * ratio, LOUPE_SHARE * Math.min(viewer.canvas.width, viewer.canvas.height));
    return { view: loupeView, centre: [u, v], radius };
  }

  /** The point of the film that is seen under the pointer. */
  #under(event) {
    const { viewer } = this;
    if (this.held) {
      const [u, v] = viewer.canvasAt(event);
      const [cu, cv] = this.held.centre;
      if (Math.hypot(u - cu, v - cv) <= this.held.radius) return viewer.pictureAt(event, this.held.view);
      this.held = null; // out of it: the film itself is under the pointer again
    }
    return viewer.pictureAt(event);
  }

  #draggedPoint() {
    const { film } = this.viewer;
    const [x, y] = this.cursor;
    const [ox, oy] = this.press.offset;
    return [clamp(x + ox, -0.5, film.width - 0.5), clamp(y + oy, -0.5, film.height - 0.5)];
  }

  /** The name of the point within reach of a place on the canvas, the nearest first. */
  #near([u, v]) {
    const { app, viewer } = this;
    let best = null;
    let least = GRAB * viewer.unit;
    const look = (name, point) => {
      const [pu, pv] = viewer.view.toCanvas(point);
      const far = Math.hypot(pu - u, pv - v);
      if (far <= least) [best, least] = [{ name, point }, far];
    };
    for (const name of app.reading?.placed ?? []) look(name, app.reading.point(name));
    for (const [name, { x, y }] of Object.entries(app.shownProposals ?? {})) {
      if (x !== null && app.reading.get(name)?.state === "not_annotated") look(name, [x, y]);
    }
    return best;
  }

  #listen() {
    const { marks } = this;
    marks.addEventListener("pointerdown", (event) => this.#down(event));
    marks.addEventListener("pointermove", (event) => this.#move(event));
    marks.addEventListener("pointerup", (event) => this.#up(event));
    marks.addEventListener("pointercancel", () => this.#cancel());
    marks.addEventListener("pointerleave", () => {
      if (this.press || this.byKeys) return;
      this.cursor = null;
      this.hovered = null;
      this.refresh();
    });
    marks.addEventListener("contextmenu", (event) => event.preventDefault());
    marks.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    addEventListener("keydown", (event) => {
      if (event.key === " " && event.target === marks) {
        this.space = true;
        event.preventDefault();
      }
      if (event.key === "Shift" && this.cursor && this.app.settings.loupe !== "never" && !this.byKeys) this.#hold();
    });
    addEventListener("keyup", (event) => {
      if (event.key === " ") this.space = false;
      if (event.key === "Shift" && this.held && !this.press) {
        this.held = null;
        this.refresh();
      }
    });
    addEventListener("blur", () => {
      this.space = false;
      this.held = null;
    });
  }

  #hold() {
    if (this.held || !this.viewer.film) return;
    this.held = this.#loupeAt(this.cursor);
    this.refresh();
  }

  #down(event) {
    if (!this.viewer.film || this.press) return;
    this.marks.focus({ preventScroll: true });
    this.marks.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.byKeys = false;
    this.cursor = this.#under(event);
    const at = this.viewer.canvasAt(event);
    const button = event.button === 0 && this.space ? 1 : event.button;
    this.press = { button, start: at, last: at, moved: false, dragging: false };
    if (button === 0) {
      const near = this.app.tool || event.ctrlKey ? null : this.#near(at);
      if (near) {
        Object.assign(this.press, {
          name: near.name,
          offset: [near.point[0] - this.cursor[0], near.point[1] - this.cursor[1]],
        });
      } else if (this.app.settings.loupe !== "never") this.#hold();
    }
    this.refresh();
  }

  #move(event) {
    if (!this.viewer.film) return;
    const { press, viewer } = this;
    const at = viewer.canvasAt(event);
    if (press) {
      const [du, dv] = [at[0] - press.last[0], at[1] - press.last[1]];
      press.last = at;
      if (Math.hypot(at[0] - press.start[0], at[1] - press.start[1]) > SLIP * viewer.ratio) press.moved = true;
      if (press.button === 1) return viewer.pan(du, dv);
      if (press.button === 2) {
        const unit = 600 * viewer.ratio; // this far is the whole first window
        return viewer.changeWindow(dv / unit, du / unit);
      }
      if (press.name && press.moved && !press.dragging) {
        press.dragging = true;
        this.app.select(press.name);
        if (event.shiftKey) this.#hold();
      }
    }
    this.byKeys = false;
    this.cursor = this.#under(event);
    if (!press) this.hovered = this.#near(at)?.name ?? null;
    marksCursor(this.marks, this.space, this.hovered);
    this.refresh();
  }

  #up(event) {
    const { press, app, viewer } = this;
    if (!press || !viewer.film) return;
    this.cursor = this.#under(event);
    if (press.button === 0) {
      const { film } = viewer;
      const [x, y] = this.cursor;
      const inside = x >= -0.5 && y >= -0.5 && x <= film.width - 0.5 && y <= film.height - 0.5;
      if (press.dragging) app.drag(press.name, this.#draggedPoint());
      else if (!inside) app.say("That is beside the film");
      else if (app.tool) app.toolPoint(this.cursor);
      else if (app.current || !press.name) app.place(this.cursor, press.name);
      else app.select(press.name);
    }
    this.#cancel();
  }

  #cancel() {
    this.press = null;
    this.held = null;
    this.refresh();
  }

  #wheel(event) {
    if (!this.viewer.film) return;
    event.preventDefault();
    const lines = [1, 30, 800][event.deltaMode] ?? 1;
    const [dx, dy] = [event.deltaX * lines, event.deltaY * lines];
    if (event.shiftKey) return this.viewer.pan(-(dx || dy) * this.viewer.ratio, 0);
    this.held = null;
    this.viewer.zoom(Math.exp(-dy * (event.ctrlKey ? 0.01 : 0.0016)), this.viewer.canvasAt(event));
    if (!this.byKeys) this.cursor = this.viewer.pictureAt(event);
  }
}

function marksCursor(marks, space, hovered) {
  marks.style.cursor = space ? "grab" : hovered ? "move" : "crosshair";
}

function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

/** The circle through the first three of some points, to be seen while they are clicked; the server fits all of them. */
export function circleOf(points) {
  return points.length < 3 ? null : circleThrough(points[0], points[1], points[points.length - 1]);
}
