// The film's gray values, all 16 bits of them, and the window through which they are seen.

/** Pixels of one film: a Uint16Array of width x height, row by row, brighter is denser. */
export class Film {
  constructor(pixels, width, height) {
    if (pixels.length !== width * height) {
      throw new Error(`the film should have ${width} x ${height} pixels and has ${pixels.length}`);
    }
    this.width = width;
    this.height = height;
    this.levels = [{ pixels, width, height }];
  }

  /** The film at half the size n times over: each pixel the mean of four. Made when first needed. */
  level(n) {
    while (this.levels.length <= n) this.levels.push(halved(this.levels[this.levels.length - 1]));
    return this.levels[n];
  }

  /** How often it can be halved before a side is one pixel. */
  get deepest() {
    return Math.floor(Math.log2(Math.max(1, Math.min(this.width, this.height))));
  }

  /** Gray values below which the given shares of the film lie, from at most a million of its pixels. */
  quantiles(shares) {
    let n = 0;
    while (n < this.deepest && this.level(n).pixels.length > 1_000_000) n += 1;
    const counts = new Uint32Array(65536);
    const { pixels } = this.level(n);
    for (let i = 0; i < pixels.length; i += 1) counts[pixels[i]] += 1;
    return shares.map((share) => {
      const wanted = share * (pixels.length - 1) + 1;
      let seen = 0;
      for (let gray = 0; gray < 65536; gray += 1) {
        seen += counts[gray];
        if (seen >= wanted) return gray;
      }
      return 65535;
    });
  }

  /** Gray at the nearest pixel, or null beside the film. */
  at([x, y]) {
    const [column, row] = [Math.round(x), Math.round(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return null;
    return this.levels[0].pixels[row * this.width + column];
  }
}

function halved({ pixels, width, height }) {
  const w = Math.ceil(width / 2);
  const h = Math.ceil(height / 2);
  const out = new Uint16Array(w * h);
  for (let y = 0; y < h; y += 1) {
    const upper = 2 * y * width;
    const lower = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < w; x += 1) {
      const left = 2 * x;
      const right = left + 1 < width ? left + 1 : left;
      out[y * w + x] =
        (pixels[upper + left] + pixels[upper + right] + pixels[lower + left] + pixels[lower + right] + 2) >> 2;
    }
  }
  return { pixels: out, width: w, height: h };
}

/** Level and width in gray values; `invert` shows dense as dark. */
export class Window {
  constructor(level, width, invert = false) {
    this.level = level;
    this.width = Math.max(1, width);
    this.invert = invert;
  }

  static between(low, high, invert = false) {
    return new Window((low + high) / 2, high - low, invert);
  }

  /** What is seen of the film at first: all but the darkest and brightest half percent. */
  static of(film) {
    const [low, high] = film.quantiles([0.005, 0.995]);
    if (high > low) return Window.between(low, high);
    const [least, most] = film.quantiles([0, 1]);
    return Window.between(least, Math.max(most, least + 1));
  }

  /** 65,536 opaque gray pixels, as the canvas wants them: one for each gray value. */
  table() {
    const out = new Uint32Array(65536);
    const low = this.level - this.width / 2;
    for (let gray = 0; gray < 65536; gray += 1) {
      const share = Math.min(1, Math.max(0, (gray - low) / this.width));
      const shown = Math.round(255 * (this.invert ? 1 - share : share));
      out[gray] = 0xff000000 | (shown << 16) | (shown << 8) | shown; // R = G = B, so either byte order will do but for alpha
    }
    return out;
  }
}
