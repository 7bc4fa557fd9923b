/* api.js - what the page asks the server, and what went wrong in plain words. */
import {readEvents} from "./sse.js";

export class ApiError extends Error {
  /* status: of HTTP; 0 where no answer came or it broke off. */
  constructor(message, {status = 0, code = null, retryAfter = null, partial = false} = {}) {
    super(message);
    Object.assign(this, {status, code, retryAfter, partial});
  }

  get inPlainWords() {
    const detail = this.message ? ` The server says: ${this.message}` : "";
    if (this.code === "context_length_exceeded")
      return `This conversation is too long for the model. Delete or shorten messages, or begin a new conversation.${detail}`;
    if (this.code === "model_not_found")
      return `The chosen model is not on this server. Choose another one above.${detail}`;
    switch (this.status) {
      case 0:
        return this.partial
          ? "The connection was lost in the middle of the answer. What came is kept."
          : "The server cannot be reached. It may have stopped, or the connection is down.";
      case 401:
        return "The server did not accept the key, or needs one.";
      case 413:
        return "This conversation is larger than the server takes. Delete messages, or begin a new conversation.";
      case 429: {
        const when = this.retryAfter ? `in ${this.retryAfter} seconds` : "in a moment";
        return `The server has more requests than it can hold. Try again ${when}.`;
      }
      case 503:
        return `The server is shutting down or busy. Try again in a moment.${detail}`;
      default:
        return this.status >= 500 ? `The server failed.${detail}`
          : `The server refused the request.${detail}`;
    }
  }
}

async function errorOf(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch { /* no JSON: the status says enough */ }
  return new ApiError(String(error.message ?? ""), {
    status: response.status,
    code: error.code ?? null,
    retryAfter: response.headers.get("retry-after"),
  });
}

async function ask(path, key, options = {}) {
  const headers = {"Content-Type": "application/json"};
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, {...options, headers, cache: "no-store"});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/* [{id, parent, max_model_len}]: the model, then its adapters. */
export async function fetchModels(key) {
  const response = await ask("v1/models", key);
  try {
    return (await response.json()).data.filter((m) => typeof m.id === "string");
  } catch {
    throw new ApiError("the list of models is not readable", {status: 500});
  }
}

/* The parts of a streamed answer: {text}, {reasoning}, {finish}, {usage}.  Aborting the
 * signal throws AbortError; the server then stops working on it. */
export async function* streamChat(body, key, signal) {
  const response = await ask("v1/chat/completions", key, {
    method: "POST",
    signal,
    body: JSON.stringify({...body, stream: true, stream_options: {include_usage: true}}),
  });
  try {
    for await (const data of readEvents(response.body)) {
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error)
        throw new ApiError(String(event.error.message ?? ""),
          {status: 500, code: event.error.code, partial: true});
      yield* partsOf(event);
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof ApiError) throw error;
    throw new ApiError("", {partial: true});
  }
  throw new ApiError("", {partial: true}); /* ended without [DONE] */
}

function* partsOf(event) {
  const choice = event.choices?.[0];
  if (choice?.delta?.reasoning_content) yield {reasoning: choice.delta.reasoning_content};
  if (choice?.delta?.content) yield {text: choice.delta.content};
  if (choice?.finish_reason) yield {finish: choice.finish_reason};
  if (event.usage) yield {usage: event.usage};
}
