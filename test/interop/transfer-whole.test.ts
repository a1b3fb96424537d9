// Whatever happens in the middle of a sync, what has its final name is whole: the old file or the new one.
import { expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { placePlan } from "../../src/transfer/place-plan.ts";
import { startSshd } from "./sshd.ts";
import { copy, harvest, here, openContext, openSession, plant, scratch, sync, there } from "./transfer-fixture.ts";

// Processes are started, and a busy computer takes its time.
setDefaultTimeout(30_000);

const fill = (names: readonly string[], content: string) => Object.fromEntries(names.map((name) => [name, content]));

test("a disk that is full in the middle leaves the old files, and nothing that is cut short", async () => {
  // A file of more than some kilobytes cannot be written, and `tar` goes on with the next.
  await using sshd = await startSshd(['ForceCommand trap "" XFSZ; ulimit -f 8; eval "$SSH_ORIGINAL_COMMAND"']);
  await using session = await openSession(sshd);
  using folder = scratch();
  const at = openContext(folder.path);
  const far = join(folder.path, "far");
  plant(join(folder.path, "src"), {
    "a": "new",
    "b": "x".repeat(100_000),
    "sub/c": "new",
    "sub/d": "x".repeat(100_000),
  });
  plant(far, { "a": "old", "b": "old", "sub/d": "old" });
  const before = harvest(far);
  const push = sync(at, session, { dir: "src", to: far });
  await expect(push).rejects.toThrow(/`box` cannot unpack there: tar: t\/b: /);
  expect(harvest(far)).toEqual(before);
});

test("a connection that ends in the middle leaves what is whole, and the next sync goes on", async () => {
  await using sshd = await startSshd();
  using folder = scratch();
  const far = join(folder.path, "far");
  const names = Array.from({ length: 120 }, (_, index) => `d${index % 7}/file ${index}`);
  plant(join(folder.path, "src"), fill(names, "x".repeat(2 ** 20)));
  plant(far, fill(names.slice(0, 60), "old"));
  {
    await using session = await openSession(sshd);
    const at = openContext(folder.path);
    const context = { ...at.context, progress: (text?: string) => /MiB of/.test(text ?? "") && sshd.dropConnections() };
    await expect(sync({ ...at, context }, session, { dir: "src", to: far })).rejects.toThrow();
  }
  for (const [name, found] of Object.entries(harvest(far))) {
    if (name.endsWith("/") || name.startsWith(".gpu-sync-")) continue;
    expect(found).toMatch(/ (old|x{100})$/);
    if (!found.endsWith("old")) expect(readFileSync(join(far, name))).toHaveLength(2 ** 20);
  }
  // What a killed one left is no part of the tree, and goes after a day.
  mkdirSync(join(far, ".gpu-sync-0123456789ab/t"), { recursive: true });
  utimesSync(join(far, ".gpu-sync-0123456789ab"), 1, 1);
  await using session = await openSession(sshd);
  await sync(openContext(folder.path), session, { dir: "src", to: far, delete: true });
  const left = readdirSync(far).filter((name) => name !== ".gpu-sync-0123456789ab" && !name.startsWith(".gpu-sync-"));
  expect(existsSync(join(far, ".gpu-sync-0123456789ab"))).toBe(false);
  expect(left).toEqual(readdirSync(join(folder.path, "src")));
  expect(readFileSync(join(far, names[0] ?? ""))).toHaveLength(2 ** 20);
});

for (const hasLinks of [true, false]) {
  test(`changes in many folders arrive at once, ${hasLinks ? "with" : "without"} hard links`, async () => {
    await using sshd = await startSshd();
    mkdirSync(join(sshd.folder, "bin"));
    const refuse = 'case "$*" in *links) exit 2;; esac; ';
    const text = `#!/bin/sh\n${hasLinks ? "" : refuse}exec ${Bun.which("tar")} "$@"\n`;
    writeFileSync(join(sshd.folder, "bin/tar"), text, { mode: 0o755 });
    await using session = await openSession(sshd);
    using folder = scratch();
    const at = openContext(folder.path);
    const [src, far] = [join(folder.path, "src"), join(folder.path, "far")];
    const names = Array.from({ length: 60 }, (_, index) => `d ${index}/it's ${index}`);
    plant(src, fill(names, "one"));
    const push = () => sync(at, session, { dir: "src", to: far });
    await push();
    plant(src, fill(names.slice(0, 50), "three"));
    plant(src, { "d 3/new/and/deeper": "new", "d 4/link": "->nowhere", "top": "new" });
    const { files } = await push();
    expect(files).toBe(53);
    expect(harvest(far)).toEqual(harvest(src));
    expect((await push()).files).toBe(0);
  });
}

test("a folder that came to be meanwhile is filled, and a link in its place is not gone through", async () => {
  using folder = scratch();
  const staged = { "s/t/new/a": "a", "s/t/new/deep/b": "b", "s/t/c": "c" };
  const { script } = placePlan({
    packed: ["new/a", "new/deep/b", "c"],
    isFile: () => true,
    present: new Set(),
    hasFolders: false,
  });
  const place = () => Bun.spawnSync(["sh", "-c", script, "sh", "s"], { cwd: folder.path }).exitCode;
  plant(folder.path, { ...staged, "new/theirs": "theirs", "new/a": "theirs" });
  expect(place()).toBe(0);
  expect(Object.entries(harvest(folder.path)).filter(([name]) => !name.endsWith("/") && !name.startsWith("s/")))
    .toEqual([["c", "640 1600000000 c"], ["new/a", "640 1600000000 a"], ["new/deep/b", "640 1600000000 b"], [
      "new/theirs",
      "640 1600000000 theirs",
    ]]);

  using other = scratch();
  plant(other.path, { ...staged, "outside/": "" });
  symlinkSync("outside", join(other.path, "new"));
  expect(Bun.spawnSync(["sh", "-c", script, "sh", "s"], { cwd: other.path }).exitCode).not.toBe(0);
  expect(readdirSync(join(other.path, "outside"))).toEqual([]);
});

test("a pull that is killed leaves no file that is cut short under its name", async () => {
  await using sshd = await startSshd();
  await using session = await openSession(sshd);
  using folder = scratch();
  plant(join(folder.path, "far"), fill(["a", "b", "c"], "x".repeat(7 * 2 ** 20)));
  const at = openContext(folder.path);
  let seen: string[] = [];
  // What a SIGKILL would leave is what is there at any moment.
  const progress = () => void (seen = [...seen, ...names(join(folder.path, "back")).filter((name) => isCut(name))]);
  const isCut = (name: string) =>
    !name.startsWith(".gpu-part-") && readFileSync(join(folder.path, "back", name)).length !== 7 * 2 ** 20;
  const names = (path: string) => existsSync(path) ? readdirSync(path) : [];
  const looking = setInterval(progress, 1);
  await sync({ ...at, context: { ...at.context, progress } }, session, {
    ...{ dir: "back", to: join(folder.path, "far"), pull: true },
  });
  clearInterval(looking);
  expect(seen).toEqual([]);
  expect(harvest(join(folder.path, "back"))).toEqual(harvest(join(folder.path, "far")));
});

/** Of 200 MiB, so long that progress is told several times. */
function isInTheMiddle(text = ""): boolean {
  const mebibytes = Number(/^(\d+)[.\d]* MiB/.exec(text)?.[1] ?? 0);
  return mebibytes >= 10 && mebibytes < 180;
}

test("two copies of a file to the same place at once both end well", async () => {
  await using sshd = await startSshd();
  await using session = await openSession(sshd);
  using folder = scratch();
  plant(folder.path, { "source": "x".repeat(200 * 2 ** 20) });
  await using to = await there(session, join(folder.path, "to"));
  let second: Promise<unknown> | undefined;
  const onProgress = (text?: string) => {
    if (isInTheMiddle(text)) second ??= copy([here(join(folder.path, "source"))], to);
  };
  await copy([here(join(folder.path, "source"))], to, { onProgress });
  expect(second).toBeDefined();
  await second;
  expect(readFileSync(join(folder.path, "to"))).toHaveLength(200 * 2 ** 20);
  expect(readdirSync(folder.path).toSorted()).toEqual(["source", "to"]);
});

test("a copy whose part vanished says what that means", async () => {
  await using sshd = await startSshd();
  await using session = await openSession(sshd);
  using folder = scratch();
  plant(folder.path, { "source": "1".repeat(200 * 2 ** 20) });
  await using to = await there(session, join(folder.path, "to"));
  const onProgress = (text?: string) => {
    if (!isInTheMiddle(text)) return;
    for (const name of readdirSync(folder.path)) if (name.startsWith(".gpu-part-")) rmSync(join(folder.path, name));
  };
  await expect(copy([here(join(folder.path, "source"))], to, { onProgress })).rejects.toThrow(
    /another copy to `box:.*to` is under way/,
  );
});
