import { readMachO, signatureTroubles } from "./mach-o.ts";
import type { Platform } from "./platforms.ts";

const elf = { magic: Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]), machines: { x64: 62, arm64: 183 } } as const;
const peMachines = { x64: 0x8664, arm64: 0xaa64 } as const;
/** What loads an executable of Linux says which C library it is for. */
export const loaders = {
  "x64-glibc": "/lib64/ld-linux-x86-64.so.2",
  "arm64-glibc": "/lib/ld-linux-aarch64.so.1",
  "x64-musl": "/lib/ld-musl-x86_64.so.1",
  "arm64-musl": "/lib/ld-musl-aarch64.so.1",
} as const;

/** What is wrong with an executable, seen from outside: each a sentence. `forbidden`: texts that it must not hold. */
export function troublesOf(
  file: Buffer,
  platform: Platform,
  { forbidden }: { forbidden: readonly string[] },
): string[] {
  return [
    ...formatTroubles(file, platform),
    ...foreignObjects(file, platform),
    ...forbidden.filter((text) => file.includes(text)).map((text) => `it holds \`${text}\``),
  ];
}

function formatTroubles(file: Buffer, platform: Platform): string[] {
  switch (platform.os) {
    case "linux":
      return elfTroubles(file, platform);
    case "darwin":
      return machOTroubles(file, platform);
    case "windows":
      return peTroubles(file, platform);
  }
}

function elfTroubles(file: Buffer, { arch, libc = "glibc" }: Platform): string[] {
  if (!file.subarray(0, elf.magic.length).equals(elf.magic)) return ["it is no ELF executable of 64 bits"];
  const wrongMachine = file.readUInt16LE(18) !== elf.machines[arch];
  const loader = loaderOf(file);
  return [
    ...(wrongMachine ? [`it is for the machine ${file.readUInt16LE(18)}, not for ${arch}`] : []),
    ...(loader === loaders[`${arch}-${libc}`] ? [] : [`\`${loader ?? "nothing"}\` loads it, which is not ${libc}'s`]),
  ];
}

/** The program header of the type PT_INTERP names it. */
function loaderOf(file: Buffer): string | undefined {
  const [at, size, count] = [Number(file.readBigUInt64LE(32)), file.readUInt16LE(54), file.readUInt16LE(56)];
  for (let index = 0; index < count; index++) {
    const header = at + index * size;
    if (file.readUInt32LE(header) !== 3) continue;
    const [offset, bytes] = [Number(file.readBigUInt64LE(header + 8)), Number(file.readBigUInt64LE(header + 32))];
    return file.toString("latin1", offset, offset + bytes - 1);
  }
  return undefined;
}

function machOTroubles(file: Buffer, { arch }: Platform): string[] {
  try {
    const found = readMachO(file).arch;
    return [...(found === arch ? [] : [`it is for ${found}, not for ${arch}`]), ...signatureTroubles(file)];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

function peTroubles(file: Buffer, { arch }: Platform): string[] {
  if (file.toString("latin1", 0, 2) !== "MZ") return ["it is no executable of Windows"];
  const at = file.readUInt32LE(0x3c);
  if (file.toString("latin1", at, at + 4) !== "PE\0\0") return ["it has no PE header"];
  const machine = file.readUInt16LE(at + 4);
  return machine === peMachines[arch] ? [] : [`it is for the machine ${machine}, not for ${arch}`];
}

/** Objects of Linux inside of it: native modules of the computer that built it. */
function foreignObjects(file: Buffer, { os }: Platform): string[] {
  const found: string[] = [];
  for (let at = file.indexOf(elf.magic, 1); at >= 0; at = file.indexOf(elf.magic, at + 1)) {
    // Four bytes of magic occur by chance in code that looks for them; a header has its own size in it.
    const isHeader = at + 64 <= file.length && file.readUInt16LE(at + 52) === 64 && file.readUInt32LE(at + 20) === 1;
    if (isHeader) found.push(`at byte ${at} there is another executable of Linux, in one of ${os}`);
  }
  return found;
}
