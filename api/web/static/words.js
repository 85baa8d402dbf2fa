/**
 * What an opening shows, in words. Tables of the CBV's words come with the page; a word that is not in them is shown as
 * it is, with its underscores opened.
 */
import { HEAD, HOW, PART_NAMES, WHAT, WHERE, WHY, jsonObject } from "./content.js";
import { textOf } from "./encoding.js";
import { Numeral } from "./json.js";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LISTED = 12;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const PARTS = {
  head: "the kind of event, its time and who recorded it",
  what: "which things it is about, and how many",
  where: "the place",
  why: "the parties and business documents",
  how: "readings, product data and certificates",
  more: "further details",
  personal: "personal data",
  source: "the message as it was received",
};
const LISTS = {
  parentID: "Container or whole",
  transformationID: "Part of the process",
  inputEPCList: "Used up",
  inputQuantityList: "Used up",
  outputEPCList: "Made",
  outputQuantityList: "Made",
  epcList: "Thing",
  childEPCs: "Inside or part",
  quantityList: "Amount",
  childQuantityList: "Amount inside",
};
const tables = JSON.parse(document.getElementById("words").textContent);

/** Text of others as it may be shown: whoever wrote an event must not hide letters, or turn their direction. */
export function plain(text) {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`);
}

/** Microseconds since 1970 (`BigInt`) as `2 Mar 2026, 08:15:00 UTC`. */
export function moment(microseconds) {
  return seconds(microseconds / 1_000_000n);
}

/** Seconds since 1970 (`BigInt`) as `2 Mar 2026, 08:15:00 UTC`. */
export function seconds(since1970) {
  if (since1970 > 253_402_300_799n) return `${since1970} seconds after 1970`; // beyond the year 9999
  return dateOf(new Date(Number(since1970) * 1000));
}

function dateOf(date) {
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return `${day}, ${date.toISOString().slice(11, 19)} UTC`;
}

/** A number of things: `1 event`, `1,000 events`. */
export function counted(number, noun) {
  return `${Number(number).toLocaleString("en")} ${noun}${Number(number) === 1 ? "" : "s"}`;
}

/** What is withheld of an event, as a list of words. */
export function withheldOf(opening) {
  const told = PART_NAMES.filter((_, part) => opening.parts[part].digest).map((name) => PARTS[name]);
  const what = opening.parts[WHAT];
  const hidden = what.digest ? 0 : what.count - what.items.length;
  if (hidden) told.unshift(`${counted(hidden, "thing")} of the ${what.count.toLocaleString("en")} that it is about`);
  return told;
}

/** What the name of a part means. */
export function partWords(name) {
  return PARTS[name];
}

/**
 * An event in words: its `headline`, and `lines` of {label, value}. What is not shown is not in it, and what is not
 * understood is only in the bytes.
 */
export function describe(opening) {
  const [head, where, why, how] = [HEAD, WHERE, WHY, HOW].map((part) => membersIn(opening.parts[part]));
  const step = head.get("bizStep");
  return {
    headline: plain(table("steps", step) ?? kindOf(head.get("type"))),
    lines: [
      ...time(head),
      ...line("Where", idOf(where.get("bizLocation")) ?? idOf(where.get("readPoint"))),
      ...things(opening.parts[WHAT]),
      ...line("State", table("dispositions", head.get("disposition"))),
      ...["sourceList", "destinationList"].flatMap((name) => parties(why.get(name), name)),
      ...list(why.get("bizTransactionList")).flatMap((one) =>
        line(table("transactions", one.get("type")) ?? "Document", textIn(one.get("bizTransaction"))),
      ),
      ...readings(how),
      ...line("Recorded by", textIn(head.get("captured_by"))),
    ].map(({ label, value }) => ({ label: plain(label), value: plain(value) })),
  };
}

/** The bytes that are shown, as {name, text}. */
export function shownBytes(opening) {
  return PART_NAMES.flatMap((name, part) => {
    const shown = opening.parts[part];
    if (shown.digest) return [];
    const contents = part === WHAT ? shown.items.map((item) => item.content) : [shown.content];
    const text = contents.map(textOrNothing).join("\n");
    return text ? [{ name, text: text.split("\n").map(plain).join("\n") }] : [];
  });
}

/** A GS1 Digital Link as people read it: `Item: GTIN 09521234000013, Serial 1001`; other names as they are. */
export function nameOf(uri) {
  const [, path] = /^https:\/\/id\.gs1\.org\/(.+)$/.exec(uri) ?? [];
  const pieces = path?.split("/") ?? [];
  if (pieces.length < 2 || pieces.length % 2) return uri;
  const elements = [];
  for (let i = 0; i < pieces.length; i += 2) {
    elements.push(`${own(tables.elements, pieces[i]) ?? `(${pieces[i]})`} ${decoded(pieces[i + 1])}`);
  }
  return `${own(tables.keys, pieces[0]) ?? "Thing"}: ${elements.join(", ")}`;
}

function time(head) {
  const at = textIn(head.get("occurred_at"));
  if (at === null) return [];
  const date = new Date(at.replace(/\.\d+Z$/, "Z"));
  const offset = textIn(head.get("eventTimeZoneOffset"));
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(offset ?? "") ?? [];
  if (Number.isNaN(date.getTime())) return line("When", at);
  if (!sign) return line("When", dateOf(date));
  const shift = (sign === "-" ? -1 : 1) * (60 * hours + Number(minutes)) * 60_000;
  const there = dateOf(new Date(date.getTime() + shift)).replace(" UTC", "");
  return line("When", `${dateOf(date)}; there ${there} (${offset})`);
}

function things(what) {
  if (what.digest) return [];
  const lines = what.items.slice(0, LISTED).flatMap(({ content }) => {
    const item = jsonObject(content, "an item");
    const quantity = item.get("quantity");
    const amount = quantity instanceof Numeral ? `${quantity.text} ${unit(item.get("uom"))} of ` : "";
    return line(LISTS[item.get("list")], `${amount}${nameOf(item.get("id"))}`);
  });
  const more = what.items.length - lines.length;
  return more > 0 ? [...lines, ...line("And", `${counted(more, "thing")} more`)] : lines;
}

function parties(entries, name) {
  const [from, member] = name === "sourceList" ? ["From", "source"] : ["To", "destination"];
  return list(entries).flatMap((one) => {
    const uri = textIn(one.get(member));
    return line(`${from} ${table("parties", one.get("type")) ?? "party"}`, uri && nameOf(uri));
  });
}

function readings(how) {
  const reports = list(how.get("sensorElementList")).flatMap((element) => list(element.get("sensorReport")));
  const lines = reports.slice(0, LISTED).flatMap((report) => {
    const value = report.get("value");
    const number = value instanceof Numeral ? `${value.text} ${unit(report.get("uom"))}` : null;
    return line(opened(textIn(report.get("type")) ?? "Reading"), number ?? textIn(report.get("stringValue")));
  });
  const more = reports.length - LISTED;
  return more > 0 ? [...lines, ...line("And", `${counted(more, "reading")} more`)] : lines;
}

function kindOf(type) {
  const words = (textIn(type) ?? "event").replace(/\.v\d+$/, "").split(".").at(-1);
  return opened(words);
}

function unit(code) {
  const text = textIn(code);
  return text === null ? "pieces" : (own(tables.units, text) ?? text);
}

function table(name, word) {
  return typeof word === "string" ? (own(tables[name], word) ?? opened(word)) : null;
}

/** The last word of a URI or a name in snake case or camel case as plain words: `First aid`. */
function opened(word) {
  const last = word.replace(/\/+$/, "").split(/[#/:]/).at(-1);
  const text = last.replace(/(\p{Ll})(\p{Lu})/gu, (_, a, b) => `${a} ${b.toLowerCase()}`).replace(/[_-]+/g, " ").trim();
  return text ? text[0].toUpperCase() + text.slice(1) : word;
}

function own(object, name) {
  return Object.hasOwn(object, name) ? object[name] : null;
}

function membersIn(part) {
  return part.digest || !part.content.length ? new Map() : jsonObject(part.content, "a part");
}

function line(label, value) {
  return typeof value === "string" && value ? [{ label, value }] : [];
}

function list(value) {
  return Array.isArray(value) ? value.filter((one) => one instanceof Map) : [];
}

function textIn(value) {
  return typeof value === "string" ? value : null;
}

function idOf(place) {
  const uri = place instanceof Map ? textIn(place.get("id")) : null;
  return uri === null ? null : nameOf(uri);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function textOrNothing(bytes) {
  try {
    return textOf(bytes, "");
  } catch {
    return `(${counted(bytes.length, "byte")} that are not text)`;
  }
}
