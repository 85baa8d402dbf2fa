/**
 * What the bytes of an opened part may be: one JSON object, in one spelling, with its own members.
 *
 * The commitment binds bytes, not meaning. Two readers agree on the meaning only when a member cannot occur twice, hide
 * in another part or be split by white space, so bytes that allow it are refused although their hash is right.
 */
import { VerificationError, textOf } from "./encoding.js";
import { parseJson } from "./json.js";

export const PART_NAMES = ["head", "what", "where", "why", "how", "more", "personal", "source"];
export const [HEAD, WHAT, WHERE, WHY, HOW, MORE, PERSONAL, SOURCE] = PART_NAMES.keys();

export const ITEM_LISTS = [
  "parentID",
  "transformationID",
  "inputEPCList",
  "inputQuantityList",
  "outputEPCList",
  "outputQuantityList",
  "epcList",
  "childEPCs",
  "quantityList",
  "childQuantityList",
];
const ITEM_MEMBERS = ["list", "id", "quantity", "uom"];
const DECLARATION = "errorDeclaration"; // its time and reason are in `head`, all else of it in `more`
const DECLARATION_IN_HEAD = ["declarationTime", "reason"];
const OWN_MEMBERS = {
  [HEAD]: [
    "type",
    "captured_by",
    "occurred_at",
    "eventTimeZoneOffset",
    "action",
    "bizStep",
    "disposition",
    "persistentDisposition",
    DECLARATION,
  ],
  [WHERE]: ["readPoint", "bizLocation"],
  [WHY]: ["bizTransactionList", "sourceList", "destinationList"],
  [HOW]: ["sensorElementList", "ilmd", "certificationInfo"],
  [MORE]: ["eventID", "recordTime", DECLARATION],
};
const TABLE = new Set([...ITEM_LISTS, ...Object.values(OWN_MEMBERS).flat()]);

/** Whether a member may be in a part: extensions and what is personal have names of any kind that is nobody else's. */
function belongs(name, part) {
  if (part === PERSONAL) return !TABLE.has(name);
  return OWN_MEMBERS[part].includes(name) || (part === MORE && !TABLE.has(name));
}

/** Check the bytes of an opened part other than `what`; `source` may be anything. Throws `VerificationError`. */
export function checkPart(part, content) {
  if (part === SOURCE || !content.length) return;
  const members = jsonObject(content, PART_NAMES[part]);
  const strangers = [...members.keys()].filter((name) => !belongs(name, part));
  const declaration = part === HEAD || part === MORE ? members.get(DECLARATION) : null;
  if (declaration instanceof Map) {
    const misplaced = (name) => DECLARATION_IN_HEAD.includes(name) === (part === MORE);
    strangers.push(...[...declaration.keys()].filter(misplaced));
  }
  if (strangers.length) {
    const shown = JSON.stringify(strangers.sort()[0]);
    throw new VerificationError(`${shown} does not belong to the part ${PART_NAMES[part]}`, "log.foreign_member");
  }
}

/** Check the bytes of an opened item of `what`; throws `VerificationError`. */
export function checkItem(content) {
  const item = jsonObject(content, "an item");
  const known = [...item.keys()].every((name) => ITEM_MEMBERS.includes(name));
  if (!ITEM_LISTS.includes(item.get("list")) || typeof item.get("id") !== "string" || !known) {
    throw new VerificationError("an item names its list and its id, and at most a quantity and a unit beside");
  }
}

/** Read a JSON object without white space outside strings and without repeated members; throws `VerificationError`. */
export function jsonObject(content, what) {
  const value = parseJson(textOf(content, what), what, { compact: true });
  if (!(value instanceof Map)) throw new VerificationError(`${what} is not a JSON object`);
  return value;
}
