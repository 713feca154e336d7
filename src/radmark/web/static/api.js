// The server's paths (docs/annotate-api.md), and its errors as one kind of exception.

export class Refused extends Error {
  /** @param status HTTP status, or 0 where the server did not answer. */
  constructor(status, body) {
    const error = body?.error ?? {};
    super(error.problem ?? (status ? `the server answered ${status}` : "the server does not answer"));
    this.status = status;
    this.value = error.value ?? null;
    this.remedy = error.remedy ?? "";
    this.body = body;
    this.retryAfter = 0; // seconds
  }

  /** Nothing was stored and nothing is wrong with what was sent: try again later. */
  get temporary() {
    return [0, 408, 429].includes(this.status) || this.status >= 500;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refused(0, null);
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  const refused = new Refused(answer.status, body);
  refused.retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  throw refused;
}

async function getJson(path) {
  const answer = await ask(path);
  try {
    return await answer.json();
  } catch {
    throw new Refused(0, null); // cut off in the middle
  }
}

export async function post(path, body) {
  const answer = await ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  try {
    return await answer.json();
  } catch {
    throw new Refused(0, null);
  }
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, v]) => v !== "" && v != null)).toString();

export const project = () => getJson("/api/project");
export const images = (values) => getJson(`/api/images?${query(values)}`);
export const image = (id) => getJson(`/api/images/${id}`);
export const proposals = (id) => getJson(`/api/images/${id}/proposals`);
export const measurements = (id, values) => getJson(`/api/images/${id}/measurements?${query(values)}`);
export const readings = (id) => getJson(`/api/readings/${id}`);
export const progress = () => getJson("/api/progress");
export const exportPath = (format) => `/api/export?${query({ format })}`;

/**
 * @typedef {object} Pixels
 * @property {number} width
 * @property {number} height
 * @property {Uint16Array} [pixels] until they have become a film.
 * @property {number[]} window low and high, as the server recommends them.
 * @property {number} scale the file's value = sent × scale + offset.
 * @property {number} offset
 * @property {import("./levels.js").Film} [film]
 */

/**
 * All pixels of one film and the window the server recommends.
 *
 * @returns {Promise<Pixels>}
 */
export async function pixels(id) {
  const answer = await ask(`/api/images/${id}/pixels`);
  const number = (name, otherwise) => Number(answer.headers.get(`X-Radmark-${name}`) ?? otherwise);
  let bytes;
  try {
    bytes = await answer.arrayBuffer();
  } catch {
    throw new Refused(0, null);
  }
  const [width, height] = [number("Width", 0), number("Height", 0)];
  if (bytes.byteLength !== width * height * 2) throw new Refused(0, null);
  return {
    width,
    height,
    pixels: uint16(bytes),
    window: [number("Window-Low", NaN), number("Window-High", NaN)],
    scale: number("Scale", 1),
    offset: number("Offset", 0),
  };
}

function uint16(bytes) {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return new Uint16Array(bytes);
  const view = new DataView(bytes); // a big-endian machine
  return Uint16Array.from({ length: bytes.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
}

/** A random version 4 UUID; `crypto.randomUUID` is missing where the page does not come from this computer or by https. */
export function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = Array.from(b, (v) => v.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
