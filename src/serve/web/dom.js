/* dom.js - elements from names and texts.  No markup is ever parsed, so text stays text. */

/* el("button", {class: "x", onclick: f, disabled: true}, "Copy"): attributes by name,
 * handlers by "on...", booleans as HTML has them; children are nodes, strings, and lists of
 * them. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null) node.setAttribute(key, value);
  }
  append(node, children);
  return node;
}

/* Lists may be long: they are never arguments of one call. */
export function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(node, child);
    else node.append(child);
  }
}

export const $ = (id) => document.getElementById(id);

/* A button with a short text and, for screen readers, a longer one that contains it. */
export function button(text, label, onclick, attributes = {}) {
  return el("button", {type: "button", "aria-label": label, onclick, ...attributes}, text);
}

const TOUCH = matchMedia("(pointer: coarse)");

/* Whether a key in a field sends what is there: Enter, but Ctrl+Enter where keys are on the
 * screen, which have no Shift+Enter; not while characters are being composed. */
export function sends(event) {
  return event.key === "Enter" && !event.isComposing && !event.shiftKey &&
    (event.ctrlKey || !TOUCH.matches);
}

/* Put text on the clipboard.  Pages that did not come over HTTPS or from this machine have
 * no clipboard interface; the older command still works there. */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { /* not allowed: try the other way */ }
  }
  const before = document.activeElement;
  const area = el("textarea", {class: "hidden", "aria-hidden": "true"});
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}

/* A copy button that says for two seconds whether it worked. */
export function copyButton(label, text) {
  const node = button("Copy", label, async () => {
    node.textContent = await copyText(text()) ? "Copied" : "Not copied";
    setTimeout(() => { node.textContent = "Copy"; }, 2000);
  });
  return node;
}
