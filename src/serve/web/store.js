/* store.js - conversations, in the browser's localStorage: one entry each.
 *
 * What is read, from the store or from a file, may hold anything: `clean` makes a
 * conversation of what fits and drops the rest. */
import {cleanSettings} from "./settings.js";

const PREFIX = "hone.chat.";
const FORMAT = "hone-conversations";
export const MAX_CHARS = 4_000_000; /* of all entries; browsers take about 5 million */

const text = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? value : null);

const newId = () => crypto.getRandomValues(new Uint32Array(3)).join("-");

function cleanMessage(m) {
  if (m === null || typeof m !== "object") return null;
  if (m.role === "user") return {role: "user", content: text(m.content)};
  if (m.role !== "assistant") return null;
  const out = {role: "assistant", content: text(m.content), reasoning: text(m.reasoning)};
  if (["stop", "length", "stopped", "lost"].includes(m.end)) out.end = m.end;
  if (m.figures !== null && typeof m.figures === "object") {
    out.figures = {};
    for (const key of ["tokens", "prompt", "cached", "first", "seconds"])
      out.figures[key] = number(m.figures[key]);
  }
  return out;
}

/* A conversation, or null where the value is none. */
export function clean(value) {
  if (value === null || typeof value !== "object" || !Array.isArray(value.messages)) return null;
  return {
    id: /^[\w-]{1,64}$/.test(text(value.id)) ? value.id : newId(),
    title: text(value.title).slice(0, 200),
    changed: number(value.changed) ?? Date.now(),
    model: text(value.model),
    system: text(value.system),
    settings: cleanSettings(value.settings),
    messages: value.messages.map(cleanMessage).filter(Boolean),
  };
}

export class Store {
  conversations = []; /* the one changed last first */
  #sizes = new Map(); /* id: characters in the store */

  constructor() {
    try {
      for (let i = 0; i < localStorage.length; i++) this.#read(localStorage.key(i));
    } catch { /* no store: nothing is kept, save says so */ }
    this.#sort();
  }

  #read(key) {
    if (!key?.startsWith(PREFIX)) return;
    const entry = localStorage.getItem(key);
    let found = null;
    try {
      found = clean(JSON.parse(entry));
    } catch { /* not ours, or broken: leave it alone */ }
    if (!found) return;
    found.id = key.slice(PREFIX.length);
    this.conversations.push(found);
    this.#sizes.set(found.id, entry.length);
  }

  #sort() {
    this.conversations.sort((a, b) => b.changed - a.changed);
  }

  get size() {
    return [...this.#sizes.values()].reduce((a, b) => a + b, 0);
  }

  create(like) {
    return clean({messages: [], model: like?.model, settings: like?.settings});
  }

  /* Another window changed the entry with this key. */
  reread(key) {
    if (!key?.startsWith(PREFIX)) return;
    this.#forget(key.slice(PREFIX.length));
    try {
      this.#read(key);
    } catch { /* no store */ }
    this.#sort();
  }

  #forget(id) {
    this.conversations = this.conversations.filter((c) => c.id !== id);
    this.#sizes.delete(id);
  }

  /* False if the store is full or missing; the conversation then lives in this window. */
  save(conversation) {
    if (!this.conversations.includes(conversation)) {
      this.#forget(conversation.id);
      this.conversations.push(conversation);
    }
    this.#sort();
    const entry = JSON.stringify(conversation);
    const others = this.size - (this.#sizes.get(conversation.id) ?? 0);
    if (others + entry.length > MAX_CHARS) return false;
    try {
      localStorage.setItem(PREFIX + conversation.id, entry);
    } catch {
      return false;
    }
    this.#sizes.set(conversation.id, entry.length);
    return true;
  }

  remove(conversation) {
    this.#forget(conversation.id);
    try {
      localStorage.removeItem(PREFIX + conversation.id);
    } catch { /* no store */ }
  }

  /* Those whose title or messages have all the words. */
  search(words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return this.conversations;
    return this.conversations.filter((c) => {
      const all = [c.title, ...c.messages.map((m) => m.content)].join("\n").toLowerCase();
      return wanted.every((word) => all.includes(word));
    });
  }

  /* How many of a file's conversations were taken, and whether all could be saved. */
  importText(file) {
    const value = JSON.parse(file);
    if (value?.format !== FORMAT || !Array.isArray(value.conversations))
      throw new SyntaxError("not a file of conversations");
    const found = value.conversations.map(clean).filter(Boolean);
    const known = new Set(this.conversations.map((c) => c.id));
    let saved = true;
    for (const c of found) {
      if (known.has(c.id)) c.id = newId();
      known.add(c.id);
      saved = this.save(c) && saved;
    }
    return {count: found.length, saved};
  }
}

export function exportText(conversations) {
  return JSON.stringify({format: FORMAT, version: 1, conversations}, null, 1);
}

/* Small things beside the conversations: the key, the colours. */
export function remember(name, value) {
  try {
    if (value) localStorage.setItem(`hone.${name}`, value);
    else localStorage.removeItem(`hone.${name}`);
  } catch { /* no store: it holds for this window */ }
}

export function recall(name) {
  try {
    return localStorage.getItem(`hone.${name}`) ?? "";
  } catch {
    return "";
  }
}
