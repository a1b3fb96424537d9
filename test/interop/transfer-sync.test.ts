import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Session } from "../../src/ssh/session.ts";
import { type Sshd, startSshd } from "./sshd.ts";
import { harvest, oddFiles, openContext, openSession, plant, scratch, sync } from "./transfer-fixture.ts";

/** What `find`, `stat` and the others are on a machine. */
interface Machine {
  readonly name: string;
  /** Programs that are missing here leave the machine out. */
  readonly needs: readonly string[];
  readonly config: readonly string[];
  /** Puts programs in front of those of this computer. */
  prepare?(bin: string): void;
  /** What a sync says when it goes another way. */
  readonly note?: string;
}

const script = (path: string, text: string) => writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
const busyboxPrograms = ["sh", "find", "stat", "readlink", "tar", "xargs", "rm", "rmdir", "mkdir", "sha256sum"];
const onlyThese = (programs: readonly string[]) => (bin: string) => {
  mkdirSync(join(bin, "../only"));
  for (const program of programs) symlinkSync(Bun.which(program) ?? "", join(bin, "../only", program));
  script(
    join(bin, "forced"),
    `PATH=${
      join(bin, "../only")
    }; export PATH; case "$SSH_ORIGINAL_COMMAND" in internal-sftp*) exec /usr/lib/openssh/sftp-server;; esac; eval "$SSH_ORIGINAL_COMMAND"`,
  );
};
const machines: readonly Machine[] = [
  { name: "GNU", needs: ["find"], config: [] },
  {
    name: "BusyBox",
    needs: ["busybox"],
    config: [],
    prepare: (bin) => busyboxPrograms.forEach((name) => symlinkSync(Bun.which("busybox") ?? "", join(bin, name))),
  },
  {
    name: "BSD",
    needs: ["bsdtar"],
    config: [],
    prepare(bin) {
      // No find that prints, stat with BSD's own format, and no sha256sum.
      script(join(bin, "find"), `case "$*" in *-printf*) exit 1;; esac; exec ${Bun.which("find")} "$@"`);
      symlinkSync(Bun.which("bsdtar") ?? "", join(bin, "tar"));
      script(
        join(bin, "stat"),
        `case $1 in -fXp) ;; -c*) exit 1;; esac; f=$1; shift; case $f in -f%Xp) exec /usr/bin/stat -c %f "$@";; -f%Xp:%z:%m) exec /usr/bin/stat -c %f:%s:%Y "$@";; esac; exit 1`,
      );
    },
  },
  {
    name: "a start-up file that prints",
    needs: [],
    config: ['ForceCommand echo Welcome to the machine; eval "$SSH_ORIGINAL_COMMAND"'],
  },
  { name: "SFTP alone", needs: [], config: ["ForceCommand internal-sftp"], note: "no shell" },
  {
    name: "no tar",
    needs: [],
    config: ["ForceCommand forced"],
    prepare: onlyThese(["sh", "find", "xargs", "rm"]),
    note: "no tar",
  },
  {
    name: "no SFTP",
    needs: [],
    config: [
      'ForceCommand case "$SSH_ORIGINAL_COMMAND" in internal-sftp*) exit 1;; esac; eval "$SSH_ORIGINAL_COMMAND"',
    ],
  },
];

