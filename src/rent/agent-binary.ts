import { existsSync } from "node:fs";
import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { GpuError } from "../errors.ts";
import { readVariable } from "../env.ts";
import { reasonOf, writeWhole } from "../files.ts";
import type { World } from "../world.ts";
import type { Packer } from "./agent-scripts.ts";

/** An executable that runs on the instance. */
export interface AgentBinary {
  readonly path: string;
  /** SHA-256 in hexadecimal. */
  readonly hash: string;
  /** BLAKE2b-512 in hexadecimal. */
  readonly blake2b: string;
}

/** Whose executable fits, or why none does. */
export type BinaryChoice = { readonly path: string } | { readonly none: string };

/**
 * The executable for an instance's platform (`linux-x64`, `linux-arm64-musl`): the one that was named, this one, or the
 * one of a release beside it. What a file is for is read in the file, not in its name.
 */
export async function chooseBinary(
  world: Pick<World, "cwd" | "env" | "self">,
  { platform, named }: { platform: string; named?: string },
): Promise<BinaryChoice> {
  const given = named ?? readVariable(world.env, "GPU_AGENT_BINARY");
  if (given !== undefined) {
    const path = resolve(world.cwd, given);
    const found = await platformOf(path);
    if (found === platform) return { path };
    return { none: `\`${given}\` is ${found === undefined ? "no executable" : `for ${found}`}, and it is ${platform}` };
  }
  const [executable = "", ...script] = world.self;
  if (script.length > 0) return { none: "gpu runs from its sources here, and is no single file" };
  if (await platformOf(executable) === platform) return { path: executable };
  const released = join(dirname(executable), `gpu-${platform}`);
  if (existsSync(released) && await platformOf(released) === platform) return { path: released };
  return { none: `there is no executable for ${platform}: put \`gpu-${platform}\` of the release beside this one` };
}

const headBytes = 8192;
const elfMachines: Readonly<Record<number, string>> = { 0x3e: "x64", 0xb7: "arm64" };
const machMachines: Readonly<Record<number, string>> = { 0x01000007: "x64", 0x0100000c: "arm64" };

/** What an executable runs on, from its first bytes; `undefined` for anything else. */
export async function platformOf(path: string): Promise<string | undefined> {
  const head = Buffer.alloc(headBytes);
  try {
    await using file = await open(path);
    await file.read(head, 0, headBytes, 0);
  } catch (error) {
    throw new GpuError(`cannot read the executable \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
  if (head.toString("latin1", 0, 4) === "\x7fELF") {
    const machine = elfMachines[head.readUInt16LE(18)];
    // The loader that it asks for stands near its beginning.
    const isMusl = head.includes("/ld-musl-");
    return machine && `linux-${machine}${isMusl ? "-musl" : ""}`;
  }
  if (head.readUInt32LE(0) !== 0xfeedfacf) return undefined;
  const machine = machMachines[head.readUInt32LE(4)];
  return machine && `darwin-${machine}`;
}

/** What `uname -sm` calls it, and which C library is there, as the name of a release. */
export function platformFrom(uname: string, isMusl: boolean): string | undefined {
  const [system = "", machine = ""] = uname.trim().split(/\s+/);
  const os = { Linux: "linux", Darwin: "darwin" }[system];
  const arch = { x86_64: "x64", amd64: "x64", aarch64: "arm64", arm64: "arm64" }[machine];
  if (os === undefined || arch === undefined) return undefined;
  return `${os}-${arch}${os === "linux" && isMusl ? "-musl" : ""}`;
}

/** An executable with its hashes, which take a fifth of a second. */
export async function readBinary(path: string): Promise<AgentBinary> {
  const [sha256, blake2b] = [new Bun.CryptoHasher("sha256"), new Bun.CryptoHasher("blake2b512")];
  for await (const chunk of Bun.file(path).stream()) {
    sha256.update(chunk);
    blake2b.update(chunk);
  }
  return { path, hash: sha256.digest("hex"), blake2b: blake2b.digest("hex") };
}

const suffixes: Readonly<Record<Packer, string>> = { zstd: "zst", gzip: "gz" };
const compressions: Readonly<Record<Packer, (bytes: Uint8Array) => Promise<Uint8Array>>> = {
  zstd: (bytes) => Bun.zstdCompress(bytes, { level: 3 }),
  gzip: (bytes) => promisify(gzip)(bytes, { level: 3 }),
};

/** The executable compressed, made once and kept in the cache. Half its size. */
export async function compressed(
  world: Pick<World, "folders">,
  { binary, platform, packer }: { binary: AgentBinary; platform: string; packer: Packer },
): Promise<{ path: string; bytes: number }> {
  const folder = join(world.folders.cache, "agent");
  const path = join(folder, `${platform}-${binary.hash}.${suffixes[packer]}`);
  if (!existsSync(path)) {
    await writeWhole(path, await compressions[packer](await readFile(binary.path)));
    const older = new RegExp(`^${platform}-(?!${binary.hash})[0-9a-f]{64}\\.(gz|zst)$`);
    for (const name of (await readdir(folder)).filter((name) => older.test(name))) {
      await rm(join(folder, name), { force: true });
    }
  }
  return { path, bytes: (await stat(path)).size };
}
