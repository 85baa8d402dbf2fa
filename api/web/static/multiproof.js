/**
 * One inclusion proof for many leaves of a tree: a hash that several need is there once (docs/guide/bundles.md).
 */
import { VerificationError, ofBigEndian, utf8, equal } from "./encoding.js";
import { nodeHash } from "./merkle.js";

const HEADER = utf8("trace-multiproof/1\n");
const FIXED = HEADER.length + 12;
const HASH_SIZE = 32;
const LARGEST = 2n ** 63n - 1n;
export const MAX_LEAVES = 100_000;

/** Read a proof: the `size` of the tree, the `indices` of leaves (`BigInt`), and the `hashes` that they do not give. */
export function parseMultiproof(data) {
  if (data.length < FIXED || !equal(data.subarray(0, HEADER.length), HEADER)) {
    throw new VerificationError("this is not a trace-multiproof/1");
  }
  const number = (start, size) => ofBigEndian(data.subarray(start, start + size));
  const size = number(HEADER.length, 8);
  const count = Number(number(HEADER.length + 8, 4));
  if (!count || count > MAX_LEAVES) throw new VerificationError(`a multi-proof is of 1 to ${MAX_LEAVES} leaves`);
  const start = FIXED + 8 * count;
  if (data.length < start || (data.length - start) % HASH_SIZE) {
    throw new VerificationError("the multi-proof is cut off");
  }
  const indices = Array.from({ length: count }, (_, i) => number(FIXED + 8 * i, 8));
  const hashes = [];
  for (let at = start; at < data.length; at += HASH_SIZE) hashes.push(data.subarray(at, at + HASH_SIZE));
  return { size, indices, hashes };
}

/**
 * Rebuild the root from the hashes of the leaves at `indices`. Nothing is proven until it was compared with a signed
 * one.
 *
 * Level by level and from left to right: the sibling of a node is its right neighbour among the known nodes, or the
 * next hash of the proof; a lone right node goes up as it is.
 *
 * @throws {VerificationError} when indices are unsorted or outside the tree, or hashes are missing or left over.
 */
export function rootOfMultiproof({ size, indices, hashes }, leafHashes) {
  const sorted = indices.every((index, i) => !i || index > indices[i - 1]);
  if (size > LARGEST || !sorted || indices.at(-1) >= size) {
    throw new VerificationError("the indices of the multi-proof are not in order within the tree");
  }
  if (leafHashes.length !== indices.length) {
    throw new VerificationError(`the multi-proof is of ${indices.length} leaves, not ${leafHashes.length}`);
  }
  let used = 0;
  const next = () => {
    if (used === hashes.length) throw new VerificationError("the multi-proof lacks hashes", "log.inclusion");
    return hashes[used++];
  };
  let numbers = indices;
  let nodes = leafHashes;
  for (let width = size; width > 1n; width = (width + 1n) >> 1n) {
    const numbersAbove = [];
    const nodesAbove = [];
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i];
      const node = nodes[i];
      numbersAbove.push(number >> 1n);
      if (number & 1n) nodesAbove.push(nodeHash(next(), node));
      else if (number + 1n === width) nodesAbove.push(node);
      else if (numbers[i + 1] === number + 1n) nodesAbove.push(nodeHash(node, nodes[++i]));
      else nodesAbove.push(nodeHash(node, next()));
    }
    numbers = numbersAbove;
    nodes = nodesAbove;
  }
  if (used < hashes.length) throw new VerificationError("the multi-proof has hashes left over", "log.inclusion");
  return nodes[0];
}
