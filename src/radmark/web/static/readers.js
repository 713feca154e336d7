// What several readers make of the same films: progress, adjudication of one film, agreement over all.

import { readerColour } from "./overlay.js";
import { spoken } from "./points.js";

/** @type {(id: string) => any} whichever element the page has under that id */
const $ = (id) => document.getElementById(id);

/** A table of plain text; a cell may be a string, a number or an element. */
export function table(head, rows) {
  const made = document.createElement("table");
  const top = made.createTHead().insertRow();
  for (const text of head) {
    const cell = top.appendChild(document.createElement("th"));
    cell.scope = "col";
    cell.textContent = text;
  }
  const body = made.appendChild(document.createElement("tbody"));
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) {
      const cell = line.insertCell();
      if (value instanceof Node) cell.append(value);
      else {
        cell.textContent = value ?? "–";
        if (typeof value === "number" || value === null) cell.className = "number";
      }
    }
  }
  return made;
}

export function showTable(title, ...content) {
  $("table-title").textContent = title;
  $("table-body").replaceChildren(...content);
  if (!$("table").open) $("table").showModal();
}

export function paragraph(text, className = "") {
  const p = document.createElement("p");
  p.textContent = text;
  p.className = className;
  return p;
}

export function progressTable(answer) {
  const all = answer.readers.length ? answer.readers : [answer.me];
  const seconds = (value) => (value === null ? "–" : value.toFixed(1));
  return table(
    ["Reader", "Films", "Done", "Started", "Not started", "Seconds a film", "… with proposals"],
    all.map((r) => [
      r.reader, r.items, r.done, r.started, r.untouched,
      `${seconds(r.seconds.without)} (${r.seconds.n_without})`, `${seconds(r.seconds.with_proposal)} (${r.seconds.n_with})`,
    ]),
  );
}

/** One film's readers: a legend, and a row a landmark with the spread, the outliers and the consensus to take over. */
export function readingsTable(found, onTake, onPick) {
  const legend = document.createElement("p");
  legend.className = "row";
  found.readers.forEach(({ reader, reading, done }, i) => {
    const item = document.createElement("span");
    const dot = item.appendChild(document.createElement("span"));
    dot.className = "swatch";
    dot.style.background = readerColour(i);
    item.append(`${reader}${reading > 1 ? ` (reading ${reading})` : ""}${done ? "" : ", not done"}`);
    legend.append(item);
  });
  const rows = Object.entries(found.landmarks).map(([name, { points, consensus, spread_px: spread }]) => {
    const pick = document.createElement("button");
    pick.type = "button";
    pick.textContent = spoken(name);
    pick.addEventListener("click", () => onPick(name, consensus));
    const outliers = points.filter((p) => p.outlier).map((p) => p.reader);
    const away = document.createElement("span");
    away.textContent = outliers.join(", ");
    away.className = "outlier";
    const take = document.createElement("button");
    take.type = "button";
    take.textContent = "Use";
    take.disabled = !consensus;
    take.setAttribute("aria-label", `Use the consensus for ${spoken(name)}`);
    take.addEventListener("click", () => onTake(name, consensus));
    return [pick, points.filter((p) => p.x !== null).length, spread === null ? null : Number(spread.toFixed(2)), away, take];
  });
  return [legend, table(["Landmark", "n", "Spread px", "Outliers", "Consensus"], rows)];
}
