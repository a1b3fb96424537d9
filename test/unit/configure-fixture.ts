import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runApp } from "../../src/app.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import { LoginError } from "../../src/errors.ts";
import type { ProviderRegistry } from "../../src/provider/registry.ts";
import { readProviderKey } from "../../src/secrets.ts";
import type { Terminal, World } from "../../src/world.ts";
import { FakeClock } from "../fake/clock.ts";
import { FakeProvider } from "../fake/provider.ts";
import { fakeTerminal } from "../fake/terminal.ts";

/** A home folder, and a cloud called `lambda` that takes the keys `good` and `other`. */
export async function setUp({ env = {} }: { env?: Record<string, string> } = {}) {
  const home = await mkdtemp(join(tmpdir(), "gpu-configure-"));
  // Automatic time would jump over what only waits for the disk.
  const clock = new FakeClock({ mode: "manual" });
  const types = [
    { type: "gpu_1x_a10", pricePerHour: 0.75, gpu: "A10" },
    { type: "gpu_1x_h100_pcie", pricePerHour: 2.49, gpu: "H100" },
  ];
  const cloud = new FakeProvider({ clock, name: "lambda", types });
  /** Keys that the cloud was asked with, in order. */
  const tried: (string | undefined)[] = [];
  const registry: ProviderRegistry = {
    local: () => Promise.resolve(new FakeProvider({ clock, name: "local" })),
    lambda: async (world, { profile }) => {
      const key = world.env.LAMBDA_API_KEY ?? await readProviderKey(world, { provider: "lambda", profile });
      return {
        name: "lambda",
        facts: cloud.facts,
        offers: (signal) => cloud.offers(signal),
        launch: (request, signal) => cloud.launch(request, signal),
        list: (signal) => cloud.list(signal),
        get: (id, signal) => cloud.get(id, signal),
        terminate: (id, signal) => cloud.terminate(id, signal),
        async account() {
          tried.push(key);
          if (key === "good" || key === "other") return `account-${key.length}`;
          if (key === "offline") throw new Error("the network is down");
          throw new LoginError("invalid API key");
        },
      };
    },
  };
  const folders = { config: join(home, ".config/gpu"), state: join(home, "state"), cache: join(home, "cache") };
  const world: Omit<World, "terminal"> = {
    env: { HOME: home, ...env },
    platform: process.platform,
    arch: process.arch,
    cwd: home,
    home,
    folders,
    self: [],
    clock,
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    fetch: () => Promise.reject(new Error("no network")),
    dial: () => Promise.reject(new Error("no network")),
    spawn: () => {
      throw new Error("nothing is started");
    },
  };
  return {
    world,
    cloud,
    tried,
    /** Runs `gpu` with these words. Returns its exit code and, with `--json`, what it printed. */
    async gpu(words: string, { terminal = fakeTerminal() }: { terminal?: Terminal } = {}) {
      let stdout = "";
      let stderr = "";
      const recording: Terminal = {
        ...terminal,
        stdout: { ...terminal.stdout, write: async (text) => void (stdout += text) },
        stderr: {
          ...terminal.stderr,
          write: (text) => {
            stderr += text;
            return terminal.stderr.write(text);
          },
        },
      };
      const exitCode = await runApp(words.split(" "), {
        world: { ...world, terminal: recording },
        registry,
        signal: new AbortController().signal,
        version: "0.0.0",
      });
      return { exitCode, stdout, stderr, json: () => JSON.parse(stdout) };
    },
    config: (): Promise<Config> => loadConfig(world),
    async write(path: string, text: string) {
      await mkdir(dirname(join(home, path)), { recursive: true });
      await writeFile(join(home, path), text);
    },
    read: (path: string) => readFile(join(home, path), "utf8").catch(() => undefined),
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  };
}

/** A pipe with this text in it. */
export function piped(text: string): Terminal {
  const terminal = fakeTerminal();
  return {
    ...terminal,
    stdin: {
      isTTY: false,
      async *read() {
        yield new TextEncoder().encode(text);
      },
    },
  };
}
