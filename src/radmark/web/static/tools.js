// Measuring on the film and calibrating it: the points clicked so far and what they say.

import { angleDeg, distance } from "./geometry.js";
import { circleOf } from "./stage.js";

/**
 * Millimetres a pixel as [x, y] and the unit they give; squares where nothing is known.
 *
 * @returns {[[number, number], string]}
 */
function scaleOf(spacing) {
  return spacing ? [[spacing.x_mm, spacing.y_mm], "mm"] : [[1, 1], "px"];
}

export function length(a, b, spacing) {
  const [scale, unit] = scaleOf(spacing);
  return `${distance(a, b, scale).toFixed(1)} ${unit}`;
}

export function angle(a, b, c, spacing) {
  return `${angleDeg(a, b, c, scaleOf(spacing)[0]).toFixed(1)}°`;
}

export class Tool {
  /** @param kind measure, line or circle. */
  constructor(kind) {
    this.kind = kind;
    this.points = [];
  }

  /** How many points it takes; more rim points make a ball surer. */
  get most() {
    return { measure: 3, line: 2, circle: 64 }[this.kind];
  }

  get enough() {
    return this.points.length >= { measure: 2, line: 2, circle: 3 }[this.kind];
  }

  add(point) {
    if (this.points.length === this.most) this.points = [];
    this.points.push(point);
  }

  /** What the points, and the cursor as the next of them, say. */
  words(cursor, spacing) {
    const points = cursor && this.points.length < this.most ? [...this.points, cursor] : this.points;
    if (this.kind === "circle") {
      const circle = circleOf(this.points);
      return circle ? `${(2 * circle.radius).toFixed(2)} px across` : "";
    }
    if (points.length < 2) return "";
    if (this.kind === "line") return `${distance(points[0], points[1]).toFixed(2)} px`;
    if (points.length === 2) return length(points[0], points[1], spacing);
    return `${angle(points[0], points[1], points[2], spacing)} · ${length(points[1], points[2], spacing)}`;
  }

  get prompt() {
    if (this.kind === "measure") return "Measure: click two points for a distance, a third for the angle at the second";
    if (this.kind === "line") return "Calibrate: click both ends of the known distance";
    return "Calibrate: click at least three points on the rim of the ball, well apart";
  }
}
