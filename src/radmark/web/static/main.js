// The page: it knows the project, the film on the stage and the landmark that is asked for, and joins the other modules.

import * as api from "./api.js";
import { Clock } from "./clock.js";
import { GROUPS, isTyping, keyOf, meaning } from "./keys.js";
import { Film, Window } from "./levels.js";
import { FilmList } from "./list.js";
import { Outbox } from "./outbox.js";
import { Panel } from "./panel.js";
import { PLACED, Reading, sideWarning, spoken } from "./points.js";
import { paragraph, progressTable, readingsTable, showTable } from "./readers.js";
import { banner, question, say } from "./say.js";
import { LOUPES, Stage } from "./stage.js";
import { Tool, length } from "./tools.js";

/** @type {(id: string) => any} whichever element the page has under that id */
const $ = (id) => document.getElementById(id);
const KEPT_FILMS = 4;
const REPORT_TIME_MS = 20_000;
const DEFAULTS = {
  loupe: "pressing", loupeZoom: 6, guides: false, names: false, lines: true, proposals: true, leftHanded: false, stated: "",
};

class App {
  constructor() {
    this.settings = { ...DEFAULTS, ...stored("radmark-settings", {}) };
    this.project = null;
    this.image = null; // the film's description, as the server gives it
    this.reading = null;
    this.current = null; // the landmark that is asked for
    this.armed = "present"; // the state the next click gives
    this.tool = null;
    this.proposals = null;
    this.readings = null;
    this.showReadings = false;
    /** @type {Map<any, Promise<api.Pixels>>} id -> promise of pixels; the last few */
    this.films = new Map();
    /** @type {api.Pixels} of the film on the stage */
    this.pixelsShown = null;
    this.turn = 0;
    this.nudge = null;
    this.clock = new Clock();
  }

  async start() {
    this.stage = new Stage($("film"), $("marks"), this);
    this.panel = new Panel(this);
    this.project = await api.project();
    const { project } = this;
    document.title = `${project.name} · radmark`;
    $("project").textContent = project.name;
    $("notice").title = project.notice;
    $("who").textContent = `${project.me.name}${project.me.role === "adjudicator" ? ", adjudicator" : ""}${project.me.blind ? ", blind reading" : ""}`;
    $("order").value = project.order;
    $("order").querySelector("[value=uncertainty]").disabled = !project.has_model;
    this.canPropose = project.has_model && project.me.proposals;
    $("proposal-buttons").hidden = !this.canPropose;
    this.canReadOthers = project.me.role === "adjudicator" && !project.me.blind;
    /** @type {HTMLElement} */ (document.querySelector("[data-action=readers]")).hidden = !this.canReadOthers;
    this.panel.of(project.scheme);
    this.counts(project.counts);
    this.#applySettings();
    if (project.left_out.length) {
      banner("left-out", `${project.left_out.length} file${project.left_out.length > 1 ? "s" : ""} cannot be annotated, such as ` +
        `${project.left_out[0].name}: ${project.left_out[0].problem}`, { text: "All right", act: () => banner("left-out", null) });
    }

    this.outbox = new Outbox(`${project.name}|${project.scheme.name}|${project.me.name}`, {
      onState: () => this.sign(),
      onSaved: (item, answer) => this.#saved(item, answer),
      onConflict: (items, current) => this.#conflict(items, current),
      onRefused: (item, error) => this.#refused(item, error),
    });
    await this.outbox.open();

    this.list = new FilmList($("list"), (offset, limit) =>
      api.images({ state: $("filter").value, q: $("find").value, order: $("order").value, offset, limit }), {
      onOpen: (film) => this.open(film.id),
      onTotal: (total) => this.listed(total),
      onError: () => banner("list", "The list of films cannot be fetched: the server does not answer.",
        { text: "Try again", act: () => { banner("list", null); this.list.reload(); } }),
    });
    this.#listen();
    this.sign();
    await this.list.reload();
    const last = stored(this.outbox.scope, null);
    if (last) {
      await this.list.at(last.index); // the page of the list it stood on, so that its row is found
      if (await api.image(last.id).then(() => true, () => false)) return this.open(last.id);
    }
    const { images } = await api.images({ state: "todo", order: project.order, offset: 0, limit: 1 });
    const first = images[0] ?? (await this.list.at(0));
    if (first) return this.open(first.id);
    return say("There is no film here to annotate", true);
  }

  // ------------------------------------------------------------------------------------------------------------ films

  pixels(id) {
    if (!this.films.has(id)) {
      const asked = api.pixels(id);
      asked.catch(() => this.films.delete(id));
      this.films.set(id, asked);
      while (this.films.size > KEPT_FILMS) this.films.delete(this.films.keys().next().value);
    }
    return this.films.get(id);
  }

