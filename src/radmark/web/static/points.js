// One film's landmarks as this reader has them: positions, states, undo and redo. It knows no screen and no server.

/** A landmark's name as it is shown and read aloud. */
export const spoken = (name) => name.replaceAll("_", " ");

export const PLACED = ["present", "occluded"];
const NOTHING = Object.freeze({ x: null, y: null, state: "not_annotated" });

export class Reading {
  /**
   * @param scheme the project's, as the server gives it.
   * @param landmarks name -> {x, y, state, …} as stored.
   * @param emit called with (name, {x, y, state}, how) for each change.
   */
  constructor(scheme, landmarks, emit) {
    this.names = scheme.landmarks.map((landmark) => landmark.name);
    this.values = new Map(this.names.map((name) => [name, pick(landmarks[name] ?? NOTHING)]));
    this.emit = emit;
    this.undone = [];
    this.made = [];
  }

  get(name) {
    return this.values.get(name);
  }

  /** [x, y], or null where the landmark has no position. */
  point(name) {
    const { x, y, state } = this.values.get(name);
    return PLACED.includes(state) ? [x, y] : null;
  }

  get placed() {
    return this.names.filter((name) => this.point(name));
  }

  get marked() {
    return this.names.filter((name) => this.get(name).state !== "not_annotated");
  }

  /** The first landmark nobody has looked for, after `name` and then from the start; null when there is none. */
  nextOpen(name = null) {
    const start = name === null ? 0 : this.names.indexOf(name) + 1;
    const order = [...this.names.slice(start), ...this.names.slice(0, start)];
    return order.find((other) => this.get(other).state === "not_annotated") ?? null;
  }

  put(name, [x, y], how, state = "present") {
    this.change(name, { x, y, state }, how);
  }

  /** Give it a state; the position is kept where the state has one. Returns false where it would need a position. */
  setState(name, state) {
    const point = this.point(name);
    if (PLACED.includes(state) && !point) return false;
    const [x, y] = PLACED.includes(state) ? point : [null, null];
    this.change(name, { x, y, state }, "state");
    return true;
  }

  change(name, to, how) {
    const from = this.get(name);
    if (same(from, to)) return;
    this.made.push({ name, from, to });
    this.undone = [];
    this.values.set(name, to);
    this.emit(name, to, how);
  }

  /** Take the last change back. Returns the landmark's name, or null where there is nothing to take back. */
  undo() {
    return this.#step(this.made, this.undone, "from");
  }

  redo() {
    return this.#step(this.undone, this.made, "to");
  }

  /** Set what somebody else stored, without an event. Steps over this landmark are forgotten: they started elsewhere. */
  accept(name, value) {
    this.values.set(name, pick(value ?? NOTHING));
    this.made = this.made.filter((step) => step.name !== name);
    this.undone = this.undone.filter((step) => step.name !== name);
  }

  #step(out, into, end) {
    const step = out.pop();
    if (!step) return null;
    into.push(step);
    this.values.set(step.name, step[end]);
    this.emit(step.name, step[end], "undo");
    return step.name;
  }
}

function pick({ x, y, state }) {
  return { x, y, state };
}

function same(a, b) {
  return a.x === b.x && a.y === b.y && a.state === b.state;
}

/** The other member of a landmark's pair and whether this one is the patient's right; null without a pair. */
export function partner(scheme, name) {
  for (const [right, left] of scheme.pairs) {
    if (name === right) return { other: left, isRight: true };
    if (name === left) return { other: right, isRight: false };
  }
  return null;
}

/**
 * A sentence where a landmark lies on the side where the patient's other side should be, else null.
 *
 * In the standard display the patient's right is on the left. The middle is that of the pairs placed already; without one it is
 * the film's own middle, and then a tenth of its width is allowed for. `display`: standard, mirrored or unknown.
 */
export function sideWarning(scheme, name, [x], pointOf, width, display) {
  const pair = partner(scheme, name);
  if (!pair || display === "unknown") return null;
  const sign = (pair.isRight ? 1 : -1) * (display === "mirrored" ? -1 : 1); // +1: it should lie on the left of the picture
  const say = (why) =>
    `${name} is the patient's ${pair.isRight ? "right" : "left"} and lies ${why}. Is it the other side? Is the film mirrored?`;
  const other = pointOf(pair.other);
  if (other) return sign * (x - other[0]) > 0 ? say(`on the wrong side of ${pair.other}`) : null;
  const middles = scheme.pairs
    .filter(([right, left]) => right !== name && left !== name)
    .map(([right, left]) => [pointOf(right), pointOf(left)])
    .filter(([right, left]) => right && left)
    .map(([right, left]) => (right[0] + left[0]) / 2);
  if (middles.length) {
    const middle = middles.reduce((a, b) => a + b) / middles.length;
    return sign * (x - middle) > 0 ? say("beyond the middle of the pairs placed so far") : null;
  }
  return sign * (x - (width - 1) / 2) > width / 10 ? say("on the other half of the film") : null;
}
