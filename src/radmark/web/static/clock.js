// How long somebody really works on a film: the page is seen, and the last sign of life is less than a minute old.

const IDLE_MS = 60_000;

export class Clock {
  constructor() {
    this.seconds = 0;
    this.withProposal = false;
    this.counted = this.alive = performance.now();
    this.seen = document.visibilityState === "visible";
    for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
      addEventListener(kind, () => this.#sign(), { passive: true, capture: true });
    }
    document.addEventListener("visibilitychange", () => {
      this.#count();
      this.seen = document.visibilityState === "visible";
      this.counted = this.alive = performance.now();
    });
  }

  #sign() {
    this.#count();
    this.alive = performance.now();
  }

  #count() {
    const now = performance.now();
    if (this.seen) this.seconds += Math.max(0, Math.min(now, this.alive + IDLE_MS) - this.counted) / 1000;
    this.counted = now;
  }

  /** Seconds since the last call, and whether a proposal was shown meanwhile. */
  take() {
    this.#count();
    const taken = { seconds: Math.round(this.seconds * 100) / 100, withProposal: this.withProposal };
    this.seconds = 0;
    return taken;
  }
}
