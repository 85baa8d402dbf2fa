/**
 * Whom the reader trusts: keys of logs and witnesses that were given one by one, or a policy.
 */
import { VerificationError, partition } from "./encoding.js";
import { COSIGNATURE, VerifierKey, openCheckpoint, splitNote } from "./note.js";
import { NONE, Policy } from "./policy.js";

const POLICY_LINE = /^[ \t]*(?:log|witness|group|quorum)[ \t]/m;

export class Trust {
  constructor(keys, witnesses = [], policy = null) {
    this.keys = keys;
    this.witnesses = witnesses;
    this.policy = policy;
  }

  /** Read a policy, or keys one a line, told apart by the first words of lines; throws `VerificationError`. */
  static parse(text) {
    if (POLICY_LINE.test(text)) return new Trust([], [], Policy.parse(text.endsWith("\n") ? text : `${text}\n`));
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    const keys = lines.map((line) => VerifierKey.parse(line));
    const cosigns = (key) => key.algorithm === COSIGNATURE;
    return new Trust(keys.filter((key) => !cosigns(key)), keys.filter(cosigns));
  }

  /** The keys of all logs that are trusted. */
  get logs() {
    return [...this.keys, ...(this.policy?.logs ?? [])];
  }

  /**
   * Check a signed checkpoint; with `key` only that one will do, and it too has to be trusted.
   *
   * @throws {VerificationError} `log.untrusted_key` when no key of that log is trusted, `log.quorum` when the policy
   *   asks for more cosignatures.
   * @returns the `checkpoint`, `key`, `signed` (false where the browser cannot check it), `cosignatures` of trusted
   *   witnesses, and `quorum`: whether a policy asked for some of them, and got them.
   */
  async open(note, key = null) {
    const { text, signatures } = splitNote(note);
    const [origin] = partition(text, "\n");
    const known = this.logs.filter((own) => own.name === origin && (key === null || own.text === key.text));
    if (!known.length) {
      const message = `you trust no key of the log ${origin} that this is signed with`;
      throw new VerificationError(message, "log.untrusted_key");
    }
    // A log may have had several keys under its name.
    const signers = new Set(signatures.map((signature) => `${signature.name} ${signature.id}`));
    const signer = known.find((own) => signers.has(`${own.name} ${own.id}`)) ?? known[0];
    const witnesses = [...this.witnesses, ...(this.policy?.witnesses.map((witness) => witness.key) ?? [])];
    const opened = await openCheckpoint(note, signer, witnesses);
    if (opened.signed && this.policy && !this.policy.satisfiedBy(opened.cosignatures.map((one) => one.key))) {
      const message = `the checkpoint of ${origin} lacks cosignatures that the policy asks for`;
      throw new VerificationError(message, "log.quorum");
    }
    const quorum = opened.signed && this.policy !== null && this.policy.quorum !== NONE;
    return { ...opened, key: signer, quorum };
  }
}
