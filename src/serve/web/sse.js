/* sse.js - the data of server-sent events, from pieces of text that end anywhere. */

export class SseParser {
  #rest = "";      /* a line that has not ended */
  #data = [];      /* the data lines of an event that has not ended */
  #skipLf = false; /* the last piece ended in CR: an LF that follows belongs to it */

  /* The events that end in this piece, as strings. */
  push(piece) {
    const events = [];
    if (this.#skipLf && piece.startsWith("\n")) piece = piece.slice(1);
    if (piece !== "") this.#skipLf = piece.endsWith("\r");
    const lines = piece.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) events.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line === "data" || line.startsWith("data:")) {
        this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
    return events;
  }
}

/* The events of a body (a ReadableStream of bytes), one after another. */
export async function* readEvents(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, {stream: true}));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
