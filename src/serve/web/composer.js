/* composer.js - the field of the next message, and keys that work everywhere. */
import {$, sends} from "./dom.js";

const MAX_ROWS = 10;

/* Fields grow with what is in them. */
function fit() {
  const rows = $("input").value.split("\n", MAX_ROWS).length;
  $("input").rows = Math.max(rows, Math.min(4, Math.ceil($("input").value.length / 80)));
}

/* actions: send(text) is true if the text was taken, editLast(). */
export function setUpComposer(actions) {
  const input = $("input");
  const send = () => {
    if (!input.value.trim() || !actions.send(input.value)) return;
    input.value = "";
    fit();
    input.focus();
  };
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  input.addEventListener("input", fit);
  input.addEventListener("keydown", (event) => {
    if (sends(event)) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && input.value === "") {
      event.preventDefault();
      actions.editLast();
    }
  });
}

const isField = (node) => node?.matches?.("input, textarea, select, [contenteditable]");

/* actions by name: escape, fresh, search, settings, keys. */
export function setUpKeys(actions) {
  const alt = {KeyN: actions.fresh, KeyK: actions.search, KeyS: actions.settings};
  const plain = {"/": () => $("input").focus(), "?": actions.keys};
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const {altKey, ctrlKey, metaKey} = event;
    let action;
    if (event.key === "Escape") action = actions.escape;
    else if (altKey && !ctrlKey && !metaKey) action = alt[event.code];
    else if (!altKey && !ctrlKey && !metaKey && !isField(event.target)) action = plain[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
