// A real OpenSSH server, a session on it, and folders to copy between.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Context } from "../../src/command.ts";
import { connect, type Session } from "../../src/ssh/session.ts";
import { copyAll } from "../../src/transfer/copy.ts";
import type { Side } from "../../src/transfer/destinations.ts";
import { localBytes, localFiles } from "../../src/transfer/local-files.ts";
import { toBytes } from "../../src/transfer/names.ts";
import { remoteFiles } from "../../src/transfer/remote-files.ts";
import { syncOver } from "../../src/transfer/over.ts";
import { realWorld, type Sshd } from "./sshd.ts";

/** A folder for one test. */
export function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "gpu-copy-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function openSession(sshd: Sshd): Promise<Session> {
  const { address, privateKey, hostKey } = sshd;
  return connect({ world: realWorld, address, privateKey, hostKey });
}

export interface FakeContext {
  readonly context: Context;
  readonly notes: string[];
  abort(): void;
}

export function openContext(cwd: string): FakeContext {
  const notes: string[] = [];
  const ending = new AbortController();
  const context = {
    world: { ...realWorld, cwd },
    signal: ending.signal,
    note: (text: string) => notes.push(text),
    progress() {},
  } as unknown as Context;
  return { context, notes, abort: () => ending.abort(new Error("stopped")) };
}

export function here(path: string): Side {
  return { files: localFiles, path: localBytes(path) };
}

/** A path of the machine, over an SFTP of its own. */
export async function there(session: Session, path: string): Promise<Side & AsyncDisposable> {
  const sftp = await session.sftp();
  const dispose = () => sftp[Symbol.asyncDispose]();
  return { files: remoteFiles(sftp, "box"), path: toBytes(path), [Symbol.asyncDispose]: dispose };
}

interface CopyOptions {
  readonly isResuming?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string | undefined) => void;
}

export function copy(sources: readonly Side[], to: Side, options: CopyOptions = {}) {
  const { isResuming = true, signal = new AbortController().signal, onProgress = () => {} } = options;
  return copyAll({ world: realWorld, sources, to, isResuming, isDryRun: false, signal, onProgress });
}

export function sync(
  { context }: FakeContext,
  session: Session,
  { dir, to, ...options }: { dir: string; to: string } & Parameters<typeof syncOver>[1]["options"],
) {
  return syncOver(context, { session, name: "box", dir, path: to, options });
}

/** Writes files, each with the same time; a name that ends in `/` is an empty folder, content that begins with `->` a link. */
export function plant(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, "latin1")]);
    mkdirSync(name.endsWith("/") ? path : dirname(`${folder}/${name}`), { recursive: true });
    if (name.endsWith("/")) continue;
    if (content.startsWith("->")) {
      symlinkSync(content.slice(2), path);
      continue;
    }
    writeFileSync(path, content);
    chmodSync(path, 0o640);
    utimesSync(path, 1_600_000_000, 1_600_000_000);
  }
}

/** All that is in a folder: names as bytes, with permissions, times of files, and content or target. */
export function harvest(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const enter = (path: Buffer, prefix: string) => {
    for (const name of readdirSync(path, { encoding: "buffer" })) {
      const full = Buffer.concat([path, Buffer.from("/"), name]);
      const stats = lstatSync(full);
      const key = prefix + name.toString("latin1");
      const mode = (stats.mode & 0o777).toString(8);
      if (stats.isSymbolicLink()) found[key] = `->${readlinkSync(full)}`;
      else if (stats.isDirectory()) {
        found[`${key}/`] = mode;
        enter(full, `${key}/`);
      } else found[key] = `${mode} ${Math.floor(stats.mtimeMs / 1000)} ${readFileSync(full, "latin1").slice(0, 100)}`;
    }
  };
  enter(Buffer.from(folder), "");
  return Object.fromEntries(Object.entries(found).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Names that break what is careless. */
export const oddFiles: Readonly<Record<string, string>> = {
  "plain": "content",
  "empty": "",
  "-rf": "a dash",
  "a b": "a space",
  "quo'te\"s": "quotes",
  "new\nline": "a newline",
  "new\nline2/in ner": "in a folder with one",
  "back\\slash": "a backslash",
  "$(touch pwned)`x`": "a command",
  "*": "a star",
  "b\xffd": "not UTF-8",
  "\x1b[31mred": "an escape sequence",
  " ": "only a space",
  "~": "a tilde",
  ".hidden": "a dot",
  "empty folder/": "",
  [`long ${"x".repeat(240)}/${"y".repeat(250)}`]: "a long path",
  "deep/er/and/er/file": "deep",
  "link": "->plain",
  "deep/link to a folder": "->er/and",
  "dangling": "->nowhere",
  [`link to long`]: `->${"z".repeat(150)}`,
};
