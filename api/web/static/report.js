/**
 * The verdict on the page: what is proven, what is shown, what is withheld, and what is not proven.
 */
import { PART_NAMES, WHAT } from "./content.js";
import { eventIdOf } from "./opening.js";
import { counted, describe, moment, partWords, plain, seconds, shownBytes, withheldOf } from "./words.js";

const AT_ONCE = 25; // events that are put on the page together
const LONGEST = 50_000; // characters of an answer
const UNWITNESSED = "That everybody is shown this tree: no witness that you named has signed it.";
const OMISSION = "That no other event about the same things was left out.";
const TRUTH = "That what was recorded is true: a sensor can be wrong, and people can lie.";
const SUGGESTION =
  "That this is the right key: it is what this server says. Compare it with one that you have from someone else.";
const ANSWERS = {
  item: "the history of a thing",
  trace: "a trace",
  part: "an aircraft part, back to its birth",
  events: "a page of events (EPCIS)",
  evidence: "a piece of evidence",
};
const REPEATING = ["events", "evidence"]; // answers that only repeat what their events say, so that it is compared

/** Make an element; strings among the children are text, whatever they hold. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** A receipt that holds; `suggested` tells that its key was only the server's suggestion. */
export function receiptReport({ opening, index, head }, suggested) {
  const { origin, size } = head.checkpoint;
  return [
    heading("receipt", head.signed),
    ...unfinished([head], "event.tlog-proof"),
    paragraph(
      `This event is leaf ${index} of ${size} in the log ${plain(origin)}, and what is shown of it is, to the byte, ` +
        "what that log has committed to.",
    ),
    facts([
      ["Event", code(eventIdOf(opening))],
      ["Recorded, as the log says", moment(opening.recordedAt)],
      ...headFacts(head, suggested),
    ]),
    subheading("What is shown of it"),
    eventCard(opening),
    subheading("What is withheld, if it is there at all"),
    bullets(withheldOf(opening), "Nothing."),
    subheading("What this does not prove"),
    bullets([...trustGaps([head], suggested), OMISSION, TRUTH]),
  ];
}

/** A bundle that holds. */
export function bundleReport({ manifest, answer, logs, unchecked }, suggested) {
  const heads = logs.map((log) => log.head);
  const events = logs.flatMap((log) => log.openings.map((opening, i) => ({ opening, leaf: log.indices[i] })));
  const told = `${ANSWERS[manifest.kind]} for ${plain(manifest.reader)}, as known at position ${manifest.knownAt}`;
  return [
    heading("bundle", heads.every((head) => head.signed)),
    ...unfinished(heads, "answer.zip"),
    paragraph(
      `The answer rests on ${counted(events.length, "event")}. Each is in the log, what is shown of it is, to the ` +
        "byte, what the log has committed to, and the answer names no other event." +
        (REPEATING.includes(manifest.kind) ? " What it says of them is what is shown of them." : ""),
    ),
    facts([
      ["Answer, as the bundle says", told],
      ...logs.flatMap((log) => [
        ["Events", counted(log.openings.length, "event")],
        ...headFacts(log.head, suggested),
      ]),
    ]),
    subheading("The answer"),
    folded("answer.json", scrolled(answer)),
    subheading("The events"),
    ...pages(events),
    subheading("What is withheld, if it is there at all"),
    bullets(withheldOfAll(events.map(({ opening }) => opening)), "Nothing."),
    subheading("What this does not prove"),
    bullets([
      REPEATING.includes(manifest.kind)
        ? "What else stands in the answer, and that it answers the question."
        : "That the answer follows from these events: the log signs events, and nobody signs answers.",
      ...trustGaps(heads, suggested),
      ...(manifest.kind === "evidence" ? [] : [OMISSION]),
      TRUTH,
      ...(unchecked.length ? [`Anything about the files ${unchecked.join(", ")}: nobody has looked at them.`] : []),
    ]),
  ];
}

/** A file that does not hold; `advice` says what to do about it. */
export function refusal(kind, error, advice) {
  return [
    title("bad", "✗", `This ${kind} does not hold`),
    failed("The check that failed: ", `${plain(error.message)}.`),
    facts([...(error.where ? [["Where", plain(error.where)]] : []), ["Code", code(error.code)]]),
    paragraph(advice),
    paragraph("Nothing that it shows is proven."),
  ];
}

/** The heading of a verdict, which takes the focus; `tone` is good, bad or open. */
export function title(tone, mark, text) {
  return make("h2", { tabindex: "-1", class: tone }, make("span", { "aria-hidden": "true" }, `${mark} `), text);
}

