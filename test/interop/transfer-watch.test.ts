import { expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SyncResult } from "../../src/transfer/synced.ts";
import { openSync } from "../../src/transfer/sync-run.ts";
import { toBytes } from "../../src/transfer/names.ts";
import { watchAndSync } from "../../src/transfer/watch.ts";
import { startSshd } from "./sshd.ts";
import { openContext, openSession, plant, scratch } from "./transfer-fixture.ts";

const options = {
  ...{ isPull: false, isDeleting: true, isIgnoring: true, isComparingContent: false, isDryRun: false },
  exclude: [],
};

test(
  "each change arrives by itself: saved, renamed over, made, removed; git's own work and ignored files are none",
  async () => {
    await using sshd = await startSshd();
    using folder = scratch();
    const at = openContext(folder.path);
    const [src, far] = [join(folder.path, "src"), join(folder.path, "far")];
    plant(src, { "a": "one", "sub/b": "two", ".gitignore": "*.log\n", ".git/index": "" });
    await using session = await openSession(sshd);
    const open = () =>
      openSync(at.context, {
        dir: src,
        options,
        folder: toBytes(far),
        machine: { name: "box", session: () => Promise.resolve(session) },
      });
    const passes = watchAndSync(at.context, open, "box");
    const next = async (): Promise<SyncResult> => (await passes.next()).value as SyncResult;
    expect(await next()).toMatchObject({ files: 3, deleted: 0 });

    let pass = next();
    await Bun.sleep(50);
    writeFileSync(join(src, "a"), "eno"); // The same size, in the same second.
    expect(await pass).toMatchObject({ files: 1, deleted: 0 });
    expect(readFileSync(join(far, "a"), "utf8")).toBe("eno");

    pass = next();
    await Bun.sleep(50);
    // As editors save: another file takes the place, and the old one a name of its own for a moment.
    writeFileSync(join(src, "4913"), "");
    rmSync(join(src, "4913"));
    renameSync(join(src, "a"), join(src, "a~"));
    writeFileSync(join(src, "a"), "saved");
    rmSync(join(src, "a~"));
    expect(await pass).toMatchObject({ files: 1 });
    expect(readFileSync(join(far, "a"), "utf8")).toBe("saved");
    expect(existsSync(join(far, "a~"))).toBe(false);

    pass = next();
    await Bun.sleep(50);
    mkdirSync(join(src, "new/deep"), { recursive: true });
    writeFileSync(join(src, "new/deep/file"), "x");
    expect(await pass).toMatchObject({ files: 1 });
    pass = next();
    await Bun.sleep(50);
    writeFileSync(join(src, "new/deep/later"), "in a folder that is new");
    rmSync(join(src, "sub"), { recursive: true });
    const counts = [await pass];
    if (counts[0]?.files === 0 || counts[0]?.deleted === 0) counts.push(await next());
    expect(readFileSync(join(far, "new/deep/later"), "utf8")).toBe("in a folder that is new");
    expect(existsSync(join(far, "sub"))).toBe(false);

    pass = next();
    await Bun.sleep(50);
    for (let count = 0; count < 20; count++) writeFileSync(join(src, ".git/index"), `${count}`);
    writeFileSync(join(src, "x.log"), "x");
    const early = await Promise.race([pass, Bun.sleep(400)]);
    expect(early).toBeUndefined();
    at.abort();
    await expect(pass).rejects.toThrow("stopped");
    expect(existsSync(join(far, "x.log"))).toBe(false);
  },
  20_000,
);

test("a lost connection is made anew, and what changed meanwhile arrives", async () => {
  await using sshd = await startSshd();
  using folder = scratch();
  const at = openContext(folder.path);
  const [src, far] = [join(folder.path, "src"), join(folder.path, "far")];
  plant(src, { "a": "one" });
  let session = await openSession(sshd);
  const open = () =>
    openSync(at.context, {
      dir: src,
      options,
      folder: toBytes(far),
      machine: {
        name: "box",
        session: async () => session = await openSession(sshd),
      },
    });
  const passes = watchAndSync(at.context, open, "box");
  await passes.next();
  const pass = passes.next();
  await Bun.sleep(50);
  sshd.dropConnections();
  await session.closed;
  appendFileSync(join(src, "a"), "more");
  expect((await pass).value).toMatchObject({ files: 1 });
  expect(readFileSync(join(far, "a"), "utf8")).toBe("onemore");
  expect(at.notes.join("\n")).toContain("trying again");
  at.abort();
  await expect(passes.next()).rejects.toThrow("stopped");
  await session[Symbol.asyncDispose]();
}, 20_000);
