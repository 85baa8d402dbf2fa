/**
 * Zip files of the plainest kind (docs/guide/bundles.md, "The zip"), read within limits that are checked before
 * anything is unpacked.
 *
 * A zip says everything twice, in local headers and in the central directory, and programs differ in which they
 * believe. So both have to agree, and every byte of the file has to belong to a header or to a file.
 */
import { VerificationError, concat, textOf } from "./encoding.js";

const MAX_SIZE = 256 * 2 ** 20;
const MAX_FILES = 64;
const MAX_UNPACKED = 2 ** 30;
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const LOCAL_SIZE = 30;
const CENTRAL_SIZE = 46;
const END_SIZE = 22;
const CRC = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

/** Whether the bytes begin as those of a bundle do, and no receipt. */
export function isZip(data) {
  return data[0] === 0x50 && data[1] === 0x4b && data[2] === 3 && data[3] === 4;
}

/** Read all files, as a Map from name to bytes in the order of the file; throws `VerificationError`. */
export async function readZip(data) {
  if (data.length > MAX_SIZE) throw tooLarge(`it has more than ${MAX_SIZE} bytes`);
  const entries = readDirectory(data);
  const files = new Map();
  for (const entry of entries) {
    const content = entry.method ? await inflate(entry) : entry.packed;
    if (content.length !== entry.size) throw damaged(`${entry.name} does not have the size that it says`);
    if (crc32(content) !== entry.crc) throw damaged(`${entry.name} does not have the CRC-32 that it says`);
    files.set(entry.name, content);
  }
  return files;
}

/** Check every header, and give of each file its name, method, crc, size and packed bytes. */
function readDirectory(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const u16 = (at) => view.getUint16(at, true);
  const u32 = (at) => view.getUint32(at, true);
  const end = data.length - END_SIZE;
  if (end < 0 || u32(end) !== END || u16(end + 20)) throw damaged("it does not end with an end record");
  const count = u16(end + 10);
  const directory = u32(end + 16);
  if (u16(end + 4) || u16(end + 6) || u16(end + 8) !== count || directory + u32(end + 12) !== end) {
    throw damaged("the end record contradicts itself");
  }
  if (count > MAX_FILES) throw tooLarge(`it has more than ${MAX_FILES} files`);
  const entries = [];
  let unpacked = 0;
  let local = 0;
  let central = directory;
  for (let i = 0; i < count; i++) {
    if (central + CENTRAL_SIZE > end || local + LOCAL_SIZE > directory) throw damaged("a header is cut off");
    const length = u16(central + 28);
    const name = nameOf(data.subarray(central + CENTRAL_SIZE, central + CENTRAL_SIZE + length));
    const localName = data.subarray(local + LOCAL_SIZE, local + LOCAL_SIZE + u16(local + 26));
    const [flags, method, crc, packedSize, size] = [
      u16(central + 8),
      u16(central + 10),
      u32(central + 16),
      u32(central + 20),
      u32(central + 24),
    ];
    if (u32(central) !== CENTRAL || u32(local) !== LOCAL || u32(central + 42) !== local) {
      throw damaged("its headers are not where they belong");
    }
    // Of the central header: extra field, comment, disk. Of both: flags, extra field.
    const unused = [flags, u16(central + 30), u16(central + 32), u16(central + 34), u16(local + 6), u16(local + 28)];
    const same =
      u16(local + 8) === method &&
      u32(local + 14) === crc &&
      u32(local + 18) === packedSize &&
      u32(local + 22) === size &&
      nameOf(localName) === name;
    if (unused.some(Boolean) || !same) throw damaged(`the headers of ${name} say what they may not`);
    if (method !== 0 && method !== 8) throw damaged(`${name} is packed by a method other than deflate`);
    if (method === 0 && size !== packedSize) throw damaged(`${name} is stored and has two sizes`);
    if (size > 65_536 + 100 * packedSize) throw tooLarge(`${name} is packed too well`);
    if (entries.some((entry) => entry.name === name)) throw damaged(`${name} is there twice`);
    unpacked += size;
    const start = local + LOCAL_SIZE + localName.length;
    if (start + packedSize > directory) throw damaged(`${name} is cut off`);
    entries.push({ name, method, crc, size, packed: data.subarray(start, start + packedSize) });
    local = start + packedSize;
    central += CENTRAL_SIZE + length;
  }
  if (local !== directory || central !== end) throw damaged("it holds bytes that belong to no file");
  if (unpacked > MAX_UNPACKED) throw tooLarge(`it has more than ${MAX_UNPACKED} bytes unpacked`);
  return entries;
}

function nameOf(bytes) {
  const name = textOf(bytes, "the name of a file in the zip");
  if (!NAME.test(name)) throw damaged("a file has a name that it may not have");
  return name;
}

/** Unpack raw deflate (RFC 1951), and stop when more comes out than was announced. */
async function inflate({ name, packed, size }) {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const pieces = [];
  let total = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      total += next.value.length;
      if (total > size) break;
      pieces.push(next.value);
    }
  } catch {
    throw damaged(`${name} cannot be unpacked`);
  }
  if (total > size) {
    await reader.cancel();
    throw damaged(`${name} unpacks to more than it says`);
  }
  return concat(...pieces);
}

export function crc32(bytes) {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function damaged(message) {
  return new VerificationError(`the zip is not one of a bundle: ${message}`, "bundle.zip");
}

function tooLarge(message) {
  return new VerificationError(`the bundle is too large: ${message}`, "bundle.too_large");
}
