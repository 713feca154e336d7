// The right-hand side: what to place next, every landmark with its state, measurements, ruler.

import { Diagram } from "./diagram.js";
import { partner, spoken } from "./points.js";

/** @type {(id: string) => any} whichever element the page has under that id */
const $ = (id) => document.getElementById(id);
const MARKS = { present: "✛", occluded: "▣", absent: "∅", not_annotated: "·" };
const WORDS = { present: "present", occluded: "occluded", absent: "absent", not_annotated: "not annotated" };

export class Panel {
  constructor(app) {
    this.app = app;
    this.diagram = new Diagram($("diagram"));
    this.rows = new Map();
  }

  of(scheme) {
    this.definitions = new Map(scheme.landmarks.map(({ name, definition }) => [name, definition]));
    this.diagram.of(scheme, (name) => this.app.select(name)).then(() => this.update());
    $("landmarks").replaceChildren(
      ...scheme.landmarks.map(({ name, definition }) => {
        const row = document.createElement("li");
        const button = row.appendChild(document.createElement("button"));
        button.type = "button";
        button.title = definition;
        for (const part of ["mark", "name", "where"]) button.appendChild(document.createElement("span")).className = part;
        button.addEventListener("click", () => this.app.select(name));
        button.addEventListener("keydown", (event) => this.#walk(event, name));
        this.rows.set(name, button);
        return row;
      }),
    );
    const pairs = scheme.pairs.length > 0;
    $("side-left").hidden = $("side-right").hidden = !pairs;
    $("side-label").hidden = pairs;
  }

  #walk(event, name) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.shiftKey) return;
    const names = [...this.rows.keys()];
    this.app.select(names[(names.indexOf(name) + step + names.length) % names.length]);
    this.rows.get(this.app.current)?.focus();
    event.preventDefault();
  }

  update() {
    const { app } = this;
    const { reading, current } = app;
    const proposals = app.shownProposals ?? {};
    for (const [name, button] of this.rows) {
      const value = reading?.get(name) ?? { state: "not_annotated" };
      const [mark, label, where] = button.children;
      const offered = value.state === "not_annotated" && proposals[name]?.x != null;
      button.dataset.state = value.state;
      mark.textContent = offered ? "◇" : MARKS[value.state];
      label.textContent = spoken(name);
      where.textContent = value.x == null ? (value.state === "absent" ? "absent" : "") : `${value.x.toFixed(1)}, ${value.y.toFixed(1)}`;
      const words = offered ? "proposal of the model, not accepted" : WORDS[value.state];
      button.setAttribute("aria-label", `${spoken(name)}: ${words}`);
      if (name === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      button.tabIndex = name === (current ?? reading?.names[0]) ? 0 : -1;
    }
    if (this.shown !== current) {
      this.shown = current;
      this.rows.get(current)?.scrollIntoView({ block: "nearest" });
    }
    this.diagram.update(reading, current);
    const state = current && reading ? reading.get(current).state : null;
    const marked = reading?.marked.length ?? 0;
    const all = this.rows.size;
    const offered = current && proposals[current]?.x != null && state === "not_annotated";
    $("prompt-kind").textContent = !reading ? "" : !current ? `All ${all} have a state`
      : state === "not_annotated" ? `${offered ? "Check or place" : "Place"} · ${marked} of ${all}${app.armed === "occluded" ? " · as occluded" : ""}`
      : `Correct · ${WORDS[state]} · ${marked} of ${all}`;
    $("prompt-name").textContent = current ? spoken(current) : reading ? "Done with this film? Press D" : "–";
    $("definition").textContent = current ? this.definitions.get(current) || "No definition in the scheme." : "";
    for (const button of $("states").querySelectorAll("button")) {
      const own = { present: "present", occluded: "occluded", absent: "absent", clear: "not_annotated" }[button.dataset.action];
      const armed = state === "not_annotated" && app.armed === "occluded" ? "occluded" : state;
      button.setAttribute("aria-pressed", String(armed === own));
      button.disabled = !current;
    }
    for (const [action, able] of [
      ["undo", reading?.made.length], ["redo", reading?.undone.length], ["accept", offered],
      ["acceptAll", app.openProposals().length],
    ]) {
      /** @type {NodeListOf<HTMLButtonElement>} */
      const buttons = document.querySelectorAll(`#steps [data-action="${action}"]`);
      for (const button of buttons) button.disabled = !able;
    }
    const pair = current && partner(app.project.scheme, current);
    $("prompt-name").dataset.side = pair ? (pair.isRight ? "right" : "left") : "";
  }

  warn(text) {
    $("side-warning").hidden = !text;
    if ($("side-warning").textContent !== (text ?? "")) $("side-warning").textContent = text ?? "";
  }

  /** The server's measurements; those that lack points are counted, not listed. */
  measures(answer) {
    const box = $("measures");
    if (!answer) {
      box.replaceChildren();
      return;
    }
    const known = answer.measurements.filter((m) => m.value !== null);
    const missing = answer.measurements.filter((m) => m.value === null);
    const table = document.createElement("table");
    const body = table.appendChild(document.createElement("tbody"));
    for (const m of known) {
      const row = body.insertRow();
      row.title = [m.sign && `+ ${m.sign}`, m.line && `against: ${m.line}`, `points: ${m.points.map(spoken).join(", ")}`, m.source, ...m.flags]
        .filter(Boolean).join("\n");
      row.insertCell().textContent = `${m.title}${m.side ? `, ${m.side}` : ""}`;
      const value = row.insertCell();
      value.className = m.usable === "no" ? "number unusable" : "number";
      value.textContent = m.words;
      if (m.flags.length) {
        const flag = value.appendChild(document.createElement("abbr"));
        flag.title = m.flags.join("; ");
        flag.textContent = " ⚑";
        flag.className = m.usable === "yes" ? "note" : "warning";
        flag.setAttribute("aria-label", `${{ yes: "note", check: "check", no: "not to be used" }[m.usable]}: ${m.flags.join("; ")}`);
      }
    }
    const note = document.createElement("p");
    note.className = "small";
    note.textContent = missing.length ? `${missing.length} more need other landmarks.` : "";
    if (missing.length) note.title = missing.map((m) => `${m.title}: ${m.missing.map(spoken).join(", ") || m.reason || "no number"}`).join("\n");
    const notice = document.createElement("p");
    notice.className = "small";
    notice.textContent = answer.notice;
    box.replaceChildren(table, note, notice);
  }
}