for (const { name, needs, config, prepare, note } of machines) {
  const missing = needs.filter((program) => Bun.which(program) === null);
  describe.skipIf(missing.length > 0)(`a machine with ${name}`, () => {
    let sshd: Sshd;
    let session: Session;
    beforeAll(async () => {
      sshd = await startSshd([...config]);
      mkdirSync(join(sshd.folder, "bin"));
      prepare?.(join(sshd.folder, "bin"));
      session = await openSession(sshd);
    });
    afterAll(async () => {
      await session[Symbol.asyncDispose]();
      await sshd[Symbol.asyncDispose]();
    });

    test("a folder goes there, then its changes alone, and comes back", async () => {
      using folder = scratch();
      const at = openContext(folder.path);
      plant(join(folder.path, "src"), oddFiles);
      writeFileSync(join(folder.path, "src/large"), "x".repeat(9 * 2 ** 20));
      chmodSync(join(folder.path, "src/empty folder"), 0o555);
      const to = join(folder.path, "new/far");
      const push = (options = {}) => sync(at, session, { dir: "src", to, ...options });

      const planned = await push({ dryRun: true });
      expect(existsSync(to)).toBe(false);
      const first = await push();
      expect(first.files).toBe(planned.files);
      expect(planned.planned).toHaveLength(first.files);
      expect(first.warnings).toEqual([]);
      expect(harvest(to)).toEqual(harvest(join(folder.path, "src")));
      if (note) expect(at.notes.join()).toContain(note);
      const again = await push();
      expect({ files: again.files, deleted: again.deleted, same: again.same }).toEqual({
        files: 0,
        deleted: 0,
        same: first.same + first.files - 4,
      });

      appendFileSync(join(folder.path, "src/deep/er/and/er/file"), "er");
      rmSync(join(folder.path, "src/-rf"));
      rmSync(join(folder.path, "src/new\nline2"), { recursive: true });
      rmSync(join(folder.path, "src/plain"));
      mkdirSync(join(folder.path, "src/plain"));
      writeFileSync(join(folder.path, "src/plain/now a folder"), "x");
      rmSync(join(folder.path, "src/link"));
      symlinkSync("plain/now a folder", join(folder.path, "src/link"));
      const changed = await push();
      expect({ files: changed.files, deleted: changed.deleted }).toEqual({ files: 3, deleted: 0 });
      expect(Object.keys(harvest(to))).toContain("-rf");
      const cleaned = await push({ delete: true });
      expect(cleaned.deleted).toBe(3);
      expect(harvest(to)).toEqual(harvest(join(folder.path, "src")));

      const pulled = await sync(at, session, { dir: "back/here", to, pull: true });
      expect(pulled.skipped).toEqual([]);
      expect(harvest(join(folder.path, "back/here"))).toEqual(harvest(join(folder.path, "src")));
      writeFileSync(join(folder.path, "back/here/extra"), "");
      const repulled = await sync(at, session, { dir: "back/here", to, pull: true, delete: true });
      expect({ files: repulled.files, deleted: repulled.deleted }).toEqual({ files: 0, deleted: 1 });
    });

    test("what ignore files name neither goes nor is deleted", async () => {
      using folder = scratch();
      const at = openContext(folder.path);
      plant(join(folder.path, "src"), {
        ".gitignore": "*.o\nbuild/\n!keep.o\n",
        ".gpuignore": "secret\n",
        ".git/config": "",
        "a.o": "",
        "keep.o": "",
        "secret": "",
        "build/x": "",
        "sub/.gitignore": "/local\n!*.o\n",
        "sub/a.o": "",
        "sub/local": "",
        "sub/sub/local": "",
        "extra": "",
      });
      plant(join(folder.path, "far"), {
        "b.o": "theirs",
        "build/out": "theirs",
        "stale": "",
        "old/z.o": "",
        "old/y": "",
      });
      const result = await sync(at, session, {
        ...{ dir: "src", to: join(folder.path, "far"), delete: true },
        exclude: ["extra"],
      });
      const there = Object.keys(harvest(join(folder.path, "far"))).filter((name) => !name.endsWith("/"));
      expect(there).toEqual([
        ...[".gitignore", ".gpuignore", "b.o", "build/out", "keep.o", "old/z.o"],
        ...["sub/.gitignore", "sub/a.o", "sub/sub/local"],
      ]);
      expect(result.deleted).toBe(2);
      // The other way round the rules of the source count too.
      const back = await sync(at, session, { dir: "back", to: join(folder.path, "far"), pull: true });
      expect(back.files).toBe(6);
      expect(existsSync(join(folder.path, "back/b.o"))).toBe(false);
      const all = await sync(at, session, { dir: "back", to: join(folder.path, "far"), pull: true, ignore: false });
      expect(all.files).toBe(3);
    });

    test("nothing is written through a link that is in the way", async () => {
      using folder = scratch();
      const at = openContext(folder.path);
      plant(join(folder.path, "src"), { "dir/file": "new", "file": "new" });
      plant(folder.path, { "outside/file": "mine", "outside/other": "mine" });
      mkdirSync(join(folder.path, "far"));
      symlinkSync(join(folder.path, "outside"), join(folder.path, "far/dir"));
      symlinkSync(join(folder.path, "outside/other"), join(folder.path, "far/file"));
      await sync(at, session, { dir: "src", to: join(folder.path, "far") });
      expect(harvest(join(folder.path, "far"))).toEqual(harvest(join(folder.path, "src")));
      expect(readFileSync(join(folder.path, "outside/file"), "utf8")).toBe("mine");
      expect(readFileSync(join(folder.path, "outside/other"), "utf8")).toBe("mine");

      rmSync(join(folder.path, "src/dir"), { recursive: true });
      symlinkSync(join(folder.path, "outside"), join(folder.path, "src/dir"));
      await sync(at, session, { dir: "src", to: join(folder.path, "far"), pull: true });
      expect(lstatSync(join(folder.path, "src/dir")).isDirectory()).toBe(true);
      expect(readFileSync(join(folder.path, "outside/file"), "utf8")).toBe("mine");
    });

    test("a folder in the way that still has something in it stays", async () => {
      using folder = scratch();
      const at = openContext(folder.path);
      plant(join(folder.path, "src"), { "thing": "a file", ".gitignore": "*.o\n", "other": "arrives" });
      plant(join(folder.path, "far"), { "thing/kept.o": "", "thing/x": "" });
      const push = (isDeleting: boolean) =>
        sync(at, session, { dir: "src", to: join(folder.path, "far"), delete: isDeleting });
      await expect(push(false)).rejects.toThrow("is in the way");
      expect(readFileSync(join(folder.path, "far/other"), "utf8")).toBe("arrives");
      await expect(push(true)).rejects.toThrow("is in the way");
      expect(existsSync(join(folder.path, "far/thing/kept.o"))).toBe(true);
      rmSync(join(folder.path, "far/thing/kept.o"));
      await push(true);
      expect(readFileSync(join(folder.path, "far/thing"), "utf8")).toBe("a file");
    });

    test("contents are compared when that is asked for", async () => {
      using folder = scratch();
      const at = openContext(folder.path);
      plant(join(folder.path, "src"), { "a": "one", "b": "two", "odd\nname": "x" });
      const push = (isComparingContent: boolean) =>
        sync(at, session, { dir: "src", to: join(folder.path, "far"), checksum: isComparingContent });
      await push(false);
      plant(join(folder.path, "src"), { "a": "ONE" }); // The same size and time.
      expect((await push(false)).files).toBe(0);
      utimesSync(join(folder.path, "src/b"), 1, 1);
      expect(await push(true)).toMatchObject({ files: 1, same: 2 });
      expect(readFileSync(join(folder.path, "far/a"), "utf8")).toBe("ONE");
    });
  });
}

