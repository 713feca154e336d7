// Points and the way from the picture to the screen.
//
// A point is [x, y] in pixels of the picture, x right, y down; [0, 0] is the CENTRE of the top-left pixel, so the picture
// covers -0.5 … W - 0.5. A place on the canvas is [u, v] in device pixels; [0, 0] is its top-left CORNER, so the middle of
// the first device pixel is [0.5, 0.5].

/** Where the picture lies on a canvas: `scale` device pixels a pixel, its top-left corner at (left, top). */
export class View {
  constructor(scale = 1, left = 0, top = 0) {
    this.scale = scale;
    this.left = left;
    this.top = top;
  }

  /** @returns {[number, number]} */
  toCanvas([x, y]) {
    return [(x + 0.5) * this.scale + this.left, (y + 0.5) * this.scale + this.top];
  }

  /** @returns {[number, number]} */
  toPicture([u, v]) {
    return [(u - this.left) / this.scale - 0.5, (v - this.top) / this.scale - 0.5];
  }

  /** The whole picture, centred, on a canvas of that size. */
  static fit(width, height, canvasWidth, canvasHeight, margin = 0) {
    const scale = Math.min((canvasWidth - 2 * margin) / width, (canvasHeight - 2 * margin) / height);
    return new View(
      scale,
      Math.round((canvasWidth - width * scale) / 2),
      Math.round((canvasHeight - height * scale) / 2),
    );
  }

  /** Another scale, the point under (u, v) staying there to less than a device pixel: corners lie on whole pixels. */
  zoomed(scale, [u, v]) {
    const f = scale / this.scale;
    return new View(scale, Math.round(u - (u - this.left) * f), Math.round(v - (v - this.top) * f));
  }
}

export function distance([ax, ay], [bx, by], [sx, sy] = [1, 1]) {
  return Math.hypot((bx - ax) * sx, (by - ay) * sy);
}

/** The angle at b between a and c, 0 … 180 degrees; pixels need not be square. */
export function angleDeg(a, b, c, [sx, sy] = [1, 1]) {
  const [ux, uy, vx, vy] = [(a[0] - b[0]) * sx, (a[1] - b[1]) * sy, (c[0] - b[0]) * sx, (c[1] - b[1]) * sy];
  return Math.abs((Math.atan2(ux * vy - uy * vx, ux * vx + uy * vy) * 180) / Math.PI);
}

/** Centre and radius of the circle through three points, or null where they lie on a line. */
export function circleThrough([ax, ay], [bx, by], [cx, cy]) {
  const d = 2 * ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax));
  if (Math.abs(d) < 1e-9) return null;
  const b2 = (bx - ax) ** 2 + (by - ay) ** 2;
  const c2 = (cx - ax) ** 2 + (cy - ay) ** 2;
  const ux = ((cy - ay) * b2 - (by - ay) * c2) / d;
  const uy = ((bx - ax) * c2 - (cx - ax) * b2) / d;
  return { centre: [ax + ux, ay + uy], radius: Math.hypot(ux, uy) };
}