function heading(kind, signed) {
  return signed
    ? title("good", "✓", `This ${kind} holds`)
    : title("open", "▲", `Not finished: the signature of this ${kind} is not checked`);
}

/** Where the browser has no Ed25519: what that means, and the command that checks it. */
function unfinished(heads, file) {
  if (heads.every((head) => head.signed)) return [];
  const keys = new Set(heads.map((head) => `--key '${plain(head.key.text)}'`));
  return [
    failed(
      "This browser cannot check Ed25519 signatures here. ",
      "All else fits together, and anybody could have made it so. Use a current browser over HTTPS, or the command:",
    ),
    scrolled(`traceability log verify ${file} ${[...keys].join(" ")}`),
  ];
}

function headFacts({ checkpoint, key, signed, cosignatures, quorum }, suggested) {
  const witnesses = cosignatures.map((one) => `${plain(one.key.name)}, as it says on ${seconds(one.seconds)}`);
  return [
    ["Log", `${plain(checkpoint.origin)}, ${checkpoint.size} leaves`],
    [
      signed ? "Signed with the key" : "Not checked: its key",
      [code(plain(key.text)), suggested ? " (this server's word for it)" : ""],
    ],
    ["Witnesses", witnesses.length ? bullets(witnesses) : "none that you named"],
    ...(quorum ? [["Your policy", "is met: as many witnesses have signed as it asks for"]] : []),
  ];
}

function trustGaps(heads, suggested) {
  return [
    ...(heads.every((head) => head.signed) ? [] : ["That the log has signed this tree at all."]),
    ...(suggested ? [SUGGESTION] : []),
    ...(heads.every((head) => head.cosignatures.length) ? [] : [UNWITNESSED]),
  ];
}

function eventCard(opening) {
  const { headline, lines } = describe(opening);
  const bytes = shownBytes(opening).flatMap(({ name, text }) => [help(`${name}: ${partWords(name)}`), scrolled(text)]);
  return make(
    "div",
    { class: "card" },
    make("h4", {}, headline),
    facts(lines.map(({ label, value }) => [label, value])),
    folded("The bytes that the log has committed to", bytes),
  );
}

/** The first events, and a button for more of them. */
function pages(events) {
  const list = make("ol", { class: "cards" });
  const button = make("button", { type: "button", class: "second" });
  let shown = 0;
  const more = () => {
    const next = events.slice(shown, shown + AT_ONCE);
    shown += next.length;
    for (const { opening, leaf } of next) {
      list.append(make("li", {}, help(`Leaf ${leaf}, event `, code(eventIdOf(opening))), eventCard(opening)));
    }
    button.textContent = `Show more of the ${counted(events.length - shown, "event")} that are left`;
    button.hidden = shown === events.length;
  };
  button.addEventListener("click", more);
  more();
  return [list, button];
}

function withheldOfAll(openings) {
  const whats = openings.map((opening) => opening.parts[WHAT]).filter((what) => !what.digest);
  const hidden = whats.reduce((sum, what) => sum + what.count - what.items.length, 0);
  const told = PART_NAMES.flatMap((name, part) => {
    const closed = openings.filter((opening) => opening.parts[part].digest).length;
    return closed ? [`of ${counted(closed, "event")} ${partWords(name)}`] : [];
  });
  return hidden ? [counted(hidden, "thing"), ...told] : told;
}

function facts(rows) {
  const lines = rows.map(([label, value]) => make("div", {}, make("dt", {}, label), make("dd", {}, value)));
  return make("dl", { class: "rows" }, lines);
}

function bullets(lines, none = "") {
  return lines.length ? make("ul", {}, lines.map((line) => make("li", {}, line))) : paragraph(none);
}

function folded(summary, content) {
  return make("details", {}, make("summary", {}, summary), content);
}

function scrolled(text) {
  const rest = text.length - LONGEST;
  const shown = rest > 0 ? `${text.slice(0, LONGEST)}\n… ${counted(rest, "character")} more` : text;
  return make("pre", { tabindex: "0" }, code(shown));
}

function failed(what, text) {
  return make("p", { class: "failed" }, make("strong", {}, what), text);
}

function subheading(text) {
  return make("h3", {}, text);
}

function help(...content) {
  return make("p", { class: "help" }, ...content);
}

function paragraph(text) {
  return make("p", {}, text);
}

function code(text) {
  return make("code", {}, text);
}
