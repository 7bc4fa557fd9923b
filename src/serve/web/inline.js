/* inline.js - the text of one paragraph as nodes: emphasis, code, links, line breaks.
 *
 * One pass from left to right.  `out` holds what is finished and what may still become an
 * opening mark; a closing mark wraps everything behind its opening one.  Both stacks are
 * bounded, so hostile text costs no more than its length times a constant. */
import {el} from "./dom.js";

const MAX_OPEN = 50;
const MAX_URL = 2000;
const MAX_PARENTHESES = 5; /* in an address */
const PUNCTUATION = /[!-/:-@[-`{-~\u2000-\u206f\u3000-\u303f]/;
const ENTITIES = {amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", apos: "'", nbsp: "\u00a0"};

/* The address if it is one of the web, else null: no other scheme becomes a link. */
export function webAddress(text) {
  if (!/^https?:\/\//i.test(text) || text.length > MAX_URL) return null;
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

function link(address, children) {
  return el("a", {href: address, rel: "noopener noreferrer", target: "_blank"}, children);
}

class Inline {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.out = [];      /* strings, nodes, marks {char, count}, brackets {image} */
    this.marks = [];    /* places in out */
    this.brackets = []; /* places in out */
    this.noCode = new Set(); /* lengths of backtick runs that nothing closes any more */
  }

  push(item) {
    const last = this.out.length - 1;
    if (typeof item === "string" && typeof this.out[last] === "string") this.out[last] += item;
    else this.out.push(item);
  }

  /* Take what a sticky pattern finds here, or null. */
  match(pattern) {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text);
  }

  static asNode(item) {
    if (typeof item === "string" || item instanceof Node) return item;
    return item.char ? item.char.repeat(item.count) : item.image ? "![" : "[";
  }

  /* Everything behind a place leaves `out`, as nodes. */
  cut(from) {
    while (this.marks.at(-1) >= from) this.marks.pop();
    while (this.brackets.at(-1) >= from) this.brackets.pop();
    return this.out.splice(from).map(Inline.asNode);
  }

  code() {
    const ticks = this.match(/`+/y)[0];
    let end = -1;
    if (!this.noCode.has(ticks.length)) {
      const runs = /`+/g;
      runs.lastIndex = this.at + ticks.length;
      for (let run; (run = runs.exec(this.text));) {
        if (run[0].length !== ticks.length) continue;
        end = run.index;
        break;
      }
      if (end < 0) this.noCode.add(ticks.length);
    }
    if (end < 0) {
      this.push(ticks);
      this.at += ticks.length;
      return;
    }
    let body = this.text.slice(this.at + ticks.length, end).replaceAll("\n", " ");
    if (body.startsWith(" ") && body.endsWith(" ") && body.trim()) body = body.slice(1, -1);
    this.push(el("code", {}, body));
    this.at = end + ticks.length;
  }

  mark(char) {
    let count = 0;
    while (this.text[this.at + count] === char) count++;
    const before = this.text[this.at - 1] ?? " ", after = this.text[this.at + count] ?? " ";
    this.at += count;
    const space = [/\s/.test(before), /\s/.test(after)];
    const sign = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
    const left = !space[1] && (!sign[1] || space[0] || sign[0]);
    const right = !space[0] && (!sign[0] || space[1] || sign[1]);
    const inWord = char === "_";
    if (right && !(inWord && left && !sign[1])) count = this.close(char, count);
    if (count === 0) return;
    if (left && !(inWord && right && !sign[0]) && this.marks.length < MAX_OPEN) {
      this.marks.push(this.out.length);
      this.out.push({char, count});
    } else {
      this.push(char.repeat(count));
    }
  }

  /* Wrap what opening marks of the same character lie behind; what is left of count. */
  close(char, count) {
    const least = char === "~" ? 2 : 1;
    while (count >= least) {
      const place = this.marks.findLast(
        (p) => this.out[p].char === char && this.out[p].count >= least);
      if (place === undefined) break;
      const open = this.out[place];
      const used = Math.min(2, count, open.count);
      const name = char === "~" ? "del" : used === 2 ? "strong" : "em";
      const node = el(name, {}, this.cut(place + 1));
      open.count -= used;
      count -= used;
      if (open.count === 0) this.cut(place);
      this.out.push(node);
    }
    return count;
  }

  /* "(address "title")" behind a bracket: [address, end] or null. */
  destination(at) {
    if (this.text[at] !== "(") return null;
    const stop = Math.min(this.text.length, at + MAX_URL);
    let depth = 0, address = "", i = at + 1;
    while (i < stop && /\s/.test(this.text[i])) i++;
    for (; i < stop; i++) {
      const c = this.text[i];
      if (/\s/.test(c) || (c === ")" && depth === 0)) break;
      if (c === "(" && ++depth > MAX_PARENTHESES) return null;
      if (c === ")") depth--;
      address += c;
    }
    const title = /\s*(?:"[^"\n]{0,500}"|'[^'\n]{0,500}')?\s*\)/y;
    title.lastIndex = i;
    const end = title.exec(this.text);
    return end && [address.replace(/^<(.*)>$/, "$1"), i + end[0].length];
  }

  closeBracket() {
    const place = this.brackets.pop();
    const found = place === undefined ? null : this.destination(this.at + 1);
    const address = found && webAddress(found[0]);
    if (!address) {
      this.push("]");
      this.at++;
      return;
    }
    const node = link(address, this.cut(place).slice(1));
    for (const inner of node.querySelectorAll("a")) inner.replaceWith(inner.textContent);
    if (node.textContent === "") node.append(address);
    this.push(node);
    this.at = found[1];
  }

  address() {
    const whole = this.match(/<(https?:\/\/[^\s<>]{1,2000})>/iy);
    if (whole && webAddress(whole[1])) {
      this.push(link(webAddress(whole[1]), [whole[1]]));
      this.at += whole[0].length;
      return true;
    }
    if (this.at > 0 && /[\p{L}\p{N}]/u.test(this.text[this.at - 1])) return false;
    let bare = this.match(/https?:\/\/[^\s<>"'`\]*]{1,2000}/iy)?.[0];
    if (!bare) return false;
    const trimmed = /[.,;:!?]*$/;
    bare = bare.replace(trimmed, "");
    while (bare.endsWith(")") && bare.split(")").length > bare.split("(").length)
      bare = bare.slice(0, -1).replace(trimmed, "");
    const address = webAddress(bare);
    if (!address) return false;
    this.push(link(address, [bare]));
    this.at += bare.length;
    return true;
  }

  lineBreak() {
    const last = this.out.length - 1;
    if (typeof this.out[last] === "string") this.out[last] = this.out[last].trimEnd();
    this.out.push(el("br"));
    this.at++;
  }

  entity() {
    const found = this.match(/&(#?\w{2,5});/y);
    const text = found && ENTITIES[found[1]];
    this.push(text ?? "&");
    this.at += text ? found[0].length : 1;
  }

  escape() {
    const next = this.text[this.at + 1];
    this.at++;
    if (next === "\n") return this.lineBreak();
    if (next === undefined || !/[!-/:-@[-`{-~]/.test(next)) return this.push("\\");
    this.push(next);
    this.at++;
  }

  openBracket(image) {
    const length = image ? 2 : 1;
    if (this.brackets.length < MAX_OPEN) {
      this.brackets.push(this.out.length);
      this.out.push({image});
    } else {
      this.push(image ? "![" : "[");
    }
    this.at += length;
  }

  step() {
    const c = this.text[this.at];
    if (c === "\\") return this.escape();
    if (c === "`") return this.code();
    if (c === "*" || c === "_" || c === "~") return this.mark(c);
    if (c === "[") return this.openBracket(false);
    if (c === "!" && this.text[this.at + 1] === "[") return this.openBracket(true);
    if (c === "]") return this.closeBracket();
    if (c === "\n") return this.lineBreak();
    if (c === "&") return this.entity();
    if ((c === "<" || c === "h" || c === "H") && this.address()) return undefined;
    const plain = this.match(/[^\\`*_~[\]!\n&<hH]+/y)?.[0] ?? c;
    this.push(plain);
    this.at += plain.length;
    return undefined;
  }

  nodes() {
    while (this.at < this.text.length) this.step();
    return this.cut(0);
  }
}

/* The nodes and strings of a text. */
export function inline(text) {
  return new Inline(text).nodes();
}