  async open(id) {
    const turn = ++this.turn;
    const since = performance.now();
    this.#leave();
    $("loading").textContent = "Opening …";
    try {
      const [image, pixels] = await Promise.all([api.image(id), this.pixels(id)]);
      if (turn !== this.turn) return;
      this.image = image;
      if (!pixels.film) {
        pixels.film = new Film(pixels.pixels, pixels.width, pixels.height);
        delete pixels.pixels;
      }
      this.pixelsShown = pixels;
      this.#take(image);
      this.stage.viewer.show(pixels.film);
      const [low, high] = pixels.window;
      if (high > low) {
        this.stage.viewer.original = Window.between(low, high);
        this.stage.viewer.resetWindow();
      }
      this.stage.viewer.draw();
      performance.measure("radmark-opened", { start: since });
      $("loading").textContent = "";
      this.#showImage();
      say(`${image.name}: ${this.reading.marked.length} of ${this.reading.names.length} landmarks have a state`);
      banner("film", null);
      this.#fetchProposals(turn, id);
      this.#fetchReadings(turn, id);
      this.#measure();
      this.#remember();
      this.#prefetch();
    } catch (error) {
      if (turn !== this.turn) return;
      $("loading").textContent = "";
      if (error.status === undefined) throw error;
      this.sessionOver(error);
      banner("film", `The film cannot be opened: ${error.message}. ${error.remedy}`,
        { text: "Try again", act: () => { banner("film", null); this.open(id); } });
    }
  }

  /** The reading of a film: what is stored, and over it what this browser has not been able to send. */
  #take(image) {
    const landmarks = { ...image.landmarks };
    for (const { name } of this.project.scheme.landmarks) this.outbox.saw(image.id, name, landmarks[name]?.version ?? 0);
    for (const item of this.outbox.of(image.id)) if (item.landmark) landmarks[item.landmark] = item.body;
    this.reading = new Reading(this.project.scheme, landmarks, (name, value, how) => this.#emit(name, value, how));
    const steps = stored(`steps ${image.id}`, null, sessionStorage);
    if (steps && steps.scope === this.outbox.scope) Object.assign(this.reading, { made: steps.made, undone: steps.undone });
    this.proposals = null;
    this.readings = null;
    this.current = this.reading.nextOpen();
    this.armed = "present";
    this.tool = null;
    this.stage.forgetCursor();
    this.clock.withProposal = false;
  }

