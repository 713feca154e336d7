// The films, as a list that holds only the rows in sight: ten thousand scroll like ten.

const PAGE = 100;
const SPARE = 6; // rows made above and below what is seen

export class FilmList {
  /**
   * @param root the scrolling element, a listbox.
   * @param fetchPage (offset, limit) -> the server's answer.
   * @param hooks onOpen(film, index), onTotal(total), onError(error)
   */
  constructor(root, fetchPage, hooks) {
    this.root = root;
    this.fetchPage = fetchPage;
    this.hooks = hooks;
    this.rows = new Map();
    this.open = null; // id of the film on the stage
    this.active = 0; // the row the keys are on
    this.inner = root.appendChild(document.createElement("div"));
    this.inner.className = "rows";
    root.addEventListener("scroll", () => this.#render(), { passive: true });
    root.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("click", (event) => {
      const row = event.target.closest("[data-index]");
      if (row) this.openAt(Number(row.dataset.index));
    });
    new ResizeObserver(() => this.#render()).observe(root);
    this.#forget();
  }

  #forget() {
    this.pages = new Map();
    this.asked = new Map();
    this.total = 0;
    this.turn = (this.turn ?? 0) + 1;
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
  }

  /** Start anew, after a filter or the order has changed. */
  async reload() {
    this.#forget();
    this.root.scrollTop = 0;
    this.active = 0;
    await this.#page(0);
    this.#render();
  }

  /** The film at a place of the list, or null beyond its ends or when the server is away. */
  async at(index) {
    if (index < 0) return null;
    const page = await this.#page(Math.floor(index / PAGE));
    return page?.[index % PAGE] ?? null;
  }

  /** Where a film is among the rows fetched so far; -1 where it is not. */
  indexOf(id) {
    for (const [number, page] of this.pages) {
      const i = page.findIndex((film) => film.id === id);
      if (i >= 0) return number * PAGE + i;
    }
    return -1;
  }

  /** The next film after `index` that a test accepts, from the start again after the end; null when there is none. */
  async after(index, test) {
    for (let step = 1; step <= this.total; step += 1) {
      const i = (index + step) % this.total;
      const film = await this.at(i);
      if (!film) return null;
      if (test(film)) return { film, index: i };
    }
    return null;
  }

  async openAt(index) {
    const film = await this.at(index);
    if (film) this.hooks.onOpen(film, index);
  }

  /** Say which film is on the stage, and bring its row into sight. */
  show(id) {
    this.open = id;
    const index = this.indexOf(id);
    if (index >= 0) {
      this.active = index;
      this.#reveal(index);
    }
    this.#render();
  }

  /** What changed about a film. */
  update(id, change) {
    for (const page of this.pages.values()) {
      const film = page.find((other) => other.id === id);
      if (film) Object.assign(film, change);
    }
    this.#render(true);
  }

  #page(number) {
    if (this.pages.has(number)) return Promise.resolve(this.pages.get(number));
    if (!this.asked.has(number)) {
      const { turn } = this;
      const asked = this.fetchPage(number * PAGE, PAGE).then(
        (answer) => {
          if (turn !== this.turn) return null;
          this.pages.set(number, answer.images);
          if (this.total !== answer.total) {
            this.total = answer.total;
            this.hooks.onTotal(answer.total);
          }
          return answer.images;
        },
        (error) => {
          this.asked.delete(number);
          this.hooks.onError(error);
          return null;
        },
      );
      this.asked.set(number, asked);
    }
    return this.asked.get(number);
  }

  get #rowHeight() {
    return 3 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  #reveal(index) {
    const high = this.#rowHeight;
    const { scrollTop, clientHeight } = this.root;
    if (index * high < scrollTop) this.root.scrollTop = index * high;
    else if ((index + 1) * high > scrollTop + clientHeight) this.root.scrollTop = (index + 1) * high - clientHeight;
  }

  #render(anew = false) {
    const high = this.#rowHeight;
    this.inner.style.height = `${this.total * high}px`;
    const first = Math.max(0, Math.floor(this.root.scrollTop / high) - SPARE);
    const last = Math.min(this.total, Math.ceil((this.root.scrollTop + this.root.clientHeight) / high) + SPARE);
    for (const [index, row] of this.rows) {
      if (index < first || index >= last) {
        row.remove();
        this.rows.delete(index);
      }
    }
    const missing = new Set();
    for (let index = first; index < last; index += 1) {
      const film = this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
      if (!film) missing.add(Math.floor(index / PAGE));
      let row = this.rows.get(index);
      if (!row) {
        row = this.inner.appendChild(document.createElement("div"));
        row.className = "film";
        row.id = `film-${index}`;
        row.dataset.index = index;
        row.setAttribute("role", "option");
        row.setAttribute("aria-posinset", index + 1);
        row.append(document.createElement("span"), document.createElement("small"), document.createElement("i"));
        this.rows.set(index, row);
      }
      row.setAttribute("aria-setsize", this.total);
      row.style.height = `${high}px`;
      row.style.transform = `translateY(${index * high}px)`;
      if (row.film !== film || anew) this.#fill(row, film);
      row.setAttribute("aria-selected", film !== undefined && film.id === this.open);
      row.classList.toggle("active", index === this.active);
    }
    if (this.rows.has(this.active)) this.root.setAttribute("aria-activedescendant", `film-${this.active}`);
    else this.root.removeAttribute("aria-activedescendant");
    clearTimeout(this.timer);
    if (missing.size) {
      // While somebody drags the scroll bar, only where it comes to rest is fetched.
      this.timer = setTimeout(async () => {
        await Promise.all([...missing].map((number) => this.#page(number)));
        this.#render();
      }, 60);
    }
  }

  #fill(row, film) {
    row.film = film;
    const [name, words, bar] = row.children;
    name.textContent = film ? film.name : "…";
    name.title = film?.name ?? "";
    row.dataset.state = !film ? "" : film.done ? "done" : film.n_marked ? "started" : "untouched";
    words.textContent = film
      ? [
          film.done ? "done" : film.n_marked ? `${film.n_marked} of ${film.n_landmarks}` : "not started",
          film.reading > 1 && `reading ${film.reading}`,
          film.uncertainty != null && `uncertainty ${film.uncertainty.toFixed(2)}`,
          film.comment && "comment",
        ].filter(Boolean).join(" · ")
      : "";
    bar.style.width = film ? `${(100 * film.n_marked) / film.n_landmarks}%` : "0";
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.root.clientHeight / this.#rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.total, End: this.total };
    if (event.key in steps) {
      this.active = Math.min(this.total - 1, Math.max(0, this.active + steps[event.key]));
      this.#reveal(this.active);
      this.#render();
    } else if (event.key === "Enter") this.openAt(this.active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
