import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Session } from "../../src/ssh/session.ts";
import { expand } from "../../src/transfer/glob.ts";
import { toBytes } from "../../src/transfer/names.ts";
import { type Sshd, startSshd } from "./sshd.ts";
import { copy, harvest, here, oddFiles, openSession, plant, scratch, there } from "./transfer-fixture.ts";

let sshd: Sshd;
let session: Session;
beforeAll(async () => {
  sshd = await startSshd();
  session = await openSession(sshd);
});
afterAll(async () => {
  await session[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
});

const MiB = 2 ** 20;

test("a folder goes there and comes back as it was", async () => {
  using folder = scratch();
  const [from, far, back] = ["from", "far", "back"].map((name) => join(folder.path, name)) as [string, string, string];
  plant(from, oddFiles);
  chmodSync(join(from, "empty folder"), 0o555);
  await using up = await there(session, far);
  const copied = await copy([here(from)], up);
  expect(copied.skipped).toEqual([]);
  expect(harvest(far)).toEqual(harvest(from));
  const down = await copy([up], here(back));
  expect(down.skipped).toEqual([]);
  expect(harvest(back)).toEqual(harvest(from));
  expect(statSync(join(back, "deep/er")).mtimeMs).toBe(
    Math.floor(statSync(join(from, "deep/er")).mtimeMs / 1000) * 1000,
  );
  // Once more over what is there.
  await copy([{ ...here(from), path: `${from}/.` }], up);
  expect(harvest(far)).toEqual(harvest(from));
});

test("into a folder that is there goes under its own name, several only there", async () => {
  using folder = scratch();
  plant(folder.path, { "a": "1", "b": "2", "d/c": "3", "into/": "" });
  await using to = await there(session, join(folder.path, "into"));
  await copy([here(join(folder.path, "a")), here(join(folder.path, "d"))], to);
  expect(Object.keys(harvest(join(folder.path, "into")))).toEqual(["a", "d/", "d/c"]);
  await using other = await there(session, join(folder.path, "not-there"));
  const two = [here(join(folder.path, "a")), here(join(folder.path, "b"))];
  expect(copy(two, other)).rejects.toThrow("is no folder, and several files go there");
  await using deeper = await there(session, join(folder.path, "not-there/a"));
  expect(copy([here(join(folder.path, "a"))], deeper)).rejects.toThrow(/there is no folder `box:.*not-there`/);
});

/** Copies until so many bytes are there, and then stops as Ctrl-C does. */
async function interrupt(
  run: (options: { signal: AbortSignal; onProgress: (text?: string) => void }) => Promise<unknown>,
) {
  const stopping = new AbortController();
  await expect(run({
    signal: stopping.signal,
    onProgress: (text) => {
      if (/^\d\d+ MiB/.test(text ?? "")) stopping.abort(new Error("stopped"));
    },
  })).rejects.toThrow("stopped");
}

const partsIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith(".gpu-part-"));

for (const direction of ["up", "down"]) {
  test(`an interrupted copy keeps the old file and is gone on with: ${direction}`, async () => {
    using folder = scratch();
    const [source, destination] = [join(folder.path, "source"), join(folder.path, "to/file")];
    mkdirSync(join(folder.path, "to"));
    writeFileSync(source, randomBytes(48 * MiB));
    writeFileSync(destination, "old");
    await using remoteSource = await there(session, source);
    await using remoteDestination = await there(session, destination);
    const [from, to] = direction === "up" ? [here(source), remoteDestination] : [remoteSource, here(destination)];
    await interrupt((options) => copy([from], to, options));
    expect(readFileSync(destination, "utf8")).toBe("old");
    expect(partsIn(join(folder.path, "to"))).toHaveLength(1);

    const { resumedBytes, bytes } = await copy([from], to);
    expect(resumedBytes).toBeGreaterThan(0);
    expect(bytes).toBe(48 * MiB);
    expect(readFileSync(destination).equals(readFileSync(source))).toBe(true);
    expect(partsIn(join(folder.path, "to"))).toEqual([]);
  });
}

