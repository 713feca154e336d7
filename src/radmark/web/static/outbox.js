// What the reader did and the server has not yet confirmed. It is written to the browser's database at once and sent one after
// the other, in order, until the server has answered; so neither a server that is away nor a browser that dies loses it.
// Sending twice does no harm: the server stores an event id once.

import { post } from "./api.js";

const STORE = "waiting";

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("radmark", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key", autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @returns {Promise<void>} */
function done(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

export class Outbox {
  /**
   * @param scope whose work it is: project and reader. Another reader in the same browser never sends it.
   * @param hooks onState(), onSaved(item, answer), onConflict(items, current), onRefused(item, error)
   */
  constructor(scope, hooks) {
    this.scope = scope;
    this.hooks = hooks;
    this.items = [];
    this.sending = null;
    this.trouble = null; // the last reason why sending failed, while it does
    this.pause = 0;
    this.database = null;
    this.versions = new Map(); // "image landmark" -> the version last seen
  }

  async open() {
    try {
      this.database = await openDatabase();
      const all = this.database.transaction(STORE).objectStore(STORE).getAll();
      await new Promise((resolve, reject) => {
        all.onsuccess = resolve;
        all.onerror = () => reject(all.error);
      });
      this.items = all.result.filter((item) => item.scope === this.scope);
    } catch {
      this.database = null; // a private window may have none: then what waits lives as long as the page
    }
    this.#send();
  }

  get keepsOverRestart() {
    return this.database !== null;
  }

  /** How many changes the server has not confirmed. The time spent is no change of the reader's. */
  get waiting() {
    return this.items.filter((item) => !item.path.endsWith("/time")).length;
  }

  /** What was done to an image and is not confirmed, oldest first. */
  of(image) {
    return this.items.filter((item) => item.image === image);
  }

  /** Tell it the version of a landmark as the server gave it. */
  saw(image, landmark, version) {
    this.versions.set(`${image} ${landmark}`, version);
  }

  /**
   * @param item path, body, image and perhaps landmark; one with a landmark is a change of it and gets its base_version here.
   */
  add(item) {
    item.scope = this.scope;
    item.since = performance.now();
    if (item.landmark) {
      const follows = this.items.some((other) => other.image === item.image && other.landmark === item.landmark);
      item.body.base_version = follows ? null : (this.versions.get(`${item.image} ${item.landmark}`) ?? 0);
    }
    this.items.push(item);
    this.#keep(item);
    this.hooks.onState();
    this.#send();
  }

  /** Try at once, whatever the pause. */
  retry() {
    clearTimeout(this.timer);
    this.pause = 0;
    this.#send();
  }

  async #keep(item) {
    if (!this.database) return;
    try {
      const transaction = this.database.transaction(STORE, "readwrite", { durability: "strict" });
      const request = transaction.objectStore(STORE).add(plain(item));
      request.onsuccess = () => {
        item.key = request.result;
      };
      item.kept = done(transaction).catch(() => {});
      await item.kept;
    } catch {
      this.database = null;
    }
  }

  /** Out of the database with some, and a changed base version into it, in one step. */
  async #settle(gone, changed = []) {
    await Promise.all([...gone, ...changed].map((item) => item.kept));
    if (!this.database) return;
    try {
      const transaction = this.database.transaction(STORE, "readwrite");
      const store = transaction.objectStore(STORE);
      for (const item of gone) if (item.key !== undefined) store.delete(item.key);
      for (const item of changed) if (item.key !== undefined) store.put({ ...plain(item), key: item.key });
      await done(transaction);
    } catch {
      this.database = null;
    }
  }

  async #send() {
    if (this.sending || !this.items.length) return;
    const item = this.items[0];
    this.sending = item;
    clearTimeout(this.timer);
    this.hooks.onState();
    try {
      const answer = await post(item.path, item.body);
      this.#gone([item]);
      const changed = [];
      if (item.landmark) {
        this.saw(item.image, item.landmark, answer.version);
        const next = this.items.find((other) => other.image === item.image && other.landmark === item.landmark);
        if (next && next.body.base_version === null) {
          next.body.base_version = answer.version;
          changed.push(next);
        }
      }
      this.#settle([item], changed);
      this.trouble = null;
      this.pause = 0;
      if (item.since !== undefined) performance.measure("radmark-saved", { start: item.since });
      this.hooks.onSaved(item, answer);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#failed(item, error);
    } finally {
      this.sending = null;
      this.hooks.onState();
    }
    if (!this.trouble) this.#send();
  }

  #failed(item, error) {
    if (error.temporary || error.status === 401) {
      this.trouble = error;
      this.pause = Math.min(4000, Math.max(400, this.pause * 1.6));
      if (error.retryAfter) this.pause = Math.max(this.pause, error.retryAfter * 1000);
      this.timer = setTimeout(() => this.#send(), this.pause);
      return;
    }
    // Refused for good. Later changes of the same landmark build on this one, so they go with it.
    const gone = item.landmark
      ? this.items.filter((other) => other.image === item.image && other.landmark === item.landmark)
      : [item];
    this.#gone(gone);
    this.#settle(gone);
    this.trouble = null;
    if (error.status === 409 && item.landmark && error.body && "current" in error.body) {
      const { current } = error.body;
      this.saw(item.image, item.landmark, current?.version ?? 0);
      this.hooks.onConflict(gone, current);
    } else {
      this.hooks.onRefused(item, error);
    }
  }

  #gone(items) {
    this.items = this.items.filter((item) => !items.includes(item));
  }
}

function plain({ scope, path, body, image, imageName, landmark }) {
  return { scope, path, body, image, imageName, landmark };
}
