// One name that cannot be written over there keeps nothing else out, and is named.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { toBytes } from "../../src/transfer/names.ts";
import { unpack } from "../../src/transfer/near.ts";
import type { Found } from "../../src/transfer/listing.ts";
import { readTar } from "../../src/transfer/tar-read.ts";
import { placePlan } from "../../src/transfer/place-plan.ts";
import { openSync } from "../../src/transfer/sync-run.ts";
import { watchAndSync } from "../../src/transfer/watch.ts";
import { realWorld, startSshd } from "./sshd.ts";
import { copy, harvest, here, openContext, openSession, plant, scratch, sync, there } from "./transfer-fixture.ts";

setDefaultTimeout(30_000);

/** For who is root here, permissions count there all the same. */
const asAnybody = process.getuid?.() === 0 ? "setpriv --bounding-set=-dac_override,-dac_read_search" : "env";
const sftpServer = "/usr/lib/openssh/sftp-server";
const shellThere =
  `ForceCommand case "$SSH_ORIGINAL_COMMAND" in internal-sftp*) exec ${asAnybody} ${sftpServer};; esac; exec ${asAnybody} sh -c "$SSH_ORIGINAL_COMMAND"`;
const machines = [
  { name: "a shell", config: [shellThere], programs: [] },
  {
    name: "BusyBox",
    config: [shellThere],
    programs: ["sh", "find", "tar", "xargs", "mv", "rm", "rmdir", "mkdir", "stat"],
  },
  { name: "SFTP alone", config: [`ForceCommand exec ${asAnybody} ${sftpServer}`], programs: [] },
];

const large = "x".repeat(9 * 2 ** 20);

for (const { name, config, programs } of machines) {
  const busybox = Bun.which("busybox");
  describe.skipIf(programs.length > 0 && busybox === null)(`on a machine with ${name}`, () => {
    test("what cannot be written is named, and all else arrives", async () => {
      await using sshd = await startSshd(config);
      mkdirSync(join(sshd.folder, "bin"));
      for (const program of programs) symlinkSync(busybox ?? "", join(sshd.folder, "bin", program));
      await using session = await openSession(sshd);
      using folder = scratch();
      const at = openContext(folder.path);
      const [src, far] = [join(folder.path, "src"), join(folder.path, "far")];
      const good = { "a": "new", "large": large, "sub/b": "new", "sub/new/c": "new", "z": "new" };
      plant(src, { ...good, "closed/x": "new", "closed/y": "new", "held/thing/inner": "new", "link": "->a" });
      plant(far, { "a": "before", "closed/x": "before", "held/thing": "a file where a folder must be" });
      for (const path of ["closed", "held"]) {
        // What is closed here too stays closed.
        chmodSync(join(src, path), 0o555);
        chmodSync(join(far, path), 0o555);
      }
      const push = sync(at, session, { dir: "src", to: far });
      await expect(push).rejects.toThrow(
        /^cannot (delete|remove) `box:.*\/far\/held\/thing`: permission denied; nor `closed\/x`, `closed\/y`$/i,
      );
      for (const [path, content] of Object.entries(good)) expect(readFileSync(join(far, path), "utf8")).toBe(content);
      expect(harvest(far)).toMatchObject({ "link": "->a", "closed/x": expect.stringContaining("before") });
      expect(readdirSync(far).toSorted()).toEqual(["a", "closed", "held", "large", "link", "sub", "z"]);
      await using closed = await there(session, join(far, "closed/a"));
      await expect(copy([here(join(src, "a"))], closed)).rejects.toThrow(
        /^cannot write `box:.*\/far\/closed\/a`: permission denied$/,
      );
      // What is mended arrives with the next one.
      for (const path of ["closed", "held"]) chmodSync(join(far, path), 0o755);
      expect((await sync(at, session, { dir: "src", to: far })).files).toBe(3);
      expect(harvest(far)).toEqual(harvest(src));
      for (const path of ["closed", "held"]) for (const root of [src, far]) chmodSync(join(root, path), 0o755);
    });
  });
}

