/**
 * Trees over SHA-256: RFC 6962 section 2.1, and the proofs of RFC 9162 section 2.1.3.
 *
 * Leaves come in already hashed; an inner node is H(0x01 || left || right). Indices count from 0 and are `BigInt`.
 */
import { sha256 } from "./sha256.js";

const NODE = Uint8Array.of(1);

export function nodeHash(left, right) {
  return sha256(NODE, left, right);
}

/** The root over all leaf hashes, in order; pairing level by level promotes a lone right node. */
export function rootOf(leafHashes) {
  if (!leafHashes.length) return sha256();
  let level = leafHashes;
  while (level.length > 1) {
    const parents = [];
    for (let i = 0; i + 1 < level.length; i += 2) parents.push(nodeHash(level[i], level[i + 1]));
    if (level.length % 2) parents.push(level.at(-1));
    level = parents;
  }
  return level[0];
}

/** The root that an audit path leads to (RFC 9162 section 2.1.3.2); null when the path cannot belong to the tree. */
export function rootFromPath(leafHash, index, size, path) {
  if (index < 0n || index >= size) return null;
  let fn = index;
  let sn = size - 1n;
  let root = leafHash;
  for (const node of path) {
    if (sn === 0n) return null;
    if (fn & 1n || fn === sn) {
      root = nodeHash(node, root);
      while (!(fn & 1n) && fn) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      root = nodeHash(root, node);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n ? root : null;
}
