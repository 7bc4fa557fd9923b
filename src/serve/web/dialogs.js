/* dialogs.js - the settings of a conversation, the key, the list of shortcuts. */
import {$, el} from "./dom.js";
import {FIELDS, MAX_STOP, cleanSettings} from "./settings.js";

/* Dialogs close by their buttons, by Escape, and by a click beside them. */
export function setUpDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
    });
  }
  $("sampling").append(...FIELDS.map((field) =>
    el("label", {}, el("span", {}, field.label),
      el("input", {type: "number", name: field.name, min: field.min, max: field.max,
        step: field.step, placeholder: "server's default", "aria-describedby": `hint-${field.name}`}),
      el("small", {id: `hint-${field.name}`}, field.hint))));
}

/* Show the settings; saved(system, settings) when they are accepted. */
export function editSettings(conversation, saved) {
  const form = $("settings-form");
  form.elements.system.value = conversation.system;
  for (const {name} of FIELDS) form.elements[name].value = conversation.settings[name] ?? "";
  form.elements.stop.value = (conversation.settings.stop ?? [])
    .map((s) => s.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")).join("\n");
  form.onsubmit = (event) => {
    event.preventDefault();
    const values = {};
    for (const {name} of FIELDS) {
      if (form.elements[name].value !== "") values[name] = form.elements[name].valueAsNumber;
    }
    values.stop = form.elements.stop.value.split("\n").slice(0, MAX_STOP)
      .map((s) => s.replace(/\\([\\n])/g, (_, c) => (c === "n" ? "\n" : c)));
    $("settings").close();
    saved(form.elements.system.value, cleanSettings(values));
  };
  form.onreset = (event) => {
    event.preventDefault();
    for (const {name} of FIELDS) form.elements[name].value = "";
    form.elements.stop.value = "";
  };
  $("settings").showModal();
}

/* Ask for the key; null if none is given. */
export function askKey(refused) {
  const dialog = $("key-dialog"), form = $("key-form");
  if (dialog.open) return Promise.resolve(null);
  $("key-why").textContent = refused
    ? "The server did not accept this key." : "This server needs a key.";
  form.elements.key.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    let key = null;
    form.onsubmit = (event) => {
      event.preventDefault();
      key = form.elements.key.value.trim() || null;
      dialog.close();
    };
    dialog.addEventListener("close", () => resolve(key), {once: true});
  });
}
