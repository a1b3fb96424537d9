import { spawn } from "node:child_process";
import { connect } from "node:net";
import { realClock } from "../../src/outside.ts";
import type { World } from "../../src/world.ts";

/** A world with the real network and real processes, and with whatever a test puts in its place. */
export function ciWorld(given: Partial<World> & { home: string }): World {
  const silent = {
    isTTY: false,
    columns: 80,
    rows: 24,
    write: () => Promise.resolve(),
    onResize: () => ({ [Symbol.dispose]() {} }),
  };
  return {
    env: { PATH: process.env.PATH, HOME: given.home },
    platform: process.platform,
    arch: process.arch,
    cwd: given.home,
    folders: { config: `${given.home}/config`, state: `${given.home}/state`, cache: `${given.home}/cache` },
    self: [process.execPath, `${import.meta.dir}/../../src/main.ts`],
    clock: realClock,
    terminal: { stdin: { isTTY: false, async *read() {} }, stdout: silent, stderr: silent },
    random: (byteCount) => crypto.getRandomValues(new Uint8Array(byteCount)),
    fetch: (url, init) => fetch(url, init),
    dial: ({ host, port }) => Promise.resolve(connect(port, host)),
    spawn: ([program = "", ...args], { stdin, stdout, stderr, ...options }) =>
      spawn(program, args, { ...options, stdio: [stdin, stdout, stderr] } as never),
    ...given,
  };
}

/** A value that a test knows to be there. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("what the test needs is not there");
  return value;
}
