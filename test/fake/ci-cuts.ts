// A job of many numbered lines, read while its connection is cut at random instants and its server goes away: what was
// read must be every line once.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { ciClient } from "../../src/ci/client/client.ts";
import { packProject } from "../../src/ci/pack/pack.ts";
import type { FakeCiServer } from "./ci-server.ts";
import { ciWorld } from "./ci-world.ts";

/** What came of a run. */
export interface Count {
  readonly lost: number;
  readonly doubled: number;
  readonly cuts: number;
  readonly success: boolean;
}

export interface CutRun {
  readonly lines: number;
  /** How many times something is broken. */
  readonly cuts: number;
  /** From 0 to 1. */
  random(): number;
}

/** A server whose connections can be cut, and which can go away and come back. */
export interface Breakable {
  readonly url: string;
  readonly key: string;
  /** Breaks whatever is open. */
  cut(): void;
  /** Goes away as abruptly as it can, and comes back. */
  restart(): Promise<void>;
}

/** Our own server behind a line that can be cut, in a process that can be killed. */
export class KillableServer implements Breakable, AsyncDisposable {
  readonly key = "ci_key-of-the-runs";
  readonly #home: string;
  readonly #open = new Set<Socket>();
  readonly #line = createServer((near) => this.#connect(near));
  #running: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;
  #port = 0;

  private constructor(home: string) {
    this.#home = home;
  }

  /** Keeps its data in the folder. */
  static async start(home: string): Promise<KillableServer> {
    const server = new KillableServer(home);
    await server.#start();
    await new Promise<void>((resolve) => server.#line.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#line.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async restart(): Promise<void> {
    this.#port = 0;
    this.#running?.kill("SIGKILL");
    await this.#running?.exited;
    this.cut();
    await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => void this.#line.close(() => resolve()));
    this.#running?.kill("SIGTERM");
    await this.#running?.exited;
  }

  async #start(): Promise<void> {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "ci-server-main.ts"), this.#home, this.key], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#running = child;
    for await (const piece of child.stdout) {
      this.#port = Number(new TextDecoder().decode(piece));
      return;
    }
    throw new Error("the server did not start");
  }

  #connect(near: Socket): void {
    near.on("error", () => near.destroy());
    if (this.#port === 0) return void near.destroy();
    this.#open.add(near);
    const far = connect(this.#port, "127.0.0.1");
    near.pipe(far).on("error", () => near.destroy());
    far.pipe(near);
    near.on("close", () => {
      this.#open.delete(near);
      far.destroy();
    });
    far.on("close", () => near.destroy());
  }
}

/** A project whose tests say numbered lines, now fast and now slow. */
export function countingProject(dir: string, lines: number): void {
  mkdirSync(dir, { recursive: true });
  const step = Math.max(1, Math.floor(lines / 40));
  const test =
    `i=0; while [ $i -lt ${lines} ]; do seq -f 'line %.0f' $i $((i+${step}-1)); i=$((i+${step})); sleep 0.02; done`;
  writeFileSync(join(dir, "gpu-ci.yaml"), JSON.stringify({ test }));
}

/** One run on the existing server, whose job says its lines while it is read. */
export async function runOnPlain(server: FakeCiServer, run: CutRun): Promise<Count> {
  server.next = { status: "running", success: null, lines: [], isLive: true };
  server.jobs.clear();
  const breakable = {
    url: server.url,
    key: server.key,
    cut: () => server.cut(),
    restart: () => server.restart(run.random() * 30),
  };
  const saying = async () => {
    while (server.jobs.size === 0) await Bun.sleep(1);
    const [id = ""] = server.jobs.keys();
    const step = Math.max(1, Math.floor(run.lines / 40));
    for (let at = 0; at < run.lines; at += step) {
      server.say(id, ...Array.from({ length: Math.min(step, run.lines - at) }, (_, index) => `line ${at + index}\n`));
      await Bun.sleep(20);
    }
    // What some of its connections are told is false while it runs.
    if (run.random() < 0.5) server.faults.push({ falseComplete: true });
    server.end(id, true);
  };
  const [count] = await Promise.all([readWhileCut(breakable, await emptyZip(), run), saying()]);
  server.faults.length = 0;
  return count;
}

async function emptyZip(): Promise<() => ReadableStream<Uint8Array>> {
  return await Promise.resolve(() => new Response("PK").body as ReadableStream<Uint8Array>);
}

/** One run on our own server. */
export async function runOnOurs(server: Breakable, dir: string, run: CutRun): Promise<Count> {
  countingProject(dir, run.lines);
  try {
    return await readWhileCut(server, (await packProject(dir, { ignore: true })).stream, run);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function readWhileCut(server: Breakable, zip: () => ReadableStream<Uint8Array>, run: CutRun): Promise<Count> {
  const world = ciWorld({
    home: "/nonexistent",
    // Pauses between tries are short; everything else that is drawn stays random.
    random: (
      bytes,
    ) => (bytes === 2
      ? Uint8Array.of(Math.floor(run.random() * 25), 0)
      : crypto.getRandomValues(new Uint8Array(bytes))),
  });
  const { submitInLots } = ciClient({ world, server: server.url, apiKey: server.key });
  const seen = new Uint32Array(run.lines);
  let [doubled, success, cuts, isOver] = [0, false, 0, false];
  const cutting = async () => {
    for (; cuts < run.cuts && !isOver; cuts++) {
      await Bun.sleep(run.random() * 2 * 1000 / run.cuts);
      if (isOver) return;
      if (run.random() < 0.4) await server.restart();
      else server.cut();
    }
  };
  let breaking: Promise<void> | undefined;
  for await (const lot of submitInLots(zip)) {
    // Whether a submission arrived is another question.
    breaking ??= cutting();
    for (const event of lot) {
      if (event.type === "complete") success = event.success;
      if (event.type !== "log") continue;
      const number = Number(/^line (\d+)\n$/.exec(event.data)?.[1] ?? NaN);
      if (Number.isNaN(number)) throw new Error(`a line that was not said: ${JSON.stringify(event.data)}`);
      seen[number] = (seen[number] ?? 0) + 1;
    }
  }
  isOver = true;
  await breaking;
  doubled = seen.reduce((sum, times) => sum + Math.max(0, times - 1), 0);
  return { lost: seen.filter((times) => times === 0).length, doubled, cuts, success };
}
