import { createHash } from "node:crypto";

/*
 * As much of Mach-O and of its code signature as it takes to see whether a signature is valid, and to make one that
 * names nobody ("ad hoc"), as Apple's own linker does. Sources: <mach-o/loader.h>, and cs_blobs.h of XNU.
 */

const magic64 = 0xfeedfacf;
const headerBytes = 32;
const commands = { segment64: 0x19, codeSignature: 0x1d };
const blobs = { superBlob: 0xfade0cc0, codeDirectory: 0xfade0c02 };
const cpuTypes: Readonly<Record<number, "x64" | "arm64">> = { 0x01000007: "x64", 0x0100000c: "arm64" };

interface Segment {
  readonly name: string;
  /** Where its load command stands. */
  readonly command: number;
  readonly fileOffset: number;
  readonly fileBytes: number;
}

export interface MachO {
  readonly arch: "x64" | "arm64";
  readonly segments: readonly Segment[];
  /** Where the signature's load command stands, and what it says. */
  readonly signature: { readonly command: number; readonly offset: number; readonly bytes: number } | undefined;
}

/** The headers of an executable for one processor. Throws for everything else. */
export function readMachO(file: Buffer): MachO {
  if (file.length < headerBytes || file.readUInt32LE(0) !== magic64) throw new Error("it is no 64-bit Mach-O file");
  const arch = cpuTypes[file.readUInt32LE(4)];
  if (arch === undefined) throw new Error("it is for another processor");
  const segments: Segment[] = [];
  let signature: MachO["signature"];
  let at = headerBytes;
  for (let count = file.readUInt32LE(16); count > 0; count--) {
    const [command, bytes] = [file.readUInt32LE(at), file.readUInt32LE(at + 4)];
    if (command === commands.segment64) {
      segments.push({
        name: file.toString("latin1", at + 8, at + 24).replace(/\0.*$/s, ""),
        command: at,
        fileOffset: Number(file.readBigUInt64LE(at + 40)),
        fileBytes: Number(file.readBigUInt64LE(at + 48)),
      });
    }
    if (command === commands.codeSignature) {
      signature = { command: at, offset: file.readUInt32LE(at + 8), bytes: file.readUInt32LE(at + 12) };
    }
    at += bytes;
  }
  return { arch, segments, signature };
}

/** Why the signature of an executable would not be accepted; nothing where it would. */
export function signatureTroubles(file: Buffer): string[] {
  const { signature } = readMachO(file);
  if (signature === undefined) return ["it has no signature"];
  const { offset, bytes } = signature;
  if (offset + bytes > file.length) return ["its signature is cut off"];
  if (offset + bytes < file.length) return ["there are bytes behind its signature"];
  const blob = file.subarray(offset, offset + bytes);
  if (blob.length < 12 || blob.readUInt32BE(0) !== blobs.superBlob) return ["its signature is none"];
  const troubles: string[] = [];
  let directories = 0;
  for (let index = 0; index < blob.readUInt32BE(8); index++) {
    const at = blob.readUInt32BE(12 + index * 8 + 4);
    if (blob.readUInt32BE(at) !== blobs.codeDirectory) continue;
    directories++;
    troubles.push(...directoryTroubles(file, blob.subarray(at), offset));
  }
  return directories === 0 ? ["its signature has no code directory"] : troubles;
}

/** Whether each page has the hash that the directory says. */
function directoryTroubles(file: Buffer, directory: Buffer, signatureAt: number): string[] {
  const [hashesAt, slots, limit] = [directory.readUInt32BE(16), directory.readUInt32BE(28), directory.readUInt32BE(32)];
  const hashBytes = directory.readUInt8(36);
  const algorithm = ({ 1: "sha1", 2: "sha256" } as const)[directory.readUInt8(37)];
  if (algorithm === undefined) return [`its hashes are of a kind that is not known here (${directory.readUInt8(37)})`];
  const pageBytes = 2 ** directory.readUInt8(39);
  if (limit !== signatureAt) return [`its signature covers ${limit} bytes, and ${signatureAt} stand before it`];
  const wrong = Array.from({ length: slots }, (_, page) => page).filter((page) => {
    const content = file.subarray(page * pageBytes, Math.min(limit, (page + 1) * pageBytes));
    const at = hashesAt + page * hashBytes;
    return !createHash(algorithm).update(content).digest().subarray(0, hashBytes)
      .equals(directory.subarray(at, at + hashBytes));
  });
  return wrong.length === 0 ? [] : [`${wrong.length} of ${slots} pages are not what was signed`];
}

const pageBytes = 4096;
const directoryBytes = 88;
const flags = { adhoc: 0x2, linkerSigned: 0x20000 };
const mainBinary = 1n;

/** The same executable with a signature that fits it and names nobody. */
export function signAdHoc(file: Buffer, identifier: string): Buffer {
  const { segments, signature } = readMachO(file);
  const linkEdit = segments.find(({ name }) => name === "__LINKEDIT");
  const text = segments.find(({ name }) => name === "__TEXT");
  if (signature === undefined || linkEdit === undefined || text === undefined) {
    throw new Error("there is no room for a signature");
  }
  const limit = signature.offset;
  const pages = Math.ceil(limit / pageBytes);
  const name = Buffer.from(`${identifier}\0`);
  const bytes = 20 + directoryBytes + name.length + pages * 32;
  const signed = Buffer.alloc(limit + bytes);
  file.copy(signed, 0, 0, limit);
  // The load commands are signed too, so they come first.
  signed.writeUInt32LE(bytes, signature.command + 12);
  const linkEditBytes = limit + bytes - linkEdit.fileOffset;
  signed.writeBigUInt64LE(BigInt(linkEditBytes), linkEdit.command + 48);
  signed.writeBigUInt64LE(BigInt(Math.ceil(linkEditBytes / 0x4000) * 0x4000), linkEdit.command + 32);

  const blob = signed.subarray(limit);
  for (const [index, word] of [blobs.superBlob, bytes, 1, 0, 20].entries()) blob.writeUInt32BE(word, index * 4);
  const directory = blob.subarray(20);
  const hashesAt = directoryBytes + name.length;
  const words = [
    ...[blobs.codeDirectory, directory.length, 0x20400, flags.adhoc | flags.linkerSigned],
    ...[hashesAt, directoryBytes, 0, pages, limit],
  ];
  for (const [index, word] of words.entries()) directory.writeUInt32BE(word, index * 4);
  directory.set([32, 2, 0, Math.log2(pageBytes)], 36);
  directory.writeBigUInt64BE(BigInt(text.fileOffset), 64);
  directory.writeBigUInt64BE(BigInt(text.fileBytes), 72);
  directory.writeBigUInt64BE(mainBinary, 80);
  name.copy(directory, directoryBytes);
  for (let page = 0; page < pages; page++) {
    const content = signed.subarray(page * pageBytes, Math.min(limit, (page + 1) * pageBytes));
    createHash("sha256").update(content).digest().copy(directory, hashesAt + page * 32);
  }
  return signed;
}
