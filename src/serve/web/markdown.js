/* markdown.js - Markdown that is still being written, as elements.
 *
 * Two layers.  `blocks` turns lines into elements.  MarkdownView cuts a growing text into
 * blocks that nothing below can change: finished ones are never looked at again, and only
 * the last one is drawn anew as it grows.  A fence grows by text alone.  A block beyond
 * LONG is drawn anew only after it grew by a sixteenth, and shows what came since as plain
 * text, so that the work stays proportional to the answer. */
import {append, copyButton, el} from "./dom.js";
import {inline} from "./inline.js";

const LONG = 4096;
const MAX_DEPTH = 12;

/* No pattern here looks at a character more than a few times, whatever the line. */
const FENCE = /^ {0,3}(`{3,}(?!`)(?=[^`]*$)|~{3,}(?!~))(.*)$/;
const MARKER = /^( *)(?:([-+*])|(\d{1,9})([.)]))( +|$)/;
const RULE = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const HEADING = /^ {0,3}(#{1,6})(?: |$)/;
const QUOTE = /^ {0,3}>/;

const isBlank = (line) => /^\s*$/.test(line);
const indentOf = (line) => line.length - line.trimStart().length;
const spaced = (line) => line.replace(/^\s+/, (s) => s.replaceAll("\t", "    "));
const isTableRule = (line) => /^[ |:-]+$/.test(line) && line.includes("-");
const isMarker = (line) => MARKER.test(line) && !RULE.test(line);
/* What ends a list item's paragraph although no empty line stands before it. */
const isBlockStart = (line) =>
  FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line);
/* A list that begins right behind a line of text. */
const interrupts = (line) => {
  const m = isMarker(line) && MARKER.exec(line);
  return Boolean(m) && m[0].length < line.length && (m[2] !== undefined || m[3] === "1");
};

function closes(line, fence) {
  const text = line.trim();
  return text.length >= fence.length && text === fence[0].repeat(text.length);
}

/* A block of code: its element, and the text node that grows. */
function codeBlock(info) {
  const language = /^[\w+#.-]{1,30}/.exec(info.trim())?.[0] ?? "";
  const text = document.createTextNode("");
  const what = language ? `${language} code` : "code";
  const node = el("figure", {class: "code"},
    el("figcaption", {}, el("span", {}, language || "code"),
      copyButton(`Copy ${what}`, () => text.data)),
    el("pre", {tabindex: "0", role: "region", "aria-label": what}, el("code", {}, text)));
  return {node, text};
}

/* -- blocks of lines ---------------------------------------------------------------- */

class Blocks {
  constructor(lines, depth, tight) {
    Object.assign(this, {lines, depth, tight, at: 0, out: []});
  }

  nested(lines, tight = false) {
    if (this.depth >= MAX_DEPTH) return [lines.join("\n")];
    return new Blocks(lines, this.depth + 1, tight).run();
  }

  run() {
    while (this.at < this.lines.length) {
      const line = this.lines[this.at];
      if (isBlank(line)) this.at++;
      else if (FENCE.test(line)) this.fence();
      else if (HEADING.test(line)) this.heading();
      else if (RULE.test(line)) this.rule();
      else if (QUOTE.test(line)) this.quote();
      else if (isMarker(line)) this.list();
      else if (this.isTable()) this.table();
      else this.paragraph();
    }
    return this.out;
  }

  fence() {
    const [, fence, info] = FENCE.exec(this.lines[this.at]);
    const indent = indentOf(this.lines[this.at++]);
    const body = [];
    while (this.at < this.lines.length && !closes(this.lines[this.at], fence)) {
      const line = this.lines[this.at++];
      body.push(line.slice(Math.min(indent, indentOf(line))));
    }
    this.at++;
    const {node, text} = codeBlock(info);
    text.data = body.join("\n");
    this.out.push(node);
  }

  heading() {
    const line = this.lines[this.at++];
    const level = HEADING.exec(line)[1].length;
    let text = line.trim().slice(level).trim();
    let end = text.length;
    while (end > 0 && text[end - 1] === "#") end--;
    if (end === 0 || text[end - 1] === " ") text = text.slice(0, end).trim();
    this.pushHeading(level, text);
  }

  /* The page's own headings are h1 to h3. */
  pushHeading(level, text) {
    this.out.push(el(`h${Math.min(6, level + 3)}`, {class: `level${level}`}, inline(text)));
  }

  rule() {
    this.at++;
    this.out.push(el("hr"));
  }

  quote() {
    const body = [];
    for (; this.at < this.lines.length && !isBlank(this.lines[this.at]); this.at++) {
      const line = this.lines[this.at];
      if (!QUOTE.test(line) && (isBlockStart(line) || isMarker(line))) break;
      body.push(line.replace(/^ {0,3}> ?/, ""));
    }
    this.out.push(el("blockquote", {}, this.nested(body)));
  }

  list() {
    const first = MARKER.exec(this.lines[this.at]);
    const base = first[1].length;
    const kind = (m) => m[2] ?? m[4];
    const items = [];
    let width = 0, fence = "", loose = false;
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      const marker = isMarker(line) && MARKER.exec(line);
      const blankBefore = items.length > 0 && isBlank(this.lines[this.at - 1]);
      if (fence) {
        items.at(-1).push(line.slice(Math.min(width, indentOf(line))));
        if (closes(line, fence)) fence = "";
        continue;
      }
      if (isBlank(line)) {
        items.at(-1).push("");
        continue;
      }
      const inside = indentOf(line) > base + (marker ? 1 : 0);
      if (marker && !inside && indentOf(line) >= base - 1) {
        if (kind(marker) !== kind(first)) break;
        width = marker[5].length > 4 ? marker[0].length - marker[5].length + 1 : marker[0].length;
        items.push([line.slice(width)]);
        loose ||= blankBefore;
      } else if (inside || (!blankBefore && !isBlockStart(line) && !marker)) {
        items.at(-1).push(line.slice(Math.min(width, indentOf(line))));
        loose ||= blankBefore && !marker;
      } else {
        break;
      }
      fence = FENCE.exec(items.at(-1).at(-1))?.[1] ?? "";
    }
    const start = first[3] === undefined || first[3] === "1" ? null : first[3];
    this.out.push(el(first[2] ? "ul" : "ol", {start},
      items.map((body) => el("li", {}, this.item(body, !loose)))));
  }

  item(body, tight) {
    const task = /^\[([ xX])\] /.exec(body[0]);
    if (!task) return this.nested(body, tight);
    body[0] = body[0].slice(4);
    const done = task[1] !== " ";
    return [el("span", {role: "img", "aria-label": done ? "done" : "to do"}, done ? "☑ " : "☐ "),
      this.nested(body, tight)];
  }

  /* "| a | b |" as cells. */
  static cells(line) {
    const text = line.trim().replace(/^\|/, "");
    const cells = text.match(/(?:\\.|[^\\|]|\\$)*(?:\||$)/g).map((c) =>
      c.replace(/\|$/, "").replaceAll("\\|", "|").trim());
    if (text === "" || /(?:^|[^\\])\|$/.test(text)) cells.pop();
    if (cells.at(-1) === "") cells.pop();
    return cells;
  }

  isTable() {
    const rule = this.lines[this.at + 1];
    return rule !== undefined && this.lines[this.at].includes("|") && isTableRule(rule) &&
      Blocks.cells(rule).length === Blocks.cells(this.lines[this.at]).length;
  }

  table() {
    const head = Blocks.cells(this.lines[this.at]);
    const sides = Blocks.cells(this.lines[this.at + 1]).map((c) =>
      c.endsWith(":") ? (c.startsWith(":") ? "center" : "right") : null);
    const row = (name, cells) => el("tr", {}, head.map((_, i) =>
      el(name, {class: sides[i]}, inline(cells[i] ?? ""))));
    const body = [];
    for (this.at += 2; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      if (isBlank(line) || isBlockStart(line)) break;
      body.push(row("td", Blocks.cells(line)));
    }
    this.out.push(el("div", {class: "table", tabindex: "0", role: "region", "aria-label": "table"},
      el("table", {}, el("thead", {}, row("th", head)), el("tbody", {}, body))));
  }

  paragraph() {
    const body = [this.lines[this.at++].trimStart()];
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      const under = /^ {0,3}(=+|-+) *$/.exec(line);
      if (under) {
        this.at++;
        this.pushHeading(under[1][0] === "=" ? 1 : 2, body.join("\n"));
        return;
      }
      if (isBlank(line) || isBlockStart(line) || interrupts(line)) break;
      body.push(line.trimStart());
    }
    const nodes = inline(body.join("\n").trimEnd());
    if (this.tight) this.out.push(nodes);
    else this.out.push(el("p", {}, nodes));
  }
}

/* -- a text that grows -------------------------------------------------------------- */

export class MarkdownView {
  #root;
  #rest = "";    /* the last line, not ended */
  #kind = null;  /* of the last block: "text", "list", "fence"; null: none is open */
  #lines = [];   /* of the last block, if no fence */
  #fence = "";   /* what closes the fence, also one inside a list */
  #blank = false; /* the list's last line was empty */
  #holder = null; /* the element that shows the last block */
  #code = null;  /* the fence's text, */
  #tail = null;  /* and text behind it, or behind a long block, that is not drawn yet */
  #size = 0;     /* of the last block, */
  #drawn = 0;    /* and of what was drawn of it */
  draws = 0;     /* characters that were drawn in all: what it cost */

  constructor(root) {
    this.#root = root;
  }

  append(text) {
    let from = 0;
    for (let end; (end = text.indexOf("\n", from)) >= 0; from = end + 1) {
      this.#rest += text.slice(from, end);
      const line = this.#rest.replace(/\r$/, "");
      this.#rest = "";
      this.#line(spaced(line));
    }
    this.#rest += text.slice(from);
    this.#show();
  }

  /* No text follows. */
  end() {
    if (this.#rest !== "") this.append("\n");
    this.#close();
  }

  #line(line) {
    if (this.#kind === "fence") {
      if (closes(line, this.#fence)) this.#close();
      else this.#code.appendData((this.#code.length ? "\n" : "") + line);
      this.draws += line.length + 1;
      return;
    }
    if (this.#kind && this.#ends(line)) this.#close();
    if (this.#kind === null) {
      if (isBlank(line)) return;
      if (FENCE.test(line)) return this.#openFence(line);
      this.#kind = isMarker(line) ? "list" : "text";
    }
    if (this.#kind === "list") this.#noteList(line);
    this.#lines.push(line);
    this.#size += line.length + 1;
  }

  /* Whether the line is not part of the open block. */
  #ends(line) {
    if (this.#kind === "text")
      return isBlank(line) || FENCE.test(line) || interrupts(line);
    if (this.#fence || isBlank(line) || indentOf(line) >= 2) return false;
    if (isMarker(line)) return false;
    return this.#blank || isBlockStart(line);
  }

  #noteList(line) {
    this.#blank = isBlank(line);
    const text = line.replace(MARKER, "").trimStart();
    if (this.#fence) {
      if (closes(text, this.#fence)) this.#fence = "";
    } else {
      this.#fence = FENCE.exec(text)?.[1] ?? "";
    }
  }

  #hold() {
    if (this.#holder) return;
    this.#holder = el("div", {class: "block"});
    this.#root.append(this.#holder);
  }

  #openFence(line) {
    const [, fence, info] = FENCE.exec(line);
    const {node, text} = codeBlock(info);
    this.#hold();
    this.#holder.replaceChildren(node);
    this.#kind = "fence";
    this.#fence = fence;
    this.#code = text;
    this.#tail = document.createTextNode("");
    text.after(this.#tail);
  }

  #close() {
    if (this.#kind === "fence") this.#tail.remove();
    else if (this.#kind) this.#draw(this.#lines);
    else this.#holder?.remove();
    this.#holder = this.#code = this.#tail = this.#kind = null;
    this.#lines = [];
    this.#fence = "";
    this.#blank = false;
    this.#size = this.#drawn = 0;
  }

  #draw(lines) {
    this.#hold();
    this.#holder.replaceChildren();
    append(this.#holder, new Blocks(lines, 0, false).run());
    this.#tail = null;
    this.draws += this.#drawn = this.#size + this.#rest.length;
  }

  #show() {
    if (this.#kind === "fence") {
      /* the beginning of what may close it is not shown */
      const hide = this.#rest.trim() === this.#fence[0].repeat(this.#rest.trim().length);
      this.#grow(hide ? "" : (this.#code.length ? "\n" : "") + this.#rest);
      return;
    }
    const size = this.#size + this.#rest.length;
    if (size === 0) return;
    if (size < LONG || size > this.#drawn + this.#drawn / 16)
      this.#draw(this.#rest === "" ? this.#lines : [...this.#lines, spaced(this.#rest)]);
    else this.#showTail(size - this.#drawn);
  }

  /* The last n characters of a long block, as they came. */
  #showTail(n) {
    let text = this.#rest;
    for (let i = this.#lines.length; text.length < n && i > 0;) text = `${this.#lines[--i]}\n${text}`;
    if (!this.#tail) {
      this.#tail = document.createTextNode("");
      this.#holder.append(el("span", {class: "tail"}, this.#tail));
    }
    this.#grow(text.slice(-n));
  }

  #grow(text) {
    if (text.startsWith(this.#tail.data)) {
      this.draws += text.length - this.#tail.length;
      this.#tail.appendData(text.slice(this.#tail.length));
    } else {
      this.draws += text.length;
      this.#tail.data = text;
    }
  }
}
