/* app.js - the page: which conversation is open, what is running, who is told what. */
import {ApiError, fetchModels} from "./api.js";
import {setUpComposer, setUpKeys} from "./composer.js";
import {askKey, editSettings, setUpDialogs} from "./dialogs.js";
import {$, button, el} from "./dom.js";
import {List, saveFile, titleOf} from "./list.js";
import {Messages} from "./messages.js";
import {Run, requestOf} from "./run.js";
import {Store, recall, remember} from "./store.js";

const NARROW = matchMedia("(max-width: 800px)");
const NOTICE_MS = 10000;
const SPOKEN_CHARS = 2000;

const store = new Store();
let conversation = null; /* the open one; in the store once it has a message */
let models = [];
let run = null; /* the answer that is being written, in whatever conversation */
let key = recall("key");

/* -- what the user is told ---------------------------------------------------------- */

let noticeTimer = 0;

function notice(text, action = null) {
  clearTimeout(noticeTimer);
  $("notice").replaceChildren(el("span", {}, text));
  if (action) {
    $("notice").append(button(action.text, action.text, () => {
      $("notice").replaceChildren();
      action.run();
    }));
  }
  noticeTimer = setTimeout(() => $("notice").replaceChildren(), NOTICE_MS);
}

/* What went wrong stays until the next try; again: what the button does. */
function problem(text, again = null) {
  $("problem").replaceChildren();
  if (!text) return;
  $("problem").append(el("span", {}, text));
  if (again) $("problem").append(button("Try again", "Try again", again));
  $("problem").append(button("Close", "Close this message", () => problem(null)));
}

/* Screen readers hear an answer once, when it is finished. */
function speak(message) {
  const text = message.content.slice(0, SPOKEN_CHARS);
  const more = message.content.length > SPOKEN_CHARS ? " …" : "";
  $("spoken").textContent = `${message.end === "stopped" ? "Answer stopped" : "Answer"}: ${text}${more}`;
}

function save(what) {
  if (store.save(what)) return;
  notice("The browser's store is full: this conversation is lost when the page closes. Export it, or delete others.",
    {text: "Export", run: () => saveFile("conversation.json", [what])});
}

/* -- conversations ------------------------------------------------------------------ */

function showTitle() {
  $("title").textContent = titleOf(conversation);
  document.title = conversation.title ? `${conversation.title} · hone` : "hone";
}

function showSettings() {
  const count = Object.keys(conversation.settings).length + (conversation.system.trim() ? 1 : 0);
  $("open-settings").textContent = count ? `Settings (${count})` : "Settings";
}

function open(which) {
  conversation = which;
  try {
    sessionStorage.setItem("hone.open", which.id);
  } catch { /* no store: a reload opens a new conversation */ }
  problem(null);
  messages.show(which, run?.message ?? null);
  messages.setBusy(run !== null);
  showTitle();
  showSettings();
  showModels();
  list.draw(which);
  if (NARROW.matches) showSide(false);
}

function fresh() {
  open(store.create(conversation));
  $("input").focus();
}

function remove(which) {
  if (run?.conversation === which) run.stop();
  store.remove(which);
  if (which === conversation) fresh();
  else list.draw();
  notice(`Deleted “${titleOf(which)}”.`, {text: "Undo", run: () => {
    save(which);
    open(which);
  }});
}

/* -- the model ---------------------------------------------------------------------- */

/* The model asked for: the conversation's if it is still there, else the first. */
function modelOf(which) {
  return (models.find((m) => m.id === which.model) ?? models[0])?.id;
}

function showModels() {
  const option = (m) => el("option", {value: m.id}, m.id);
  const adapters = models.filter((m) => m.parent);
  $("model").replaceChildren(...models.filter((m) => !m.parent).map(option));
  if (adapters.length)
    $("model").append(el("optgroup", {label: "Adapters"}, ...adapters.map(option)));
  $("model").value = modelOf(conversation) ?? "";
  $("model").disabled = models.length === 0;
}

async function loadModels() {
  try {
    models = await fetchModels(key);
    showModels();
  } catch (error) {
    if (error.status === 401 && await renewKey()) return loadModels();
    if (error instanceof ApiError) problem(error.inPlainWords, () => {
      problem(null);
      loadModels();
    });
    else throw error;
  }
  return undefined;
}

/* Ask for a key; whether there is a new one. */
async function renewKey() {
  const given = await askKey(key !== "");
  if (given === null) return false;
  key = given;
  remember("key", key);
  return true;
}

/* -- answers ------------------------------------------------------------------------ */

function setBusy(busy) {
  if (busy && document.activeElement === $("send")) $("input").focus();
  if (!busy && document.activeElement === $("stop")) $("input").focus();
  $("send").hidden = busy;
  $("stop").hidden = !busy;
  messages.setBusy(busy);
}

/* Answer the last message of the open conversation. */
async function answer() {
  if (run) return;
  problem(null);
  const body = requestOf(conversation, modelOf(conversation));
  const mine = run = new Run(conversation);
  conversation.messages.push(mine.message);
  conversation.changed = Date.now();
  messages.add(mine.message, false);
  save(conversation);
  list.draw();
  setBusy(true);
  let error = null;
  try {
    await mine.stream(body, key, (kind, piece) => messages.grow(mine.message, kind, piece));
  } catch (e) {
    error = e;
  }
  run = null;
  finish(mine);
  if (error) await explain(mine, error);
}