test("a name that cannot be written here keeps nothing else out of a pull", async () => {
  await using sshd = await startSshd();
  await using session = await openSession(sshd);
  using folder = scratch();
  const [here, far] = [join(folder.path, "here"), join(folder.path, "far")];
  const good = { "a": "new", "large": large, "sub/b": "new", "z": "new" };
  plant(far, { ...good, "taken": "a file where a folder is" });
  plant(here, { "a": "before", "taken/kept": "mine" });
  const pull = () => sync(openContext(folder.path), session, { dir: here, to: far, pull: true });
  await expect(pull()).rejects.toThrow("the folder `taken` is in the way");
  for (const [path, content] of Object.entries(good)) expect(readFileSync(join(here, path), "utf8")).toBe(content);
  expect(readFileSync(join(here, "taken/kept"), "utf8")).toBe("mine");
  expect(readdirSync(here).toSorted()).toEqual(["a", "large", "sub", "taken", "z"]);
});

test("what cannot get its name when it is unpacked is named, and all else is", async () => {
  using folder = scratch();
  plant(folder.path, { "packed/a": "new", "packed/taken": "new", "packed/z": "new", "here/taken/kept": "" });
  linkSync(join(folder.path, "packed/taken"), join(folder.path, "packed/twin"));
  const archive =
    Bun.spawnSync(["tar", "-cf", "-", "a", "taken", "twin", "z"], { cwd: join(folder.path, "packed") }).stdout;
  const found: Found = { kind: "file", bytes: 3, mode: 0o640, mtime: 1_600_000_000 };
  const names = ["a", "taken", "twin", "z"];
  async function* bytes() {
    yield* [archive];
  }
  const refused = await unpack(readTar(bytes()), {
    world: realWorld,
    root: join(folder.path, "here"),
    wanted: new Set([...names, "vanished"]),
    listing: new Map([...names, "vanished"].map((name) => [name, found])),
    onBytes() {},
    onFile() {},
  });
  expect(refused.map(({ path }) => path)).toEqual(["taken", "twin", "vanished"]);
  expect(refused[0]?.message).toMatch(/^cannot write `.*\/here\/taken`: /);
  expect(readdirSync(join(folder.path, "here")).toSorted()).toEqual(["a", "taken", "z"]);
  expect(readFileSync(join(folder.path, "here/z"), "utf8")).toBe("new");
});

test("a sync that watches goes on without what cannot be written, and sends that later", async () => {
  await using sshd = await startSshd([shellThere]);
  await using session = await openSession(sshd);
  using folder = scratch();
  const at = openContext(folder.path);
  const [src, far] = [join(folder.path, "src"), join(folder.path, "far")];
  plant(src, { "a": "one", "closed/x": "one" });
  const machine = { name: "box", session: () => Promise.resolve(session) };
  const options = { isPull: false, isDeleting: false, isIgnoring: true, isComparingContent: false, isDryRun: false };
  const told = Promise.withResolvers<void>();
  const note = (text: string) => void (text.startsWith("warning: ") ? told.resolve() : undefined);
  const context = { ...at.context, note: (text: string) => (at.notes.push(text), note(text)) };
  const open = () =>
    openSync(context, { dir: src, options: { ...options, exclude: [] }, machine, folder: toBytes(far) });
  const passes = watchAndSync(context, open, "box");
  expect((await passes.next()).value).toMatchObject({ files: 2 });
  chmodSync(join(far, "closed"), 0o555);
  const pass = passes.next();
  writeFileSync(join(src, "closed/x"), "another");
  await told.promise;
  expect(at.notes.at(-1)).toMatch(/^warning: cannot write `box:.*\/far\/closed\/x`: Permission denied$/);
  chmodSync(join(far, "closed"), 0o755);
  writeFileSync(join(src, "a"), "another");
  expect((await pass).value).toMatchObject({ files: 2 });
  expect(readFileSync(join(far, "closed/x"), "utf8")).toBe("another");
  at.abort();
  await passes.return(undefined);
});