test("what an interrupted copy left is not gone on with when it is something else", async () => {
  using folder = scratch();
  const [source, destination] = [join(folder.path, "source"), join(folder.path, "to/file")];
  mkdirSync(join(folder.path, "to"));
  writeFileSync(source, randomBytes(40 * MiB));
  await using to = await there(session, destination);
  await interrupt((options) => copy([here(source)], to, options));
  const [part = ""] = partsIn(join(folder.path, "to"));
  const { size } = statSync(join(folder.path, "to", part));
  writeFileSync(join(folder.path, "to", part), randomBytes(size));
  const { resumedBytes } = await copy([here(source)], to);
  expect(resumedBytes).toBe(0);
  expect(readFileSync(destination).equals(readFileSync(source))).toBe(true);

  // A file that changed since is another file; with --no-resume nothing is left to go on with.
  await interrupt((options) => copy([here(source)], to, options));
  writeFileSync(source, randomBytes(36 * MiB));
  expect((await copy([here(source)], to)).resumedBytes).toBe(0);
  expect(partsIn(join(folder.path, "to"))).toEqual([]);
  await interrupt((options) => copy([here(source)], to, { ...options, isResuming: false }));
  expect(partsIn(join(folder.path, "to"))).toEqual([]);
});

test("a file that becomes shorter is an error, and one without a length comes whole", async () => {
  using folder = scratch();
  const source = join(folder.path, "source");
  writeFileSync(source, randomBytes(40 * MiB));
  await using to = await there(session, join(folder.path, "to"));
  const onProgress = (text?: string) => {
    if (/MiB of/.test(text ?? "")) truncateSync(source, 0);
  };
  await expect(copy([here(source)], to, { onProgress, isResuming: false })).rejects.toThrow("became shorter");
  expect(existsSync(join(folder.path, "to"))).toBe(false);
  await using proc = await there(session, "/proc/self/status");
  await copy([proc], here(join(folder.path, "status")));
  expect(readFileSync(join(folder.path, "status"), "utf8")).toContain("VmRSS");
});

test("a device is not replaced, and a link in a tree is not gone through", async () => {
  using folder = scratch();
  plant(folder.path, { "file": "x", "tree/inner/secret": "mine", "far/tree/": "", "outside/": "" });
  await using device = await there(session, "/dev/null");
  await expect(copy([here(join(folder.path, "file"))], device)).rejects.toThrow("is not a file");
  symlinkSync(join(folder.path, "outside"), join(folder.path, "far/tree/inner"));
  await using far = await there(session, join(folder.path, "far"));
  await expect(copy([here(join(folder.path, "tree"))], far)).rejects.toThrow("is a link, which is not followed");
  expect(readdirSync(join(folder.path, "outside"))).toEqual([]);
});

test("between two machines it goes through here", async () => {
  using folder = scratch();
  plant(join(folder.path, "from"), oddFiles);
  writeFileSync(join(folder.path, "from/large"), randomBytes(5 * MiB));
  await using other = await openSession(sshd);
  await using from = await there(session, join(folder.path, "from"));
  await using to = await there(other, join(folder.path, "to"));
  await copy([from], to);
  expect(harvest(join(folder.path, "to"))).toEqual(harvest(join(folder.path, "from")));
});

test("patterns are read here, not by a shell there", async () => {
  using folder = scratch();
  plant(folder.path, {
    "a1.pt": "",
    "a2.pt": "",
    ".b.pt": "",
    "c/x.pt": "",
    "d/x.pt": "",
    "$(id).pt": "",
    "[x]": "",
    "q*": "",
  });
  await using at = await there(session, "");
  const found = async (pattern: string) =>
    (await expand(at.files, toBytes(`${folder.path}/${pattern}`))).map((path) => path.slice(folder.path.length + 1));
  expect(await found("*.pt")).toEqual(["$(id).pt", "a1.pt", "a2.pt"]);
  expect(await found("a[!1].pt")).toEqual(["a2.pt"]);
  expect(await found("?/x.pt")).toEqual(["c/x.pt", "d/x.pt"]);
  expect(await found(".*")).toEqual([".b.pt"]);
  expect(await found("[x]")).toEqual(["[x]"]);
  expect(await found("q\\*")).toEqual(["q*"]);
  expect(found("*.none")).rejects.toThrow("nothing is called");
});
