import type { Platform } from "../../scripts/releases/platforms.ts";

/** What a tiny executable does, whatever it is asked. */
interface TinyOptions {
  /** What it prints, in ASCII. */
  readonly says: string;
  /** What it holds besides, and never uses. */
  readonly holds?: string;
  readonly exitCode?: number;
}

/** An executable of a few hundred bytes: what looks at one from outside finds all that it looks for. Linux's on x64 runs. */
export function tinyExecutable(platform: Pick<Platform, "os" | "arch" | "libc">, options: TinyOptions): Buffer {
  const made = { linux: tinyElf, darwin: tinyMachO, windows: tinyPe }[platform.os](platform, options);
  return Buffer.concat([made, Buffer.from(options.holds ?? "")]);
}

const loaders = {
  "x64-glibc": "/lib64/ld-linux-x86-64.so.2",
  "arm64-glibc": "/lib/ld-linux-aarch64.so.1",
  "x64-musl": "/lib/ld-musl-x86_64.so.1",
  "arm64-musl": "/lib/ld-musl-aarch64.so.1",
} as const;

/** elf(5): a header, three program headers, the name of the loader, what the loader insists on, code, and its text. */
function tinyElf(
  { arch, libc = "glibc" }: Pick<Platform, "arch" | "libc">,
  { says, exitCode = 0 }: TinyOptions,
): Buffer {
  const [base, headerBytes] = [0x400000, 64 + 3 * 56];
  const name = `${loaders[`${arch}-${libc}`]}\0`;
  const loader = Buffer.from(name.padEnd(40, "\0"));
  const text = Buffer.from(says);
  const dynamicAt = headerBytes + loader.length;
  const emptyAt = dynamicAt + 3 * 16;
  // The tables of strings and symbols, which are empty, and the end.
  const dynamic = Buffer.from(BigUint64Array.of(5n, BigInt(base + emptyAt), 6n, BigInt(base + emptyAt), 0n, 0n).buffer);
  const code = writeAndExit({ bytes: text.length, exitCode });
  const behind = Buffer.concat([loader, dynamic, Buffer.alloc(24), code, text]);
  const file = Buffer.alloc(headerBytes);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // An executable at a fixed address.
  file.writeUInt16LE(arch === "x64" ? 62 : 183, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(base + emptyAt + 24), 24);
  file.writeBigUInt64LE(64n, 32);
  for (const [index, value] of [64, 56, 3].entries()) file.writeUInt16LE(value, 52 + index * 2);
  const segments = [
    { type: 3, offset: headerBytes, bytes: name.length },
    { type: 1, offset: 0, bytes: headerBytes + behind.length },
    { type: 2, offset: dynamicAt, bytes: dynamic.length },
  ];
  for (const [index, { type, offset, bytes }] of segments.entries()) {
    const at = 64 + index * 56;
    file.writeUInt32LE(type, at);
    file.writeUInt32LE(7, at + 4);
    for (const [index, value] of [offset, base + offset, base + offset, bytes, bytes, 0x1000].entries()) {
      file.writeBigUInt64LE(BigInt(value), at + 8 + index * 8);
    }
  }
  return Buffer.concat([file, behind]);
}

/** Code for x64: `write(1, …)` of what stands behind it, and `exit_group`. */
function writeAndExit({ bytes, exitCode }: { bytes: number; exitCode: number }): Buffer {
  const number = (value: number) => [...Buffer.from(Uint32Array.of(value).buffer)];
  const exit = [0xb8, ...number(231), 0xbf, ...number(exitCode), 0x0f, 0x05];
  const rest = [0xba, ...number(bytes), 0x0f, 0x05, ...exit];
  return Buffer.from([0xb8, ...number(1), 0xbf, ...number(1), 0x48, 0x8d, 0x35, ...number(rest.length), ...rest]);
}

/** <mach-o/loader.h>: two segments, and a signature that is none. */
function tinyMachO({ arch }: Pick<Platform, "arch">, { says }: TinyOptions): Buffer {
  const [segmentBytes, textBytes] = [72, 0x2000];
  const file = Buffer.alloc(textBytes + 64);
  const commands = 32 + 2 * segmentBytes + 16;
  for (
    const [index, word] of [0xfeedfacf, arch === "x64" ? 0x01000007 : 0x0100000c, 0, 2, 3, commands - 32].entries()
  ) {
    file.writeUInt32LE(word, index * 4);
  }
  for (const [index, name] of ["__TEXT", "__LINKEDIT"].entries()) {
    const at = 32 + index * segmentBytes;
    file.writeUInt32LE(0x19, at);
    file.writeUInt32LE(segmentBytes, at + 4);
    file.write(name, at + 8);
    file.writeBigUInt64LE(BigInt(index * textBytes), at + 40);
    file.writeBigUInt64LE(BigInt(index === 0 ? textBytes : 64), at + 48);
  }
  const signature = 32 + 2 * segmentBytes;
  for (const [index, word] of [0x1d, 16, textBytes, 64].entries()) file.writeUInt32LE(word, signature + index * 4);
  file.write(says, commands);
  return file;
}

/** The PE format: what DOS would see, and where the other header is. */
function tinyPe({ arch }: Pick<Platform, "arch">, { says }: TinyOptions): Buffer {
  const file = Buffer.alloc(0x80 + 24 + says.length);
  file.write("MZ");
  file.writeUInt32LE(0x80, 0x3c);
  file.write("PE\0\0", 0x80);
  file.writeUInt16LE(arch === "x64" ? 0x8664 : 0xaa64, 0x84);
  file.write(says, 0x98);
  return file;
}