test("a name that the file system over there does not take is left out alone", async () => {
  await using sshd = await startSshd();
  mkdirSync(join(sshd.folder, "bin"));
  // As `tar` does where a name is not taken: it says so once, goes on, and ends with 2.
  const tar = `#!/bin/sh\ncase "$*" in *-xpof\\ -) ;; *) exec ${Bun.which("tar")} "$@";; esac\n` +
    `${Bun.which("tar")} --exclude 't/bad*' "$@" || exit\n` +
    `mkdir "$0.told" 2>/dev/null || exit 0\necho "tar: t/bad: Cannot open: Invalid or incomplete multibyte character" >&2; exit 2\n`;
  writeFileSync(join(sshd.folder, "bin/tar"), tar, { mode: 0o755 });
  await using session = await openSession(sshd);
  using folder = scratch();
  const [src, far] = [join(folder.path, "src"), join(folder.path, "far")];
  plant(src, { "a": "new", "bad": "new", "sub/b": "new", "link": "->a", "empty/": "" });
  plant(far, { "a": "before" });
  const push = sync(openContext(folder.path), session, { dir: "src", to: far });
  await expect(push).rejects.toThrow(/^cannot write `box:.*\/far\/bad`: Invalid or incomplete multibyte character$/);
  const { bad: _, ...others } = harvest(src);
  expect(harvest(far)).toEqual(others);
});

test("what is in the way of one name stops no other, and no link is gone through", () => {
  using folder = scratch();
  const packed = ["dir/a", "dir/deep/b", "file/c", "taken", "d"];
  plant(folder.path, Object.fromEntries(packed.map((path) => [`s/t/${path}`, "new"])));
  plant(folder.path, { "outside/": "", "file": "a file where a folder must be", "taken/kept": "kept" });
  symlinkSync("outside", join(folder.path, "dir"));
  const { script } = placePlan({ packed, isFile: () => true, present: new Set(), hasFolders: false });
  const { exitCode, stdout } = Bun.spawnSync(["sh", "-c", script, "sh", "s"], { cwd: folder.path });
  expect(exitCode).not.toBe(0);
  const [mark, ...left] = stdout.toString().split("\0");
  expect([mark, left.toSorted()]).toEqual(["gpu-left-1", ["", "./dir/a", "./dir/deep/b", "./file/c", "./taken"]]);
  expect(readFileSync(join(folder.path, "d"), "utf8")).toBe("new");
  expect(existsSync(join(folder.path, "taken/kept"))).toBe(true);
  expect(readdirSync(join(folder.path, "outside"))).toEqual([]);
});

test("what of a copied folder cannot be written is named, and all else arrives", async () => {
  await using sshd = await startSshd([`ForceCommand exec ${asAnybody} ${sftpServer}`]);
  await using session = await openSession(sshd);
  using folder = scratch();
  const [src, far] = [join(folder.path, "src"), join(folder.path, "far")];
  const good = { "a": "new", "large": large, "sub/b": "new", "z": "new" };
  plant(src, { ...good, "closed/x": "new", "closed/new/y": "new", "held/in/deep": "new", "link": "->a" });
  plant(far, {
    "a": "before",
    "closed/x": "before",
    "held": "a file where a folder must be",
    "link/inner": "in the way",
  });
  for (const path of ["closed/x", "closed"]) chmodSync(join(far, path), path === "closed" ? 0o555 : 0o444);
  await using to = await there(session, `${far}/`);
  await expect(copy([here(`${src}/.`)], to)).rejects.toThrow(
    /^`box:.*\/far\/held` is no folder, and a folder would go there; nor `closed\/new`, `closed\/x`, `link`$/,
  );
  for (const [path, content] of Object.entries(good)) expect(readFileSync(join(far, path), "utf8")).toBe(content);
  expect(harvest(far)).toMatchObject({ "held": expect.stringContaining("a file"), "link/inner": expect.anything() });
  chmodSync(join(far, "closed"), 0o755);
});
