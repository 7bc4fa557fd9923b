/* messages.js - the messages of a conversation as they are shown. */
import {$, button, copyButton, el, sends} from "./dom.js";
import {MarkdownView} from "./markdown.js";

/* Buttons that wait while an answer is being written. */
const IDLE = {"data-idle": ""};

/* "12 tokens · 40.2 tokens/s · first after 0.31 s · 8 of 20 prompt tokens from the cache" */
function figuresText({figures, end}) {
  const parts = [];
  if (end === "stopped") parts.push("stopped");
  if (end === "length") parts.push("cut off: the limit of tokens is reached");
  if (end === "lost") parts.push("broken off");
  const {tokens, prompt, cached, first, seconds} = figures ?? {};
  if (tokens != null) parts.push(`${tokens} ${tokens === 1 ? "token" : "tokens"}`);
  if (tokens > 1 && seconds > 0) parts.push(`${((tokens - 1) / seconds).toFixed(1)} tokens/s`);
  if (first != null) parts.push(`first after ${first.toFixed(2)} s`);
  if (prompt != null) parts.push(`${cached ?? 0} of ${prompt} prompt tokens from the cache`);
  return parts.join(" · ");
}

/* Markdown that is drawn once a frame, however often text comes. */
class Growing {
  #waiting = "";
  #frame = 0;

  constructor(root) {
    this.view = new MarkdownView(root);
  }

  add(text, after) {
    this.#waiting += text;
    this.#frame ||= requestAnimationFrame(() => {
      this.#flush();
      after();
    });
  }

  #flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#waiting) this.view.append(this.#waiting);
    this.#waiting = "";
  }

  end() {
    this.#flush();
    this.view.end();
  }
}

class AnswerView {
  constructor(message, actions) {
    this.message = message;
    this.text = el("div", {class: "text markdown"});
    this.thoughts = el("div", {class: "markdown"});
    this.summary = el("summary", {}, "Reasoning");
    this.reasoning = el("details", {class: "reasoning", hidden: true}, this.summary, this.thoughts);
    this.figures = el("p", {class: "figures"});
    this.node = el("li", {class: "message answer"},
      el("article", {"aria-label": "Answer"}, el("h3", {class: "who"}, "Answer"),
        this.reasoning, this.text,
        el("div", {class: "foot"}, this.figures,
          el("div", {class: "actions"},
            copyButton("Copy answer", () => message.content),
            button("Retry", "Retry: answer again", () => actions.retry(message), IDLE),
            button("Delete", "Delete answer", () => actions.remove(message), IDLE)))));
    this.parts = {text: new Growing(this.text), reasoning: new Growing(this.thoughts)};
  }

  /* kind: "text" or "reasoning" */
  add(kind, piece, after) {
    if (kind === "reasoning") {
      this.reasoning.hidden = false;
      this.summary.textContent = "Reasoning …";
    } else {
      this.summary.textContent = "Reasoning";
    }
    this.parts[kind].add(piece, after);
  }

  end() {
    this.parts.text.end();
    this.parts.reasoning.end();
    this.summary.textContent = "Reasoning";
    this.figures.textContent = figuresText(this.message);
  }
}

class QuestionView {
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.text = el("div", {class: "text plain"}, message.content);
    this.tools = el("div", {class: "actions"},
      copyButton("Copy message", () => message.content),
      button("Edit", "Edit message", () => this.edit(), IDLE),
      button("Retry", "Retry: answer this message again", () => actions.retry(message), IDLE),
      button("Delete", "Delete message and its answer", () => actions.remove(message), IDLE));
    this.node = el("li", {class: "message question"},
      el("article", {"aria-label": "You"}, el("h3", {class: "who"}, "You"), this.text,
        el("div", {class: "foot"}, this.tools)));
  }

  edit() {
    const area = el("textarea", {"aria-label": "Edit message", rows: "4"});
    area.value = this.message.content;
    const close = () => {
      form.replaceWith(this.text);
      this.tools.hidden = false;
      this.tools.querySelector("button:nth-child(2)").focus();
    };
    const send = () => {
      if (area.value.trim()) this.actions.resend(this.message, area.value);
    };
    area.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") {
        event.stopPropagation();
        close();
      } else if (sends(event)) {
        event.preventDefault();
        send();
      }
    });
    const form = el("div", {class: "edit", role: "group", "aria-label": "Edit message"}, area,
      el("div", {class: "actions"},
        button("Send", "Send the edited message; what is below goes", send,
          {class: "main", ...IDLE}),
        button("Cancel", "Cancel editing", close)));
    this.text.replaceWith(form);
    this.tools.hidden = true;
    area.focus();
  }
}

/* The list of messages.  actions: retry(message), remove(message), resend(message, text). */
export class Messages {
  #views = new Map();
  #follow = true; /* the end is in sight and stays there */

  constructor(actions) {
    this.actions = actions;
    $("log").addEventListener("scroll", () => {
      const log = $("log");
      this.#follow = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
    }, {passive: true});
  }

  /* unfinished: a message that still grows, or null. */
  show(conversation, unfinished) {
    this.#views.clear();
    $("messages").replaceChildren();
    for (const message of conversation.messages) this.add(message, message !== unfinished);
    $("welcome").hidden = conversation.messages.length > 0;
    this.#follow = true;
    this.scroll();
  }

  add(message, finished) {
    const view = message.role === "user"
      ? new QuestionView(message, this.actions) : new AnswerView(message, this.actions);
    this.#views.set(message, view);
    $("messages").append(view.node);
    $("welcome").hidden = true;
    if (message.role === "assistant") {
      if (message.reasoning) view.add("reasoning", message.reasoning, () => {});
      if (message.content) view.add("text", message.content, () => {});
      if (finished) view.end();
    }
    this.#follow = true;
    this.scroll();
  }

  grow(message, kind, piece) {
    this.#views.get(message)?.add(kind, piece, () => this.scroll());
  }

  finish(message) {
    this.#views.get(message)?.end();
    this.scroll();
  }

  /* The view of a message goes, and those of all that follow it. */
  cut(messages) {
    for (const message of messages) {
      this.#views.get(message)?.node.remove();
      this.#views.delete(message);
    }
  }

  setBusy(busy) {
    for (const node of $("messages").querySelectorAll("[data-idle]")) node.disabled = busy;
    $("messages").setAttribute("aria-busy", String(busy));
  }

  editLast() {
    [...this.#views.values()].findLast((v) => v instanceof QuestionView)?.edit();
  }

  scroll() {
    if (this.#follow) $("log").scrollTop = $("log").scrollHeight;
  }
}
