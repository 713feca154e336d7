// Every key and what it does: the one list from which both the handling and the help are made.
//
// Letters are meant as printed on the key, so they work on any keyboard layout; none needs a special character.

/** @type {[string, [string, string[], string][]][]} title, and of each row the action, its keys and what it does. */
export const GROUPS = [
  ["Place", [
    ["place", ["Enter"], "Place the landmark at the cursor"],
    ["next", ["N"], "Next landmark"],
    ["previous", ["Shift+N"], "Previous landmark"],
    ["present", ["1"], "State: present"],
    ["occluded", ["2"], "State: occluded (hidden, placed all the same)"],
    ["absent", ["3"], "State: absent (looked for, not in the picture)"],
    ["clear", ["4", "Delete", "Backspace"], "State: not annotated (takes the point away)"],
    ["undo", ["U", "Ctrl+Z", "Meta+Z"], "Undo"],
    ["redo", ["Shift+U", "Ctrl+Y", "Ctrl+Shift+Z", "Meta+Shift+Z"], "Redo"],
  ]],
  ["Move the point or the cursor", [
    ["step1", ["Arrows"], "1 pixel of the film"],
    ["step10", ["Shift+Arrows"], "10 pixels"],
    ["step01", ["Alt+Arrows", "Ctrl+Arrows"], "0.1 pixel"],
    ["step100", ["Ctrl+Shift+Arrows"], "100 pixels"],
    ["escape", ["Escape"], "Leave a tool, close a window, let a landmark go"],
  ]],
  ["See", [
    ["zoomIn", ["+", "="], "Zoom in at the cursor"],
    ["zoomOut", ["-"], "Zoom out"],
    ["fit", ["F"], "Whole film"],
    ["real", ["R"], "One pixel of the film a pixel of the screen; again: four"],
    ["loupe", ["L"], "Loupe: while pressing, always, never"],
    ["loupeZoom", ["Shift+L"], "Loupe 4, 6 or 8 times"],
    ["brighter", ["B"], "Brighter"],
    ["darker", ["Shift+B"], "Darker"],
    ["moreContrast", ["C"], "More contrast"],
    ["lessContrast", ["Shift+C"], "Less contrast"],
    ["resetWindow", ["V"], "Window as at the start"],
    ["invert", ["I"], "Invert"],
    ["smooth", ["S"], "Smooth, or the film's true pixels"],
    ["guides", ["G"], "Guide lines through the cursor"],
    ["names", ["T"], "Names beside the points"],
    ["lines", ["E"], "Lines of the scheme"],
  ]],
  ["Measure", [
    ["measure", ["M"], "Distance (two clicks) and angle (three)"],
    ["calibrate", ["K"], "Calibrate by a known distance; again: by a ball"],
  ]],
  ["Model and readers", [
    ["accept", ["A"], "Accept the proposal for this landmark"],
    ["acceptAll", ["Shift+A"], "Accept all proposals"],
    ["proposals", ["P"], "Show or hide the proposals"],
    ["readers", ["Y"], "All readers' points (adjudicators)"],
    ["progress", ["Shift+P"], "Progress"],
  ]],
  ["Films", [
    ["nextFilm", ["PageDown"], "Next film"],
    ["previousFilm", ["PageUp"], "Previous film"],
    ["done", ["D"], "Done, and on to the next film that is not"],
    ["comment", ["O"], "Write a comment"],
    ["find", ["/"], "Find a film by its name"],
    ["help", ["H", "?", "F1"], "This list"],
  ]],
];

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const table = new Map();
for (const [, rows] of GROUPS) for (const [action, keys] of rows) for (const key of keys) table.set(key, action);

function spelled(event) {
  const { key } = event;
  const letter = key.length === 1 && key.toLowerCase() !== key.toUpperCase();
  const shift = event.shiftKey && (letter || key.length > 1);
  return [
    event.ctrlKey && "Ctrl+",
    event.metaKey && "Meta+",
    shift && "Shift+",
    letter ? key.toUpperCase() : key,
  ].filter(Boolean).join("");
}

/** What a key asks for: {action} or {action: "step", by: [dx, dy]}, or null. */
export function meaning(event) {
  if (event.key in ARROWS) {
    const [dx, dy] = ARROWS[event.key];
    const fine = event.altKey || event.ctrlKey;
    const size = event.shiftKey ? (fine ? 100 : 10) : fine ? 0.1 : 1;
    return { action: "step", by: [dx * size, dy * size] };
  }
  if (event.altKey) return null;
  const action = table.get(spelled(event));
  return action ? { action } : null;
}

/** Whether a key typed there is text, or works a control, and so is not ours. */
export function isTyping(event) {
  const at = event.target;
  if (at.closest?.("dialog[open]")) return true;
  if (at.matches?.("textarea, select, input")) return true;
  return at.matches?.("button, a, summary") && (event.key === "Enter" || event.key === " ");
}

/** The first key of an action, for buttons and titles. */
export function keyOf(action) {
  for (const [, rows] of GROUPS) for (const [name, keys] of rows) if (name === action) return keys[0];
  return "";
}