  #leave() {
    this.flush();
    this.#reportTime();
  }

  #remember() {
    const index = this.list.indexOf(this.image.id);
    localStorage.setItem(this.outbox.scope, JSON.stringify({ id: this.image.id, index: Math.max(0, index) }));
  }

  #prefetch() {
    const { turn } = this;
    setTimeout(async () => {
      const next = await this.#neighbour(1);
      if (next && turn === this.turn) this.pixels(next).catch(() => {});
    }, 150);
  }

  /** The id of the film before or after this one: in the list as it stands, else by name. */
  async #neighbour(step) {
    if (!this.image) return null;
    const index = this.list.indexOf(this.image.id);
    if (index < 0) return step > 0 ? this.image.next : this.image.previous;
    return (await this.list.at(index + step))?.id ?? null;
  }

  async go(step) {
    const id = await this.#neighbour(step);
    if (id) return this.open(id);
    return say(step > 0 ? "This is the last film of the list" : "This is the first film of the list");
  }

  /** Done, or not done any more. Done goes on to the next film that is not. */
  async setDone(done, goOn) {
    const { image } = this;
    if (!image) return;
    this.flush();
    this.#reportTime();
    image.done = done;
    this.outbox.add({ path: `/api/images/${image.id}/done`, body: { done }, image: image.id, imageName: image.name });
    this.list.update(image.id, { done });
    this.#showImage();
    const open = this.reading.names.length - this.reading.marked.length;
    const left = open ? `; ${open} landmarks are not annotated` : "";
    if (done && goOn) {
      const next = await this.list.after(this.list.indexOf(image.id), (film) => !film.done && film.id !== image.id);
      if (next) await this.open(next.film.id);
      say(next ? `${image.name} is done${left}. Now ${next.film.name}` : `${image.name} is done${left}. No film of this list is left`);
    }
  }

  #showImage() {
    const { image } = this;
    $("film-name").textContent = image.name + (image.reading > 1 ? ` · reading ${image.reading}` : "");
    $("film-name").title = `${image.width} × ${image.height}`;
    $("done").setAttribute("aria-pressed", String(image.done));
    $("done").textContent = image.done ? "Done ✓" : "Done (D)";
    $("comment").value = image.comment ?? "";
    $("comment-box").querySelector("summary").textContent = image.comment ? "Comment ●" : "Comment";
    this.calibration = image.calibration;
    this.#showSpacing();
    this.list.show(image.id);
    this.#showSides();
    this.refresh();
  }

  #showSpacing(residual = null) {
    const { spacing } = this.image;
    $("spacing").textContent = (spacing
      ? `${spacing.x_mm.toFixed(4)} × ${spacing.y_mm.toFixed(4)} mm per pixel (${spacing.source.replaceAll("-", " ")})`
      : "No millimetres are known: lengths are in pixels.") +
      (residual === null ? "" : ` The rim fits to ${residual.toFixed(2)} px.`);
    $("uncalibrate").disabled = !this.image.calibration;
  }

  /** How the film lies, where its file or a table says so. */
  #told() {
    return ["standard", "mirrored"].find((display) => display === this.image?.display) ?? null;
  }

  /** How the film lies: as it says itself, else as this reader states; where nobody says, the standard display is assumed. */
  #showSides() {
    const told = this.#told();
    this.display = told ?? (this.settings.stated || "standard");
    $("display").value = told ?? this.settings.stated;
    $("display").disabled = told !== null;
    const [left, right] = { standard: ["R", "L"], mirrored: ["L", "R"], unknown: ["?", "?"] }[this.display];
    $("side-left").textContent = left;
    $("side-right").textContent = right;
    const flags = this.image?.flags.filter(({ flag }) => flag !== "orientation_unknown" || !this.settings.stated) ?? [];
    $("film-flags").textContent = flags.map(({ words }) => words).join("; ");
    $("film-flags").title = $("film-flags").textContent;
  }

  listed(total) {
    $("list").setAttribute("aria-label", `Films, ${total} in this list`);
    this.shownTotal = total;
    this.counts(this.project.counts);
  }

  counts(counts) {
    this.project.counts = counts;
    const shown = this.shownTotal === undefined || this.shownTotal === counts.items ? "" : ` · ${this.shownTotal} in this list`;
    $("counts").textContent = `${counts.done} of ${counts.items} done · ${counts.started} started${shown}`;
    $("progress-bar").max = Math.max(1, counts.items);
    $("progress-bar").value = counts.done;
  }

  // -------------------------------------------------------------------------------------------------------- landmarks

  select(name) {
    this.flush();
    this.current = name;
    this.armed = "present";
    const point = this.reading?.point(name);
    if (point && !this.stage.press) this.stage.viewer.reveal(point);
    this.refresh();
  }

  /** Where a click or Enter puts the current landmark; with none left, a click on a point selects it. */
  place(point, near = null) {
    const { current, reading } = this;
    if (!reading) return;
    if (!current) {
      if (near) this.select(near);
      else say("Every landmark has a state. Drag a point to correct it, or press D: done");
      return;
    }
    const was = reading.get(current).state;
    if (PLACED.includes(was) && near && near !== current) {
      this.select(near);
      return;
    }
    const state = PLACED.includes(was) ? was : this.armed;
    const how = this.#how(PLACED.includes(was) ? "moved" : this.stage.byKeys ? "keyed" : "placed");
    this.#put(current, point, how, state);
    if (!PLACED.includes(was)) this.#advance(current);
  }

  /** A point was dragged: one of the reader's own, or a proposal, that becomes the reader's by it. */
  drag(name, point) {
    const { state } = this.reading.get(name);
    this.#put(name, point, this.#how("moved"), PLACED.includes(state) ? state : "present");
    if (state === "not_annotated") this.#advance(name);
  }

  #how(how) {
    return this.canReadOthers && this.showReadings ? "adjudicated" : how;
  }

  #put(name, point, how, state = "present") {
    const exact = point.map((value) => Math.round(value * 1e4) / 1e4);
    this.#checkSide(name, exact);
    this.reading.put(name, exact, how, state);
    this.refresh();
  }

  #advance(name) {
    this.current = this.reading.nextOpen(name);
    this.armed = "present";
    say(this.current ? `${spoken(name)} placed. Next: ${spoken(this.current)}` : `${spoken(name)} placed. Every landmark has a state`);
    this.refresh();
  }

  #checkSide(name, point) {
    const warning = sideWarning(this.project.scheme, name, point, (other) => this.reading.point(other), this.image.width, this.display);
    this.panel.warn(warning && warning.replace(name, spoken(name)));
  }

  setState(state) {
    const { current, reading } = this;
    if (!current || !reading) return;
    this.flush();
    if (reading.setState(current, state)) {
      say(`${spoken(current)}: ${state.replaceAll("_", " ")}`);
      this.panel.warn(null);
      if (state === "absent") this.current = reading.nextOpen(current) ?? current;
    } else {
      this.armed = state;
      say(`Click where ${spoken(current)} is; it will be ${state}`);
    }
    this.refresh();
  }

  step(by) {
    const { reading, current } = this;
    if (!reading || !this.stage.viewer.film) return;
    const at = !this.tool && current && (this.nudge?.point ?? reading.point(current));
    if (!at) {
      this.stage.step(by);
      return;
    }
    // A held key makes thirty steps a second: they are one correction, written when the key is let go or rests.
    const start = this.nudge ?? { name: current, from: reading.get(current) };
    this.stage.moveCursor([at[0] + by[0], at[1] + by[1]]);
    const point = this.stage.cursor;
    clearTimeout(start.timer);
    this.nudge = { ...start, point, timer: setTimeout(() => this.flush(), 300) };
    reading.values.set(current, { x: point[0], y: point[1], state: start.from.state });
    this.sign();
    this.refresh();
  }

  /** Write what is still in the hand: a nudge that has not ended, a comment that is being typed. */
  flush() {
    if (this.nudge) {
      const { name, from, point, timer } = this.nudge;
      clearTimeout(timer);
      this.nudge = null;
      this.reading.values.set(name, from);
      this.#put(name, point, this.#how("keyed"), from.state);
    }
    if (this.typing) {
      clearTimeout(this.typing);
      this.typing = null;
      const { image } = this;
      const text = $("comment").value;
      image.comment = text || null;
      this.outbox.add({ path: `/api/images/${image.id}/comment`, body: { text }, image: image.id, imageName: image.name });
      this.list.update(image.id, { comment: image.comment });
    }
  }

  /** One change, on its way to the server. */
  #emit(name, { x, y, state }, how) {
    const { image, reading } = this;
    this.outbox.add({
      path: `/api/images/${image.id}/events`,
      body: { event_id: api.uuid(), landmark: name, x, y, state, how },
      image: image.id, imageName: image.name, landmark: name,
    });
    sessionStorage.setItem(`steps ${image.id}`,
      JSON.stringify({ scope: this.outbox.scope, made: reading.made.slice(-200), undone: reading.undone.slice(-200) }));
    this.list.update(image.id, { n_marked: reading.marked.length, n_placed: reading.placed.length });
  }

  undo(step) {
    if (!this.reading) return;
    this.flush();
    const name = this.reading[step]();
    if (!name) {
      say(`There is nothing to ${step}`);
      return;
    }
    // The page's own step is remembered anew by emit; the landmark it was about is the one to go on with.
    this.current = name;
    this.panel.warn(null);
    say(`${step}: ${spoken(name)} is ${this.reading.get(name).state.replaceAll("_", " ")}`);
    const point = this.reading.point(name);
    if (point) this.stage.viewer.reveal(point);
    this.refresh();
  }

  // ------------------------------------------------------------------------------------------------ the server's answers

  /** The sign: saved is said only when the server has said so. */
  sign() {
    if (!this.outbox) return;
    const { waiting, trouble } = this.outbox;
    const moving = this.nudge || this.typing;
    const [state, text] = trouble && waiting
      ? ["unsaved", `NOT saved: ${waiting} change${waiting > 1 ? "s" : ""}`]
      : waiting || moving ? ["saving", "Saving …"] : ["saved", "Saved"];
    const sign = $("saved");
    if (sign.dataset.state !== state || sign.textContent !== text) {
      sign.dataset.state = state;
      sign.textContent = text;
    }
    sign.dataset.waiting = waiting;
    if (trouble?.status === 401) this.sessionOver(trouble);
    else if (trouble) {
      banner("away", `The server ${trouble.status === 0 ? "does not answer" : `cannot store just now (${trouble.message})`}. ` +
        `Go on: ${waiting} change${waiting === 1 ? " is" : "s are"} kept ${this.outbox.keepsOverRestart ? "in this browser" : "in this page only — do not close it"} ` +
        "and sent when it is back.", { text: "Try now", act: () => this.outbox.retry() });
    } else {
      banner("away", null);
      banner("session", null);
    }
  }

  sessionOver(error) {
    if (error.status === 401) {
      banner("session", "Your session has ended. Open a new link from `radmark annotate` in this browser; " +
        "what is not saved yet is kept here and sent then.");
    }
  }

  #saved(item, answer) {
    if ("counts" in answer) this.counts(answer.counts);
    if (!item.landmark) return;
    if (item.image === this.image?.id) {
      clearTimeout(this.measuring);
      this.measuring = setTimeout(() => this.#measure(), 80);
    }
  }

  async #conflict(items, current) {
    const item = items[items.length - 1];
    const { landmark } = item;
    const mine = item.body;
    if (item.image === this.image?.id) {
      this.reading.accept(landmark, current);
      this.refresh();
    }
    const words = (value) => (value && value.x !== null ? `${value.state} at ${value.x.toFixed(1)}, ${value.y.toFixed(1)}` : (value?.state ?? "nothing").replaceAll("_", " "));
    const said = await question("Somebody was faster: nothing was overwritten", [
      `${spoken(landmark)} of ${item.imageName} was changed elsewhere (another tab, or another person under your name) after you had it on the screen.`,
      `Stored now: ${words(current)}${current ? `, by ${current.by}, ${new Date(current.at).toLocaleTimeString()}` : ""}.`,
      `Yours, not stored: ${words(mine)}.`,
    ], [["theirs", "Keep what is stored"], ["mine", "Store mine instead"]]);
    if (said !== "mine") return;
    const value = { x: mine.x, y: mine.y, state: mine.state };
    if (item.image === this.image?.id) {
      this.reading.change(landmark, value, mine.how === "accepted" ? "moved" : mine.how);
      this.refresh();
    } else {
      this.outbox.add({ ...item, key: undefined, kept: undefined, body: { ...mine, event_id: api.uuid() } });
    }
  }

  #refused(item, error) {
    const what = item.landmark ? spoken(item.landmark) : item.path.split("/").pop();
    banner("refused", `NOT stored: ${what} of ${item.imageName}. ${error.message}. ${error.remedy}`,
      { text: "I have read this", act: () => banner("refused", null) });
    if (item.landmark && item.image === this.image?.id) this.#refetch();
  }

  /** What the server has, after it refused something of ours. */
  async #refetch() {
    const { turn, image } = this;
    const fresh = await api.image(image.id).catch(() => null);
    if (!fresh || turn !== this.turn) return;
    this.image = fresh;
    for (const { name } of this.project.scheme.landmarks) {
      if (this.outbox.of(image.id).some((item) => item.landmark === name)) continue;
      this.outbox.saw(image.id, name, fresh.landmarks[name]?.version ?? 0);
      this.reading.accept(name, fresh.landmarks[name]);
    }
    this.refresh();
  }

  async #measure() {
    const { turn, image } = this;
    // What the film says is not sent back as if this reader had said it.
    const stated = { side: $("side").value, display: this.#told() === null ? this.settings.stated : null };
    const answer = await api.measurements(image.id, stated).catch(() => null);
    if (turn === this.turn) this.panel.measures(answer);
  }

  #reportTime() {
    if (!this.image || !this.outbox) return;
    const { seconds, withProposal } = this.clock.take();
    if (seconds < 0.05) return;
    this.outbox.add({
      path: `/api/images/${this.image.id}/time`,
      body: { event_id: api.uuid(), seconds: Math.min(3600, seconds), with_proposal: withProposal },
      image: this.image.id, imageName: this.image.name,
    });
  }

  // ----------------------------------------------------------------------------------------------- model and readers

  get shownProposals() {
    return this.settings.proposals && this.proposals ? this.proposals : null;
  }

  openProposals() {
    if (!this.proposals || !this.reading) return [];
    return Object.keys(this.proposals).filter((name) => this.reading.get(name)?.state === "not_annotated" && this.proposals[name].x !== null);
  }

  async #fetchProposals(turn, id) {
    const line = $("proposal-status");
    line.textContent = "";
    if (!this.canPropose) return;
    try {
      for (;;) {
        const answer = await api.proposals(id);
        if (turn !== this.turn) return;
        if (answer.status !== "pending") {
          this.proposals = answer.status === "ready" ? answer.landmarks : null;
          line.textContent = this.proposals ? `${this.openProposals().length} proposals: A takes one, Shift+A all; drag to correct` : "";
          break;
        }
        line.textContent = "The model is looking …";
        await new Promise((resolve) => setTimeout(resolve, 500));
        if (turn !== this.turn) return;
      }
      this.clock.withProposal = this.shownProposals !== null;
    } catch (error) {
      if (turn === this.turn) line.textContent = `No proposals: ${error.message}`;
    }
    this.refresh();
  }

  acceptProposal(name) {
    const proposal = this.shownProposals?.[name];
    if (!proposal || proposal.x === null || this.reading.get(name).state !== "not_annotated") return false;
    const { x, y, state } = proposal;
    this.reading.put(name, [x, y], "accepted", PLACED.includes(state) ? state : "present");
    return true;
  }

  async #fetchReadings(turn, id) {
    if (!this.canReadOthers || !this.showReadings) {
      $("readers-box").hidden = true;
      return;
    }
    try {
      const found = await api.readings(id);
      if (turn !== this.turn) return;
      this.readings = found;
      $("readers-box").hidden = false;
      $("readers-table").replaceChildren(...readingsTable(found,
        (name, { x, y }) => {
          this.#put(name, [x, y], "adjudicated");
          this.#advance(name);
        },
        (name, consensus) => {
          this.select(name);
          if (consensus) this.stage.viewer.reveal([consensus.x, consensus.y]);
        }));
    } catch (error) {
      if (turn === this.turn) say(`The readings cannot be shown: ${error.message}`, true);
    }
    this.refresh();
  }

  get shownReadings() {
    return this.showReadings ? this.readings : null;
  }

  // ------------------------------------------------------------------------------------------------------------ tools

  setTool(kind) {
    this.flush();
    this.tool = kind && this.tool?.kind !== kind ? new Tool(kind) : null;
    if (this.tool) $("tools-box").open = true;
    this.refresh();
  }

  toolPoint(point) {
    this.tool.add(point);
    say(this.tool.words(null, this.image.spacing) || this.tool.prompt);
    this.refresh();
    if (this.tool.kind === "line" && this.tool.enough) $("mm").focus();
  }

  toolWords(cursor) {
    return this.tool?.words(cursor, this.image.spacing) ?? "";
  }

  async calibrate(body) {
    const { image, turn } = this;
    try {
      const answer = await api.post(`/api/images/${image.id}/calibration`, body);
      image.calibration = answer.calibration;
      image.spacing = answer.spacing;
      if (turn !== this.turn) return;
      this.calibration = answer.calibration;
      this.tool = null;
      this.#showSpacing(answer.residual_px ?? null);
      say(answer.calibration ? "Calibrated; stored" : "The calibration is forgotten");
      this.#measure();
      this.refresh();
      $("marks").focus();
    } catch (error) {
      if (error.status === undefined) throw error;
      say(`The calibration is NOT stored: ${error.message}. ${error.remedy}`, true);
    }
  }

  // ---------------------------------------------------------------------------------------------------------- the page

  say(text) {
    say(text);
  }

  refresh() {
    this.panel.update();
    this.stage.refresh();
    const { tool } = this;
    for (const [selector, kind] of [["[data-action=measure]", "measure"], ["[data-action=calibrate]", "line"], ["#ball", "circle"]]) {
      document.querySelector(selector).setAttribute("aria-pressed", String(tool?.kind === kind));
    }
    $("tool-prompt").textContent = tool ? `${tool.prompt}. ${tool.words(null, this.image?.spacing)}` : "";
    const calibrates = tool !== null && tool.kind !== "measure";
    $("calibration").hidden = !calibrates;
    $("calibrate-now").disabled = !(calibrates && tool.enough);
    $("mm-label").firstChild.textContent = tool?.kind === "circle" ? "Diameter of the ball, mm " : "Known distance, mm ";
    $("marks").setAttribute("aria-label", this.image ? `${this.image.name}. Arrow keys move the cursor, Enter places, H lists all keys.` : "No film");
  }

  onCursor(cursor) {
    const { viewer } = this.stage;
    if (!viewer.film) return;
    const parts = [];
    if (cursor) {
      const gray = viewer.film.at(cursor);
      const { scale, offset } = this.pixelsShown;
      parts.push(`x ${cursor[0].toFixed(1)} y ${cursor[1].toFixed(1)}`);
      if (gray !== null) parts.push(`gray ${scale === 1 && offset === 0 ? gray : (gray * scale + offset).toPrecision(5)}`);
      const before = this.reading?.placed.filter((name) => name !== this.current).at(-1);
      if (before && !this.tool) parts.push(`${length(this.reading.point(before), cursor, this.image.spacing)} from ${spoken(before)}`);
    }
    parts.push(`${Math.round((100 * viewer.view.scale) / viewer.ratio)} %`);
    parts.push(`L ${Math.round(viewer.window.level)} W ${Math.round(viewer.window.width)}`);
    const text = parts.join("  ");
    if ($("readout").textContent !== text) $("readout").textContent = text;
  }

  setting(name, value) {
    this.settings[name] = value;
    localStorage.setItem("radmark-settings", JSON.stringify(this.settings));
    this.#applySettings();
  }

  #applySettings() {
    const { settings } = this;
    document.body.classList.toggle("left-handed", settings.leftHanded);
    $("hand").setAttribute("aria-pressed", String(settings.leftHanded));
    for (const name of ["guides", "names", "proposals"]) pressed(name, settings[name]);
    pressed("smooth", this.stage.viewer.smooth);
    pressed("invert", this.stage.viewer.window.invert);
    pressed("readers", this.showReadings);
    $("loupe-button").textContent = `Loupe ${settings.loupeZoom}×${settings.loupe === "pressing" ? "" : ` ${settings.loupe}`}`;
    this.stage.redraw();
  }

  act(action) {
    const { viewer } = this.stage;
    const { settings } = this;
    const names = this.reading?.names ?? [];
    const toggled = (name) => this.setting(name, !settings[name]);
    const actions = {
      place: () => {
        if (this.tool) return this.stage.cursor && this.toolPoint(this.stage.cursor);
        if (this.stage.cursor) return this.place(this.stage.cursor);
        return say("Move the cursor with the arrow keys first");
      },
      next: () => this.select(names[(names.indexOf(this.current) + 1) % names.length]),
      previous: () => this.select(names[(Math.max(0, names.indexOf(this.current)) - 1 + names.length) % names.length]),
      present: () => this.setState("present"),
      occluded: () => this.setState("occluded"),
      absent: () => this.setState("absent"),
      clear: () => this.setState("not_annotated"),
      undo: () => this.undo("undo"),
      redo: () => this.undo("redo"),
      escape: () => {
        if (this.tool) this.setTool(null);
        else this.current = this.reading?.nextOpen() ?? null;
        this.panel.warn(null);
        this.refresh();
        $("marks").focus();
      },
      zoomIn: () => this.stage.zoom(1.5),
      zoomOut: () => this.stage.zoom(1 / 1.5),
      fit: () => viewer.fit(),
      real: () => viewer.zoomTo(viewer.view.scale === 1 ? 4 : 1, this.stage.cursor ? viewer.view.toCanvas(this.stage.cursor) : undefined),
      loupe: () => {
        const modes = ["pressing", "always", "never"];
        this.setting("loupe", modes[(modes.indexOf(settings.loupe) + 1) % 3]);
        say(`Loupe: ${settings.loupe === "pressing" ? "while pressing" : settings.loupe}`);
      },
      loupeZoom: () => this.setting("loupeZoom", LOUPES[(LOUPES.indexOf(settings.loupeZoom) + 1) % LOUPES.length]),
      brighter: () => viewer.changeWindow(-0.05, 0),
      darker: () => viewer.changeWindow(0.05, 0),
      moreContrast: () => viewer.changeWindow(0, -0.1),
      lessContrast: () => viewer.changeWindow(0, 0.1),
      resetWindow: () => viewer.resetWindow(),
      invert: () => {
        viewer.invert();
        this.#applySettings();
      },
      smooth: () => {
        viewer.setSmooth(!viewer.smooth);
        this.#applySettings();
      },
      guides: () => toggled("guides"),
      names: () => toggled("names"),
      lines: () => toggled("lines"),
      measure: () => this.setTool("measure"),
      calibrate: () => this.setTool(this.tool?.kind === "line" ? "circle" : this.tool?.kind === "circle" ? null : "line"),
      accept: () => {
        const name = this.current;
        if (name && this.acceptProposal(name)) this.#advance(name);
        else say("There is no proposal to accept for this landmark");
      },
      acceptAll: () => {
        const taken = this.shownProposals ? this.openProposals().filter((name) => this.acceptProposal(name)) : [];
        this.current = this.reading?.nextOpen() ?? null;
        say(`${taken.length} proposals accepted`);
        this.refresh();
      },
      proposals: () => {
        toggled("proposals");
        if (this.shownProposals) this.clock.withProposal = true;
        this.refresh();
      },
      readers: () => {
        if (!this.canReadOthers) return say("Other readers' points are for adjudicators");
        this.showReadings = !this.showReadings;
        this.#applySettings();
        if (this.image) this.#fetchReadings(this.turn, this.image.id);
        return this.refresh();
      },
      progress: () => this.showProgress(),
      nextFilm: () => this.go(1),
      previousFilm: () => this.go(-1),
      done: () => this.setDone(true, true),
      comment: () => {
        $("comment-box").open = true;
        $("comment").focus();
      },
      find: () => $("find").focus(),
      help: () => ($("help").open ? $("help").close() : $("help").showModal()),
    };
    actions[action]?.();
  }

  async showProgress() {
    try {
      const answer = await api.progress();
      showTable("Progress", progressTable(answer),
        paragraph("Seconds: mean working time of the films that are done; in brackets how many. Pauses over a minute do not count.", "small"));
    } catch (error) {
      say(`Progress cannot be shown: ${error.message}`, true);
    }
  }

  #export() {
    const p = document.createElement("p");
    p.className = "row";
    for (const format of this.project.formats) {
      const link = p.appendChild(document.createElement("a"));
      link.href = api.exportPath(format);
      link.textContent = format;
      link.setAttribute("download", "");
    }
    showTable("Export", paragraph(this.canReadOthers ? "Everybody's readings as a file:" : "Your readings as a file:"), p,
      paragraph("csv is the table that `radmark train` reads. agreement: a page on how well the readers agree. The other formats may hold less: radmark convert says what.", "small"));
  }

  #listen() {
    addEventListener("keydown", (event) => {
      const at = /** @type {Element} */ (event.target);
      if (event.defaultPrevented || isTyping(event)) {
        if (event.key === "Escape" && at.matches?.("textarea, input, select")) $("marks").focus();
        return;
      }
      const meant = meaning(event);
      if (!meant) return;
      event.preventDefault();
      if (meant.action === "step") this.step(meant.by);
      else {
        this.flush();
        this.act(meant.action);
      }
    });
    addEventListener("keyup", (event) => {
      if (event.key.startsWith("Arrow")) this.flush();
    });
    document.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest("[data-action]"));
      if (!button) return;
      this.act(button.dataset.action);
      // A button that was clicked gives the keys back to the film; one that was pressed by a key keeps them.
      if (event.detail && !document.querySelector("dialog[open]") && !["comment", "find"].includes(button.dataset.action)) $("marks").focus();
    });
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-action]"))) {
      const key = keyOf(button.dataset.action);
      if (key && !button.title) button.title = `${key}`;
      button.setAttribute("aria-keyshortcuts", key.replace("Ctrl", "Control"));
    }
    $("hand").addEventListener("click", (event) => {
      this.setting("leftHanded", !this.settings.leftHanded);
      if (event.detail) $("marks").focus();
    });
    $("done").addEventListener("click", () => (this.image?.done ? this.setDone(false) : this.setDone(true, true)));
    $("export-open").addEventListener("click", () => this.#export());
    $("ball").addEventListener("click", () => this.setTool("circle"));
    $("uncalibrate").addEventListener("click", () => this.calibrate({ kind: "none" }));
    $("calibration").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.tool?.enough) this.calibrate({ kind: this.tool.kind, points: this.tool.points, mm: Number($("mm").value) });
    });
    $("display").addEventListener("change", () => {
      this.setting("stated", $("display").value);
      this.#showSides();
      if (this.image) this.#measure();
    });
    $("side").addEventListener("change", () => this.#measure());
    let finding = 0;
    /** @type {[string, string, number][]} */
    const choices = [["find", "input", 250], ["filter", "change", 0], ["order", "change", 0]];
    for (const [id, kind, wait] of choices) {
      $(id).addEventListener(kind, () => {
        clearTimeout(finding);
        finding = setTimeout(() => this.list.reload().then(() => this.image && this.list.show(this.image.id)), wait);
      });
    }
    $("comment").addEventListener("input", () => {
      if (!this.image) return;
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.flush(), 700);
      this.sign();
    });
    $("comment").addEventListener("blur", () => this.flush());
    document.addEventListener("visibilitychange", () => {
      this.flush();
      if (document.visibilityState === "hidden") this.#reportTime();
    });
    addEventListener("pagehide", () => this.flush());
    addEventListener("beforeunload", (event) => {
      this.flush();
      if (this.outbox.waiting && !this.outbox.keepsOverRestart) event.preventDefault();
    });
    addEventListener("online", () => this.outbox.retry());
    setInterval(() => this.#reportTime(), REPORT_TIME_MS);
    $("help-keys").replaceChildren(...GROUPS.map(([title, rows]) => {
      const section = document.createElement("section");
      section.appendChild(document.createElement("h3")).textContent = title;
      const dl = section.appendChild(document.createElement("dl"));
      for (const [, keys, words] of rows) {
        const dt = dl.appendChild(document.createElement("dt"));
        for (const key of keys) dt.appendChild(document.createElement("kbd")).textContent = key;
        dl.appendChild(document.createElement("dd")).textContent = words;
      }
      return section;
    }));
  }
}

function pressed(action, value) {
  for (const button of document.querySelectorAll(`[data-action="${action}"]`)) button.setAttribute("aria-pressed", String(value));
}

function stored(key, otherwise, where = localStorage) {
  try {
    return JSON.parse(where.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

const app = new App();
app.start().catch((error) => {
  if (error.status === undefined) throw error;
  banner("start", error.status === 401 ? "There is no session. Open the link that `radmark annotate` printed." :
    `The page cannot start: ${error.message}. ${error.remedy}`, { text: "Try again", act: () => location.reload() });
});