function finish({conversation: which, message}) {
  messages.finish(message);
  if (message.content === "" && message.reasoning === "" && message.end !== "stop") {
    which.messages.splice(which.messages.indexOf(message), 1);
    messages.cut([message]);
  } else {
    speak(message);
  }
  if (store.conversations.includes(which)) save(which);
  list.draw();
  setBusy(false);
}

async function explain({conversation: which, message}, error) {
  if (!(error instanceof ApiError)) {
    problem(`Something in this page failed: ${error.message}`);
    throw error;
  }
  const again = () => {
    if (which !== conversation) open(which);
    retry(message);
  };
  if (error.status === 401 && await renewKey()) return again();
  return problem(error.inPlainWords, again);
}

/* Answer again: the message if it is the user's, else the one before it. */
function retry(message) {
  if (run) return;
  let from = conversation.messages.indexOf(message);
  if (from < 0) from = conversation.messages.length;
  if (conversation.messages[from]?.role === "user") from++;
  messages.cut(conversation.messages.splice(from));
  if (conversation.messages.at(-1)?.role === "user") answer();
  $("input").focus();
}

function send(text) {
  if (run) return false;
  const message = {role: "user", content: text};
  if (!conversation.title) conversation.title = text.trim().replace(/\s+/g, " ").slice(0, 60);
  conversation.messages.push(message);
  messages.add(message, true);
  showTitle();
  answer();
  return true;
}

/* Replace a message: what is below it goes. */
function resend(message, text) {
  if (run) return;
  messages.cut(conversation.messages.splice(conversation.messages.indexOf(message)));
  send(text);
  $("input").focus();
}

function removeMessage(message) {
  if (run) return;
  const which = conversation, before = [...which.messages];
  const at = before.indexOf(message);
  const isAnswered = message.role === "user" && before[at + 1]?.role === "assistant";
  messages.cut(which.messages.splice(at, isAnswered ? 2 : 1));
  save(which);
  $("input").focus();
  notice("Message deleted.", {text: "Undo", run: () => {
    if (run?.conversation === which) return;
    which.messages = before;
    save(which);
    open(which);
  }});
}

/* -- the list's place --------------------------------------------------------------- */

const sideIsOpen = () => getComputedStyle($("side")).display !== "none";

function showSide(isOpen) {
  document.documentElement.dataset.side = isOpen ? "open" : "closed";
  $("toggle-side").setAttribute("aria-expanded", String(isOpen));
  if (isOpen && NARROW.matches) $("close-side").focus();
}

function closeSide() {
  showSide(false);
  $("toggle-side").focus();
}

function escape() {
  if (run) run.stop();
  else if (NARROW.matches && sideIsOpen()) closeSide();
}

/* -- files -------------------------------------------------------------------------- */

async function importFile() {
  const file = $("file").files[0];
  $("file").value = "";
  if (!file) return;
  try {
    const {count, saved} = store.importText(await file.text());
    list.draw();
    notice(`${count} ${count === 1 ? "conversation" : "conversations"} imported.` +
      (saved ? "" : " The browser's store is full: not all of them are kept."));
  } catch {
    notice("This file has no conversations that hone exported.");
  }
}

/* -- the beginning ------------------------------------------------------------------ */

const messages = new Messages({retry, resend, remove: removeMessage});
const list = new List(store, {
  open,
  remove,
  rename(which, title) {
    which.title = title;
    save(which);
    showTitle();
  },
});

function openSettings() {
  $("forget-key").hidden = key === "";
  editSettings(conversation, (system, settings) => {
    Object.assign(conversation, {system, settings});
    if (conversation.messages.length) save(conversation);
    showSettings();
  });
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  remember("theme", theme);
}

setUpDialogs();
setUpComposer({send, editLast: () => messages.editLast()});
setUpKeys({
  escape,
  fresh,
  search() {
    showSide(true);
    $("search").focus();
  },
  settings: openSettings,
  keys: () => $("keys").showModal(),
});
$("new").onclick = fresh;
$("stop").onclick = () => run?.stop();
$("toggle-side").onclick = () => showSide(!sideIsOpen());
$("close-side").onclick = closeSide;
$("open-settings").onclick = openSettings;
$("show-keys").onclick = () => $("keys").showModal();
$("export").onclick = () => saveFile("conversations.json", store.conversations);
$("import").onclick = () => $("file").click();
$("file").onchange = importFile;
$("model").onchange = () => {
  conversation.model = $("model").value;
  if (conversation.messages.length) save(conversation);
};
$("theme").value = recall("theme");
$("theme").onchange = () => setTheme($("theme").value);
$("forget-key").onclick = () => {
  key = "";
  remember("key", "");
  $("settings").close();
  notice("The key is forgotten.");
};
addEventListener("pagehide", () => {
  if (run && store.conversations.includes(run.conversation)) store.save(run.conversation);
});
addEventListener("storage", (event) => {
  if (!event.key || run?.conversation.id === event.key.split(".")[2]) return;
  const isOpen = event.key.endsWith(`.${conversation.id}`);
  store.reread(event.key);
  const now = store.conversations.find((c) => c.id === conversation.id);
  if (isOpen && now) open(now);
  else list.draw();
});
NARROW.addEventListener("change", () => {
  delete document.documentElement.dataset.side;
  $("toggle-side").setAttribute("aria-expanded", String(sideIsOpen()));
});
$("toggle-side").setAttribute("aria-expanded", String(sideIsOpen()));

const lastOpen = (() => {
  try {
    return sessionStorage.getItem("hone.open");
  } catch {
    return null;
  }
})();
open(store.conversations.find((c) => c.id === lastOpen) ?? store.create(null));
loadModels();