test("without a shell and without SFTP a sync says so", async () => {
  await using sshd = await startSshd(["ForceCommand true"]);
  await using session = await openSession(sshd);
  using folder = scratch();
  plant(join(folder.path, "src"), { "a": "" });
  await expect(sync(openContext(folder.path), session, { dir: "src", to: "far" })).rejects.toThrow(
    "has no shell and no SFTP",
  );
});

test("a full disk over there is told, and so is a folder one may not enter", async () => {
  await using sshd = await startSshd();
  await using session = await openSession(sshd);
  using folder = scratch();
  plant(join(folder.path, "src"), { "a": "x".repeat(1000) });
  await expect(sync(openContext(folder.path), session, { dir: "src", to: "/proc/sys/nowhere" })).rejects.toThrow(
    /cannot unpack there: mkdir: /,
  );
  writeFileSync(join(folder.path, "file"), "");
  await expect(sync(openContext(folder.path), session, { dir: "src", to: join(folder.path, "file") })).rejects.toThrow(
    "is not a folder",
  );
  await expect(sync(openContext(folder.path), session, { dir: "none", to: "x" })).rejects.toThrow("there is no folder");
});

test("in a part of a repository the rules of the folders above count, unless they leave all of it out", async () => {
  await using sshd = await startSshd();
  await using session = await openSession(sshd);
  using folder = scratch();
  const at = openContext(join(folder.path, "repository/a/b"));
  plant(join(folder.path, "repository"), {
    ".git/HEAD": "",
    ".gitignore": "*.o\n/a/b/top\n/b/\n",
    "a/.gitignore": "/b/near\n!keep.o\n",
    "a/b/x.o": "",
    "a/b/keep.o": "",
    "a/b/top": "",
    "a/b/near": "",
    "a/b/c/near": "",
  });
  plant(folder.path, { ".gitignore": "c\n" }); // Outside of the repository.
  await sync(at, session, { dir: ".", to: join(folder.path, "far") });
  expect(Object.keys(harvest(join(folder.path, "far")))).toEqual(["c/", "c/near", "keep.o"]);
  appendFileSync(join(folder.path, "repository/.gitignore"), "a/b/\n");
  const all = await sync(at, session, { dir: ".", to: join(folder.path, "all") });
  expect(all.files).toBe(5);
});
