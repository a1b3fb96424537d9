import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { runApp } from "../../src/app.ts";
import { type Command, type CommandEntry, defineCommand, defineStream } from "../../src/command.ts";
import { commands } from "../../src/commands.ts";
import { GpuError } from "../../src/errors.ts";
import { outside } from "../../src/outside.ts";
import { instanceHandle } from "../../src/recipe/instance-handle.ts";
import type { World } from "../../src/world.ts";
import { noParts } from "./instance-parts.ts";
import { fakeTerminal } from "../fake/terminal.ts";

/** A folder with recipes, and an app whose machines are made of thin air. */
export interface Bench extends Disposable {
  readonly folder: string;
  readonly world: World;
  /** What happened to machines and calls, in its order. */
  readonly events: string[];
  write(files: Record<string, string>): void;
  run(
    argv: readonly string[],
    options?: { signal?: AbortSignal },
  ): Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

export function openBench(): Bench {
  return benchIn(realpathSync(mkdtempSync(join(tmpdir(), "gpu-recipe-"))));
}

export function benchIn(folder: string): Bench {
  const terminal = fakeTerminal();
  const real = outside(process, { onClosedPipe: () => {} });
  const world: World = {
    ...real,
    cwd: folder,
    folders: {
      config: join(folder, ".config"),
      state: join(folder, ".state"),
      cache: join(tmpdir(), `gpu-test-cache-${process.pid}`),
    },
    terminal,
  };
  const events: string[] = [];
  const entries = [...realCommands, ...fakeCommands(events)];
  return {
    folder,
    world,
    events,
    write(files) {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), text);
        // A process runs one recipe; these tests run many that have the same name.
        delete require.cache[join(folder, name)];
      }
    },
    async run(argv, { signal = new AbortController().signal } = {}) {
      const exitCode = await runApp(argv, { world, signal, version: "0.0.0", entries });
      const lines = terminal.takeLines();
      const stderr = lines.filter((line) => line.startsWith("2|")).map((line) => line.replace(/^2\| ?/, "")).join("\n");
      return { exitCode, stdout: terminal.takeStdout(), stderr };
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The types take a moment to unpack: all tests of a process share the folder, and the last one removes it. */
export function removeTestCache(): void {
  rmSync(join(tmpdir(), `gpu-test-cache-${process.pid}`), { recursive: true, force: true });
}

const realCommands = commands.filter(({ name }) => ["run", "recipe check", "recipe init", "runs show"].includes(name));

function fakeCommands(events: string[]): CommandEntry[] {
  let count = 0;
  const start = defineCommand({
    name: "start",
    summary: "Rent a machine",
    effect: "spend",
    input: z.object({
      hours: z.number().positive().default(1).meta({ env: "GPU_LEASE_HOURS" }),
      pricePerHour: z.number().default(0),
      isSoldOut: z.boolean().default(false),
    }),
    output: z.object({ id: z.string(), hours: z.number() }),
    plan: ({ hours, pricePerHour }) => Promise.resolve({ action: "rent a machine", costDollars: hours * pricePerHour }),
    run: ({ hours, isSoldOut }) => {
      if (isSoldOut) return Promise.reject(new GpuError("none is free", { rentedNothing: true }));
      const id = `i-${++count}`;
      events.push(`start ${id}`);
      return Promise.resolve({ id, hours });
    },
    handle: ({ id }) =>
      instanceHandle({
        ...noParts,
        lease: {
          clock: { now: () => 0, sleep: () => new Promise(() => {}) },
          label: id,
          read: () => undefined,
          warnMs: () => Promise.resolve(600_000),
          note() {},
        },
        id,
        name: id,
        execute: async (command, { output }) => {
          events.push(`${id}$ ${command}`);
          await output(new TextEncoder().encode(`${id} did ${command}\n`), "stdout");
          return { exitCode: command.startsWith("false") ? 1 : 0 };
        },
        openTunnel: ({ forward = ["0:ci"] }) => {
          events.push(`tunnel ${forward.join(" ")}`);
          return Promise.resolve({
            forwards: [{ kind: "local", localPort: 4000, remote: "ci" }],
            agentToken: "secret",
            keep: () => Promise.resolve(void events.push("keep tunnel")),
            close: () => Promise.resolve(void events.push("close tunnel")),
          });
        },
        keep: ({ why }) => Promise.resolve(void events.push(`keep ${id}: ${why}`)),
        stop: () => Promise.resolve(void events.push(`stop ${id}`)),
      }),
    view: () => undefined,
  });
  const status = defineCommand({
    name: "machine-status",
    summary: "Say how they are",
    effect: "read",
    input: z.object({ fail: z.number().default(0) }),
    output: z.object({ calls: z.number() }),
    run: async ({ fail }, { note }) => {
      note("asking");
      events.push("status");
      const calls = events.filter((event) => event === "status").length;
      if (calls <= fail) {
        throw new GpuError(`no answer to call ${calls}`);
      }
      return { calls };
    },
    view: () => undefined,
  });
  const slow = defineCommand({
    name: "slow",
    summary: "Go on until told to end",
    effect: "read",
    input: z.object({}),
    output: z.null(),
    run: (_, { signal }) =>
      new Promise((_, reject) => {
        events.push("slow begins");
        signal.addEventListener("abort", () => {
          events.push("slow ends");
          reject(signal.reason);
        }, { once: true });
      }),
    view: () => undefined,
  });
  const follow = defineStream({
    name: "machine follow",
    summary: "Follow",
    effect: "read",
    input: z.object({ lines: z.number().default(3), goesOn: z.boolean().default(false) }),
    output: z.string(),
    async *run({ lines, goesOn }, { signal }) {
      try {
        for (let line = 1; line <= lines; line++) yield await Promise.resolve(`line ${line}`);
        if (goesOn) await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      } finally {
        events.push("follow ends");
      }
    },
    view: (line) => line,
  });
  return [start, status, slow, follow].map((command) => ({
    name: command.name,
    summary: command.summary,
    effect: command.effect,
    load: () => Promise.resolve(command as unknown as Command),
  }));
}
