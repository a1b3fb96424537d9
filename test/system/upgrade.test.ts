import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findManager } from "../../src/upgrade/manager.ts";
import { releasePlace } from "../../src/upgrade/place.ts";
import { findRelease } from "../../src/upgrade/releases.ts";
import { replaceExecutable } from "../../src/upgrade/replace.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";
import { ReleaseServer } from "../fake/release-server.ts";

const platform = "linux-x64";
const { signal } = new AbortController();
let folder: string;
let server: ReleaseServer;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-upgrade-"));
  server = new ReleaseServer({ folder: join(folder, "made"), platform });
  server.release("1.2.0");
  server.release("1.3.0");
});
afterAll(() => {
  server[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  server.trouble = "none";
  rmSync(join(folder, "bin"), { recursive: true, force: true });
});

const world = () => ciWorld({ home: folder });
const find = (version?: string) =>
  findRelease({ world: world(), place: { url: server.url, key: server.key }, version, signal });

/** An executable in a folder of its own, as it would be installed. */
function installed(): string {
  const bin = join(folder, "bin");
  Bun.spawnSync(["mkdir", "-p", bin]);
  writeFileSync(join(bin, "gpu"), "#!/bin/sh\necho gpu 1.0.0\n", { mode: 0o755 });
  return join(bin, "gpu");
}

const replace = async (path: string, given = world(), version?: string) =>
  await replaceExecutable({ world: given, release: await find(version), platform, path, signal, onProgress() {} });

const versionOf = (path: string) => Bun.spawnSync([path, "--version"]).stdout.toString().trim();

describe("a release", () => {
  test("is the newest, or the one that was named", async () => {
    expect(await find()).toMatchObject({ version: "1.3.0", isSigned: true });
    expect(await find("1.2.0")).toMatchObject({ version: "1.2.0" });
    await expect(find("9.9.9")).rejects.toThrow("there is no release 9.9.9");
  });

  test("that somebody else signed is refused before anything else of it is read", async () => {
    server.trouble = "stranger";
    server.asked.length = 0;
    await expect(find()).rejects.toThrow("the signature of the release");
    await Bun.sleep(20);
    expect(server.asked).toEqual(["/latest/SHA256SUMS", "/latest/SHA256SUMS.sig"]);
  });

  test("is the one that was asked for, and no other that was signed too", async () => {
    server.trouble = "other";
    await expect(find("1.2.0")).rejects.toThrow(/^the release at .*\/v1\.2\.0 is 1\.3\.0, not 1\.2\.0$/);
  });

  test("of a place with https does not come from one without", async () => {
    const fetch = async (url: URL) => {
      const response = await globalThis.fetch(url.href.replace("https://here", server.url));
      const from = url.pathname.endsWith("SHA256SUMS") ? url.href : url.href.replace("https:", "http:");
      return Object.defineProperty(response, "url", { value: from });
    };
    const finding = findRelease({
      world: { ...world(), fetch },
      place: { url: "https://here", key: undefined },
      signal,
    });
    await expect(finding).rejects.toThrow(
      "https://here/latest/release.json leads to http://here, which anybody on the way can answer for",
    );
  });

  test("of a place without a key is believed by its checksums, and said to be unsigned", async () => {
    const place = { url: server.url, key: undefined };
    expect(await findRelease({ world: world(), place, signal })).toMatchObject({ version: "1.3.0", isSigned: false });
  });

  test("is looked for where a variable says; what was built by hand knows no place", () => {
    expect(releasePlace({ env: { GPU_RELEASE_URL: "http://here/" } })).toEqual({ url: "http://here", key: undefined });
    expect(() => releasePlace({ env: {} })).toThrow("built by hand");
    for (const url of ["here", "/releases", "file:///releases", "javascript:1", "http://a b/"]) {
      expect(() => releasePlace({ env: { GPU_RELEASE_URL: url } })).toThrow(`is no address of a server: \`${url}\``);
    }
  });
});

describe("the executable", () => {
  test("is replaced in one step, and the one before is kept", async () => {
    const path = installed();
    const kept = await replace(path);
    expect(versionOf(path)).toBe("gpu 1.3.0");
    expect(versionOf(kept)).toBe("gpu 1.0.0");
    expect(readdirSync(join(path, "..")).toSorted()).toEqual(["gpu", "gpu.previous"]);
    await replace(path, world(), "1.2.0");
    expect([versionOf(path), versionOf(kept)]).toEqual(["gpu 1.2.0", "gpu 1.3.0"]);
  });

  test("is replaced on Windows by names alone", async () => {
    const path = installed();
    const windows = { ...world(), platform: "win32" as const };
    const kept = await replace(path, windows);
    expect([versionOf(path), versionOf(kept)]).toEqual(["gpu 1.3.0", "gpu 1.0.0"]);
    await replace(path, windows, "1.2.0");
    expect([versionOf(path), versionOf(kept)]).toEqual(["gpu 1.2.0", "gpu 1.3.0"]);
    expect(readdirSync(join(path, "..")).toSorted()).toEqual(["gpu", "gpu.previous"]);
  });

  test("comes unpacked where there is no xz", async () => {
    const path = installed();
    server.asked.length = 0;
    await replace(path, { ...world(), env: { PATH: "/nonexistent" } });
    expect(server.asked).toContain("/latest/gpu-linux-x64");
    expect(readFileSync(path, "utf8")).toContain("1.3.0");
  });

  const troubles = [
    ["cut", "the checksum of"],
    ["changed", "the checksum of"],
    ["missing", "404"],
  ] as const;
  test.each(troubles)("stays what it is when the download is %s", async (trouble, says) => {
    const path = installed();
    server.trouble = trouble;
    await expect(replace(path)).rejects.toThrow(says);
    await replace(path).catch(() => {});
    expect(versionOf(path)).toBe("gpu 1.0.0");
    expect(readdirSync(join(path, ".."))).toEqual(["gpu"]);
  });

  test.each(["silent", "dripping"] as const)(
    "stays what it is when the download goes on for ever: %s",
    async (trouble) => {
      const path = installed();
      server.trouble = trouble;
      const clock = new FakeClock({ mode: "manual" });
      const begun = Promise.withResolvers<void>();
      const replacing = replaceExecutable({
        ...{ world: { ...world(), clock }, release: await find(), platform, path, signal },
        onProgress: () => begun.resolve(),
      });
      const ended = replacing.catch(String);
      await begun.promise;
      await clock.advance(30_000);
      expect(await ended).toContain("does not answer: less than 30000 bytes came in 30 s");
      expect(versionOf(path)).toBe("gpu 1.0.0");
      expect(readdirSync(join(path, ".."))).toEqual(["gpu"]);
    },
  );

  test("may be in a folder with any name", async () => {
    const path = installed();
    const odd = join(folder, "bin", "a\\tb\nc 'd");
    mkdirSync(odd);
    renameSync(path, join(odd, "gpu"));
    await replace(join(odd, "gpu"));
    expect(versionOf(join(odd, "gpu"))).toBe("gpu 1.3.0");
  });

  test("is replaced whatever may not be done with new files here", async () => {
    const path = installed();
    const mask = process.umask(0o777);
    const modes = new Set<string>();
    const onProgress = () => {
      const [name = ""] = readdirSync(join(path, "..")).filter((name) => name.startsWith(".gpu-upgrade-"));
      const at = join(path, "..", name);
      for (const each of [at, ...readdirSync(at).map((name) => join(at, name))]) {
        modes.add((statSync(each).mode & 0o777).toString(8));
      }
    };
    try {
      await replaceExecutable({ world: world(), release: await find(), platform, path, signal, onProgress });
    } finally {
      process.umask(mask);
    }
    expect([...modes]).toEqual(["700", "600"]);
    expect((statSync(path).mode & 0o777).toString(8)).toBe("755");
  });

  test("stays what it is when more comes than any release has", async () => {
    const path = installed();
    const release = await find();
    const fetch = () => Promise.resolve(new Response("much", { headers: { "content-length": "1e10" } }));
    await expect(replaceExecutable({ world: { ...world(), fetch }, release, platform, path, signal, onProgress() {} }))
      .rejects.toThrow("what comes for `gpu-linux-x64.tar.xz` is larger than 1 GiB");
    expect(readdirSync(join(path, ".."))).toEqual(["gpu"]);
  });

  test("replaced by another upgrade meanwhile stays that one, and the one before both is kept", async () => {
    const path = installed();
    const [one, other] = [await find(), await find()];
    const downloaded = Promise.withResolvers<void>();
    const options = { world: world(), platform, path, signal };
    const slow = replaceExecutable({ ...options, release: one, onProgress: () => downloaded.resolve() });
    const said = slow.then(() => "", String);
    await downloaded.promise;
    writeFileSync(join(folder, "bin/new"), "#!/bin/sh\necho gpu 1.2.5\n", { mode: 0o755 });
    renameSync(path, `${path}.previous`);
    renameSync(join(folder, "bin/new"), path);
    expect(await said).toContain(`\`${path}\` was replaced meanwhile`);
    expect([versionOf(path), versionOf(`${path}.previous`)]).toEqual(["gpu 1.2.5", "gpu 1.0.0"]);
    await replaceExecutable({ ...options, release: other, onProgress() {} });
    expect(versionOf(path)).toBe("gpu 1.3.0");
  });

  test("is cleared of what killed upgrades and installations left a day ago, and of nothing else", async () => {
    const path = installed();
    const yesterday = new Date(Date.now() - 25 * 60 * 60_000);
    for (const name of [".gpu-upgrade-aaaaaa", ".gpu-install.aaaaaa", ".gpu-upgrade-youngs", ".gpu-mine", "mine"]) {
      mkdirSync(join(folder, "bin", name));
      writeFileSync(join(folder, "bin", name, "gpu"), "half");
      if (!name.endsWith("youngs")) utimesSync(join(folder, "bin", name), yesterday, yesterday);
    }
    await replace(path);
    expect(readdirSync(join(path, "..")).toSorted()).toEqual([
      ...[".gpu-mine", ".gpu-upgrade-youngs", "gpu", "gpu.previous", "mine"],
    ]);
  });

  test("stays what it is when the new one does not start here, or is another version", async () => {
    const path = installed();
    server.release("1.4.0", "#!/bin/sh\nexit 3\n");
    await expect(replace(path)).rejects.toThrow("does not start on this computer");
    server.release("1.5.0", "#!/bin/sh\necho gpu 1.0.0\n");
    await expect(replace(path)).rejects.toThrow("does not start on this computer");
    await replace(path).catch(() => {});
    expect(readdirSync(join(path, ".."))).toEqual(["gpu"]);
    server.release("1.3.0");
  });
});

test("what a package manager installed is its own", async () => {
  const manager = (path: string) => findManager(world(), path, signal);
  expect(await manager("/home/a/node_modules/@gpu-cli/linux-x64/bin/gpu")).toMatchObject({ name: "npm" });
  expect(await manager("/opt/homebrew/Cellar/gpu/1.0.0/bin/gpu")).toMatchObject({ name: "Homebrew" });
  expect(await manager(join(folder, "bin/gpu"))).toBeUndefined();
  if (Bun.which("dpkg-query") !== null) expect(await manager("/usr/bin/dpkg-query")).toMatchObject({ name: "dpkg" });
});
