/**
 * Trust policies: which logs and witnesses count, and how many witnesses it takes (C2SP tlog-policy).
 *
 * Lines of `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, `group <name> all|any|<k> <name>…`, and one
 * `quorum <name>|none`. Names of witnesses and groups mean nothing outside the policy.
 */
import { VerificationError, numberOf } from "./encoding.js";
import { COSIGNATURE, VerifierKey } from "./note.js";

export const NONE = "none";

/** `logs` are keys, `witnesses` {name, key}, `groups` {name, threshold, members}; `quorum` is a name or `none`. */
export class Policy {
  logs = [];
  witnesses = [];
  groups = [];
  quorum = null;

  /** Read a policy file; throws `VerificationError`, which names the line. */
  static parse(text) {
    const policy = new Policy();
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text) || (text && !text.endsWith("\n"))) {
      throw new VerificationError(
        "a policy is lines that each end with a newline, without other control characters",
      );
    }
    text.split("\n").forEach((line, i) => {
      const words = line.replace(/^[ \t]+|[ \t]+$/g, "").split(/[ \t]+/);
      if (!words[0] || words[0].startsWith("#")) return;
      try {
        policy.#take(words[0], words.slice(1));
      } catch (error) {
        if (error instanceof VerificationError) error.message = `line ${i + 1} of the policy: ${error.message}`;
        throw error;
      }
    });
    if (policy.quorum === null) throw new VerificationError("the policy has no quorum line");
    return policy;
  }

  /** Whether these keys, whose cosignatures of one checkpoint were verified, are the quorum. */
  satisfiedBy(keys) {
    const cosigned = new Set(keys.map((key) => key.text));
    const witnessed = new Set(this.witnesses.filter(({ key }) => cosigned.has(key.text)).map(({ name }) => name));
    // A group's members come before it.
    for (const { name, threshold, members } of this.groups) {
      if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name);
    }
    return this.quorum === NONE || witnessed.has(this.quorum);
  }

  #take(keyword, words) {
    const [first, second] = words;
    if (keyword === "log" && (words.length === 1 || words.length === 2)) {
      const key = parseKey(first, this.logs);
      if (key.algorithm === COSIGNATURE) throw new VerificationError("the key of a log does not sign cosignatures");
      this.logs.push(key);
    } else if (keyword === "witness" && (words.length === 2 || words.length === 3)) {
      const key = parseKey(second, this.witnesses.map((witness) => witness.key));
      if (key.algorithm !== COSIGNATURE) {
        throw new VerificationError("the key of a witness signs cosignatures (signature type 4)");
      }
      this.#define(first);
      this.witnesses.push({ name: first, key });
    } else if (keyword === "group" && words.length >= 3) {
      const group = this.#group(first, second, words.slice(2));
      this.#define(first);
      this.groups.push(group);
    } else if (keyword === "quorum" && words.length === 1) {
      if (this.quorum !== null) throw new VerificationError("there is one quorum line");
      if (first !== NONE) this.#checkDefined(first);
      this.quorum = first;
    } else {
      throw new VerificationError("it is no line of a policy: log, witness, group or quorum with their words");
    }
  }

  #group(name, threshold, members) {
    const taken = new Set(this.groups.flatMap((group) => group.members));
    for (const member of members) {
      this.#checkDefined(member);
      // Else a witness would count twice towards the quorum.
      if (taken.has(member)) throw new VerificationError("a name is the member of one group, and once");
      taken.add(member);
    }
    const words = new Map([["any", 1n], ["all", BigInt(members.length)]]);
    const least = words.get(threshold) ?? numberOf(threshold, "the number of a group");
    if (least < 1n || least > members.length) {
      throw new VerificationError(`a group of ${members.length} cannot ask for ${least}`);
    }
    return { name, threshold: Number(least), members };
  }

  #defined(name) {
    return [...this.witnesses, ...this.groups].some((one) => one.name === name);
  }

  #define(name) {
    if (name === NONE || this.#defined(name)) {
      throw new VerificationError("a name is defined once, and never none");
    }
  }

  #checkDefined(name) {
    if (!this.#defined(name)) throw new VerificationError("it names what no line before it defines");
  }
}

function parseKey(text, others) {
  const key = VerifierKey.parse(text);
  // The standard compares the keys themselves: under two names one key would count twice.
  if (others.some((other) => other.samePublicKey(key))) {
    throw new VerificationError("the same public key is listed twice");
  }
  return key;
}
