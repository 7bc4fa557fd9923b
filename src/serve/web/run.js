/* run.js - one answer while it is being written. */
import {streamChat} from "./api.js";

/* What is sent for a conversation whose last message is the user's. */
export function requestOf(conversation, model) {
  const messages = conversation.messages
    .filter((m) => m.content !== "")
    .map(({role, content}) => ({role, content}));
  if (conversation.system.trim())
    messages.unshift({role: "system", content: conversation.system});
  return {...(model && {model}), messages, ...conversation.settings};
}

export class Run {
  #abort = new AbortController();

  constructor(conversation) {
    this.conversation = conversation;
    this.message = {role: "assistant", content: "", reasoning: ""};
  }

  stop() {
    this.#abort.abort();
  }

  /* Fill the message until the answer ends, grow(kind, piece) each time; throws what
   * streamChat throws, but for a stop. */
  async stream(body, key, grow) {
    const message = this.message, begin = performance.now();
    let first = null, last = begin, usage = null;
    message.end = "lost"; /* unless an end comes */
    try {
      for await (const part of streamChat(body, key, this.#abort.signal)) {
        const kind = part.text ? "text" : "reasoning", piece = part[kind];
        if (piece) {
          last = performance.now();
          first ??= last;
          message[kind === "text" ? "content" : "reasoning"] += piece;
          grow(kind, piece);
        }
        if (part.finish) message.end = part.finish === "length" ? "length" : "stop";
        usage = part.usage ?? usage;
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      message.end = "stopped";
    } finally {
      message.figures = {
        tokens: usage?.completion_tokens ?? null,
        prompt: usage?.prompt_tokens ?? null,
        cached: usage?.prompt_tokens_details?.cached_tokens ?? null,
        first: first === null ? null : (first - begin) / 1000,
        seconds: first === null ? null : (last - first) / 1000,
      };
    }
  }
}
