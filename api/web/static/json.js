/**
 * JSON (RFC 8259) read strictly: no repeated member, and on request no white space outside strings.
 *
 * `JSON.parse` keeps the last of two members of one name and rounds numbers. Two readers of such bytes can see two
 * things, so what a commitment binds is not read by it. Objects come back as `Map`.
 */
import { VerificationError } from "./encoding.js";

const DEEPEST = 512; // no server of ours takes JSON that is nested deeper
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORDS = [["true", true], ["false", false], ["null", null]];

/** A number as it is spelled. */
export class Numeral {
  constructor(text) {
    this.text = text;
  }
}

/**
 * Read one JSON text; `number` reads each number from its spelling, `what` names the text in errors.
 *
 * @throws {VerificationError}
 */
export function parseJson(text, what, { number = (spelling) => new Numeral(spelling), compact = false } = {}) {
  let at = 0;
  const fail = () => {
    throw new VerificationError(`${what} is not JSON${compact ? " without white space" : ""}`);
  };
  const space = () => {
    while (!compact && at < text.length && " \t\n\r".includes(text[at])) at++;
  };
  const string = () => {
    const start = at++;
    let escaped = false;
    for (;;) {
      const unit = text.charCodeAt(at);
      if (unit === 0x22) break;
      if (!(unit >= 0x20)) fail(); // a control character, or the end: NaN
      if (unit === 0x5c) {
        escaped = true;
        at++;
      }
      at++;
    }
    at++;
    if (!escaped) return text.slice(start + 1, at - 1);
    try {
      return JSON.parse(text.slice(start, at));
    } catch {
      return fail();
    }
  };
  const value = (depth) => {
    if (depth > DEEPEST) fail();
    space();
    const first = text[at];
    let read;
    if (first === "{") read = object(depth);
    else if (first === "[") read = array(depth);
    else if (first === '"') read = string();
    else read = scalar();
    space();
    return read;
  };
  const object = (depth) => {
    const members = new Map();
    at++;
    space();
    if (text[at] === "}") return at++, members;
    for (;;) {
      space();
      if (text[at] !== '"') fail();
      const name = string();
      if (members.has(name)) throw new VerificationError(`${what} repeats a member`, "log.repeated_member");
      space();
      if (text[at++] !== ":") fail();
      members.set(name, value(depth + 1));
      const next = text[at++];
      if (next === "}") return members;
      if (next !== ",") fail();
    }
  };
  const array = (depth) => {
    const list = [];
    at++;
    space();
    if (text[at] === "]") return at++, list;
    for (;;) {
      list.push(value(depth + 1));
      const next = text[at++];
      if (next === "]") return list;
      if (next !== ",") fail();
    }
  };
  const scalar = () => {
    const word = WORDS.find(([spelling]) => text.startsWith(spelling, at));
    if (word) {
      at += word[0].length;
      return word[1];
    }
    NUMBER.lastIndex = at;
    const match = NUMBER.exec(text);
    if (!match) return fail();
    at = NUMBER.lastIndex;
    return number(match[0]);
  };
  const whole = value(0);
  if (at !== text.length) fail();
  return whole;
}

/** The values of an object that has exactly these members. */
export function membersOf(value, names, what) {
  if (!(value instanceof Map) || value.size !== names.length || !names.every((name) => value.has(name))) {
    throw new VerificationError(`${what} has here the members ${names.join(", ")} and no others`);
  }
  return names.map((name) => value.get(name));
}
