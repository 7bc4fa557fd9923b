/* list.js - the list of conversations: search, rename, export, delete. */
import {$, button, el} from "./dom.js";
import {exportText} from "./store.js";

export function saveFile(name, conversations) {
  const blob = new Blob([exportText(conversations)], {type: "application/json"});
  const address = URL.createObjectURL(blob);
  el("a", {href: address, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const fileName = (title) =>
  `${title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "conversation"}.json`;

export const titleOf = (conversation) => conversation.title || "New conversation";

/* actions: open(conversation), rename(conversation, title), remove(conversation) */
export class List {
  #current = null;
  #shown = 100; /* more on demand */

  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    $("search").addEventListener("input", () => {
      this.#shown = 100;
      this.draw();
    });
  }

  draw(current = this.#current) {
    this.#current = current;
    const found = this.store.search($("search").value);
    const rows = found.slice(0, this.#shown).map((c) => this.#row(c));
    if (found.length > this.#shown) {
      rows.push(el("li", {}, button("Show more", "Show more conversations", () => {
        this.#shown += 100;
        this.draw();
      })));
    }
    $("list").replaceChildren(...rows);
    $("list-empty").hidden = found.length > 0;
    $("list-empty").textContent = $("search").value ? "Nothing found." : "No conversations yet.";
  }

  #row(conversation) {
    const title = titleOf(conversation);
    const isCurrent = conversation === this.#current;
    const open = el("button", {type: "button", class: "open", "aria-current": isCurrent && "true",
      onclick: () => this.actions.open(conversation)}, title);
    const row = el("li", {class: isCurrent ? "current" : null}, open);
    if (isCurrent) {
      row.append(el("div", {class: "actions"},
        button("Rename", `Rename conversation ${title}`, () => this.#rename(conversation, open)),
        button("Export", `Export conversation ${title}`,
          () => saveFile(fileName(title), [conversation])),
        button("Delete", `Delete conversation ${title}`, () => this.actions.remove(conversation))));
    }
    return row;
  }

  #rename(conversation, open) {
    const field = el("input", {"aria-label": "Name of the conversation", maxlength: "200"});
    field.value = titleOf(conversation);
    let done = false;
    const end = (keep) => {
      if (done) return;
      done = true;
      if (keep && field.value.trim()) this.actions.rename(conversation, field.value.trim());
      this.draw();
      $("list").querySelector("[aria-current]")?.focus();
    };
    field.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") {
        event.stopPropagation();
        end(false);
      }
    });
    field.addEventListener("blur", () => end(true));
    open.replaceWith(field);
    field.focus();
    field.select();
  }
}
