import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runApp } from "../../src/app.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { fakeTerminal } from "../fake/terminal.ts";

let home: string;
beforeEach(() => home = mkdtempSync(join(tmpdir(), "ci-bubblewrap-")));
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** What `gpu ci serve` says where these are the only programs. */
async function serve(bwrap: string | undefined, platform: NodeJS.Platform = "linux"): Promise<string[]> {
  if (bwrap !== undefined) {
    writeFileSync(join(home, "bwrap"), `#!/bin/sh\n${bwrap}\n`);
    chmodSync(join(home, "bwrap"), 0o700);
  }
  const terminal = fakeTerminal({ isTTY: false });
  const exitCode = await runApp(["ci", "serve", "--open", "--port", "0", "--isolation", "bubblewrap"], {
    world: { ...ciWorld({ home, platform, env: { PATH: home, HOME: home } }), terminal },
    signal: new AbortController().signal,
    version: "0.0.0",
  });
  expect(exitCode).toBe(1);
  // It is found out before anything is made.
  expect(existsSync(join(home, "state"))).toBe(false);
  return terminal.takeLines();
}

test("a server that is to isolate jobs does not begin without bubblewrap", async () => {
  expect(await serve(undefined)).toEqual([
    "2| error: `--isolation bubblewrap` needs the program `bwrap`, which is not installed here",
    "2| hint: install the package `bubblewrap` (`apt-get install bubblewrap`), or use `--isolation process`, which needs none",
  ]);
  expect(await serve(undefined, "darwin")).toEqual([
    "2| error: `--isolation bubblewrap` needs Linux",
    "2| hint: `--isolation process` works everywhere",
  ]);
});

// As its sources say it, on systems that forbid one or the other.
test.each([
  [
    "No permissions to create new namespace, likely because the kernel does not allow it",
    "forbids user namespaces: `sysctl",
  ],
  ["Creating new namespace failed: Operation not permitted", "forbids user namespaces: `sysctl"],
  ["setting up uid map: Permission denied", "kernel.apparmor_restrict_unprivileged_userns=0"],
  ["Can't mount proc on /newroot/proc: Operation not permitted", "this container forbids mounts: `--privileged`"],
  ["something else\nand more", "try `bwrap --ro-bind / / true`"],
])("nor where bubblewrap says: %s", async (says, hint) => {
  const [error, help] = await serve(`echo "bwrap: ${says}" >&2; exit 1`);
  expect(error).toBe(`2| error: bubblewrap cannot shut jobs in here: bwrap: ${says.split("\n")[0]}`);
  expect(help).toContain(hint);
  expect(help).toEndWith("; `--isolation process` works without it");
});

test("nor where it says nothing", async () => {
  expect((await serve("exit 3"))[0]).toBe("2| error: bubblewrap cannot shut jobs in here: it could not be started");
});
