// Words to the reader: one line that is also read aloud, a banner that stays, a question that waits for an answer.

/** @type {(id: string) => any} whichever element the page has under that id */
const $ = (id) => document.getElementById(id);

let clearing = 0;

/** A short sentence at the foot of the film, spoken politely by a screen reader; it goes after a while, the film is under it. */
export function say(text, warning = false) {
  const line = $("said");
  line.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => {
    line.textContent = "";
  }, 8000);
  line.classList.toggle("warning", warning);
}

/** A sentence across the page until it is taken away; `key` tells several apart. */
export function banner(key, text, button = null) {
  const id = `banner-${key}`;
  if (!text) {
    $(id)?.remove();
    return;
  }
  let bar = $(id);
  if (!bar) {
    bar = document.createElement("div");
    bar.id = id;
    bar.className = "banner";
    bar.append(document.createElement("span"));
    $("banners").append(bar);
  }
  if (bar.firstChild.textContent !== text) bar.firstChild.textContent = text;
  bar.querySelector("button")?.remove();
  if (button) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = button.text;
    made.addEventListener("click", button.act);
    bar.append(made);
  }
}

/** Ask; resolves with the value of the button pressed. Questions come one after the other. */
let last = Promise.resolve();
export function question(title, lines, buttons) {
  const next = last.then(
    () =>
      new Promise((resolve) => {
        const dialog = $("question");
        dialog.querySelector("h2").textContent = title;
        const body = dialog.querySelector(".lines");
        body.replaceChildren(
          ...lines.map((line) => {
            const p = document.createElement("p");
            p.textContent = line;
            return p;
          }),
        );
        const row = dialog.querySelector(".buttons");
        row.replaceChildren(
          ...buttons.map(([value, text]) => {
            const button = document.createElement("button");
            button.type = "button";
            button.textContent = text;
            button.addEventListener("click", () => dialog.close(value));
            return button;
          }),
        );
        dialog.returnValue = "";
        dialog.addEventListener("close", () => resolve(dialog.returnValue || buttons[0][0]), { once: true });
        dialog.showModal();
      }),
  );
  last = next;
  return next;
}
