/**
 * The page /verify: takes a receipt or a bundle from a file, as text or from this server, and checks it here.
 *
 * What is checked leaves this machine at no time. Two requests are made, both before a check: for the keys of this
 * server's logs, and for the receipt of an event when the address names one (`?event=`).
 */
import { verifyBundle } from "./bundle.js";
import { VerificationError, textOf, utf8 } from "./encoding.js";
import { hasEd25519 } from "./note.js";
import { verifyReceipt } from "./receipt.js";
import { bundleReport, make, receiptReport, refusal, title } from "./report.js";
import { Trust } from "./trust.js";
import { isZip } from "./zip.js";

const MAX_SIZE = 256 * 2 ** 20;
const RECEIPT = "c2sp.org/tlog-proof";
const RETRIES = 10;
const ADVICE = {
  "log.untrusted_key":
    "Put the key of this log under “Whom you trust”; ask for it whoever you believe, not who gave you this file.",
  "log.quorum": "The log may still be gathering signatures: ask for a newer receipt, or look at your policy.",
};
const USUAL_ADVICE =
  "It was changed after it was made, or belongs to another log or key. Ask for it again where you have it from.";

const form = document.getElementById("verify");
const verdict = document.getElementById("verdict");
const status = document.getElementById("status");
const trust = document.getElementById("trust");
let suggestion = ""; // what the server says its keys are
let last = null; // the bytes that were checked last
let run = 0; // a check that a later one has overtaken says nothing

/** Check bytes and show the verdict. */
async function check(data) {
  const mine = ++run;
  last = data;
  const kind = isZip(data) ? "bundle" : "receipt";
  const suggested = Boolean(suggestion) && trust.value.includes(suggestion); // with or without more beside it
  status.textContent = `Checking the ${kind} …`;
  let report;
  try {
    report = await reportOn(kind, data, suggested, (done, all) => {
      if (mine === run) status.textContent = `Checking: ${done} of ${all} events …`;
    });
  } catch (error) {
    console.error(error); // an error of this page, or of the machine's memory: in no case a proof
    report = [title("bad", "✗", `This ${kind} could not be checked`), make("p", {}, `${error.message}.`)];
  }
  if (mine === run) show(...report);
}

async function reportOn(kind, data, suggested, progress) {
  let trusted;
  try {
    trusted = Trust.parse(trust.value);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    trust.setAttribute("aria-invalid", "true");
    const reason = `What is under “Whom you trust” cannot be read: ${error.message}.`;
    return [title("bad", "✗", "Nothing is checked yet"), make("p", {}, reason)];
  }
  trust.removeAttribute("aria-invalid");
  try {
    return kind === "bundle"
      ? bundleReport(await verifyBundle(data, trusted, progress), suggested)
      : receiptReport(await verifyReceipt(data, trusted), suggested);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    return refusal(kind, error, ADVICE[error.code] ?? USUAL_ADVICE);
  }
}

function show(...content) {
  verdict.replaceChildren(...content);
  verdict.hidden = false;
  const heading = verdict.querySelector("h2");
  verdict.className = heading.className;
  status.textContent = "";
  heading.focus();
}

/** Take a file: a receipt, a bundle, or a list of keys or policy, which becomes whom the reader trusts. */
async function take(file) {
  if (file.size > MAX_SIZE) {
    show(title("bad", "✗", "This file is too large"), make("p", {}, "A receipt or a bundle has at most 256 MiB."));
    return;
  }
  const data = new Uint8Array(await file.arrayBuffer());
  const asTrust = trustIn(data);
  if (asTrust === null) {
    await check(data);
  } else {
    trust.value = asTrust;
    trustChanged();
  }
}

function trustIn(data) {
  try {
    const text = textOf(data, "the file");
    return text.startsWith(RECEIPT) || !Trust.parse(text).logs.length ? null : text;
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    return null;
  }
}

function trustChanged() {
  if (last) check(last);
  else status.textContent = "Understood. Now choose a receipt or a bundle.";
}

/** Ask this server which keys its logs have; a reader who knows better puts others in their place. */
async function suggestKeys() {
  const answer = await fetch(form.dataset.logs, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  suggestion = (await answer.json()).map((log) => log.vkey).join("\n");
  if (!trust.value) trust.value = suggestion;
}

/** Fetch the receipt of an event; one that was recorded a moment ago takes a second to be published. */
async function fetchReceipt(event, items) {
  const query = items.map((item) => `item=${encodeURIComponent(item)}`).join("&");
  const address = `/provenance/events/${encodeURIComponent(event)}/receipt${query && `?${query}`}`;
  status.textContent = "Fetching the receipt …";
  for (let left = RETRIES; ; left--) {
    // As a browser asks for a file: with what is seen by whoever signed in. Its errors are pages.
    const answer = await fetch(address, { headers: { Accept: "text/plain, text/html;q=0.5" } });
    const content = new Uint8Array(await answer.arrayBuffer());
    if (answer.ok) return content;
    if (answer.status !== 503 || !left) throw new Error(await detailOf(address, answer.status));
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    await new Promise((resume) => setTimeout(resume, 1000 * Math.min(seconds, 5)));
  }
}

/** Return why there is no receipt at an address, in the words for programs, which are not signed in. */
async function detailOf(address, status) {
  const answer = await fetch(address, { headers: { Accept: "application/problem+json" } });
  const { detail } = await answer.json();
  return answer.status === status ? detail : "It is not published yet: try again in a moment";
}

async function start() {
  form.hidden = false;
  document.getElementById("file").addEventListener("change", (event) => {
    if (event.target.files.length) take(event.target.files[0]);
    event.target.value = ""; // the same file chosen again is checked again
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = document.getElementById("text").value.trim();
    if (text) check(utf8(`${text}\n`));
  });
  trust.addEventListener("change", trustChanged);
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  document.getElementById("no-signatures").hidden = await hasEd25519();
  if (!form.dataset.logs) return; // a saved page has no server
  const asked = new URLSearchParams(location.search);
  try {
    await suggestKeys();
    if (asked.has("event")) await check(await fetchReceipt(asked.get("event"), asked.getAll("item")));
  } catch (error) {
    if (asked.has("event")) show(title("bad", "✗", "There is no receipt to check"), make("p", {}, `${error.message}.`));
  }
}

start();
