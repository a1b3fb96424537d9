// A home for the shipped recipes: a project, a script, a stand-in for a model server, and a cloud beside it.
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "../../scripts/toolchain.ts";
import { type Ended, executable, Home } from "./compiled.ts";

/** On this computer, or on Lambda Cloud as it is emulated. */
export type Where = "local" | "lambda";

/** Types of each place: what a recipe is told to rent. */
export const typeOf = { local: "local", lambda: "gpu_1x_a10" } as const;

/** Answers at `$PORT` after a moment, as what serves a model does after minutes. The executable's own runtime is there. */
const server = `
  console.log("loading " + process.env.MODEL + (process.env.HF_TOKEN ? " with a token" : ""));
  await Bun.sleep(300);
  Bun.serve({
    hostname: "127.0.0.1",
    port: Number(process.env.PORT),
    fetch: ({ url }) => url.endsWith("/v1/models")
      ? Response.json({ data: [{ id: process.env.MODEL }] })
      : new Response("no such thing", { status: 404 }),
  });
`;

const training = `mkdir -p checkpoints
for epoch in 1 2 3 4 5; do
  echo "epoch $epoch"
  echo "$epoch" > "checkpoints/$epoch.pt"
  sleep 0.2
done
exit "\${1:-0}"
`;

const measuring = `#!/bin/sh
echo begin
sleep "0.\${SLEEP:-2}"
echo "42 tokens/s"
`;

export class Stage implements AsyncDisposable {
  readonly home = new Home();
  readonly where: Where;
  #cloud: Cloud | undefined;
  #noAgent: Record<string, string> = {};

  private constructor(where: Where) {
    this.where = where;
  }

  /** `hasAgents`: what is rented from the cloud brings an agent, which takes seconds; only a CI job needs it. */
  static async open(
    where: Where,
    { faults = {}, hasAgents = false }: { faults?: object; hasAgents?: boolean } = {},
  ): Promise<Stage> {
    const stage = new Stage(where);
    if (!hasAgents) stage.#noAgent = { GPU_AGENT_BINARY: stage.home.write("no-executable", "") };
    stage.home.write("project/gpu-ci.yaml", "test: echo the tests of a project\n");
    stage.home.write("project/train.sh", training);
    stage.home.write("measure.sh", measuring);
    stage.home.write("server/server.ts", server);
    if (where === "lambda") stage.#cloud = await openCloud(stage.home, faults);
    return stage;
  }

  /** What Hugging Face would ask for. */
  readonly secret = "hf_0123456789abcdef";

  /** The files of the state folder that hold a text. */
  findInState(text: string): string[] {
    const folder = this.home.stateFolder;
    const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => join(folder, path));
    return paths.filter((path) => lstatSync(path).isFile() && readFileSync(path).includes(text));
  }

  /** Line for the shell that serves a model, in the folder `server`. */
  get server(): string {
    return `BUN_BE_BUN=1 exec '${executable}' run server.ts`;
  }

  async run(name: string, ...argv: readonly string[]): Promise<Ended> {
    return await this.gpu("run", join(root, "recipes", `${name}.ts`), ...argv);
  }

  async gpu(...argv: readonly string[]): Promise<Ended> {
    return await this.home.run([...argv, "--provider", this.where], { env: this.environment });
  }

  get environment(): Record<string, string> {
    const { url = "", key = "" } = this.#cloud ?? {};
    // A recipe's commands want more than a shell: tar for a sync.
    return {
      PATH: "/usr/bin:/bin",
      HF_TOKEN: this.secret,
      ...this.#noAgent,
      ...(this.#cloud ? { LAMBDA_API_URL: url, LAMBDA_API_KEY: key } : {}),
    };
  }

  /** Nothing is rented, no process is left, and the cloud has nothing either. */
  async expectNothingLeft(): Promise<void> {
    const status = await this.gpu("status", "--json");
    const left = await this.#cloud?.end() ?? 0;
    if (status.stdout.trim() !== "[]" || left !== 0) throw new Error(`left: ${left} ${status.stdout} ${status.stderr}`);
    await this.home.expectNothingLeft();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cloud?.end();
    await this.home[Symbol.asyncDispose]();
  }
}

interface Cloud {
  readonly url: string;
  readonly key: string;
  /** How many instances nobody had terminated. */
  end(): Promise<number>;
}

async function openCloud(home: Home, faults: object): Promise<Cloud> {
  home.write("faults.json", JSON.stringify(faults));
  const running = home.start(
    ["emulate", "lambda", "--json", "--boot", "0ms", "--seed", "1", "--faults", "faults.json"],
    { env: { PATH: "/usr/bin:/bin" } },
  );
  await running.printed('"type":"listening"');
  const { url, key } = JSON.parse(running.stdout.split("\n")[0] ?? "");
  let ending: Promise<number> | undefined;
  const end = async () => {
    running.kill("SIGINT");
    const { stdout } = await running.ended();
    return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "").left;
  };
  return { url, key, end: () => ending ??= end() };
}

/** A port of this computer that nobody uses. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Waits until nobody listens there. */
export async function closed(url: string): Promise<void> {
  for (let round = 0; round < 100; round++) {
    if (!await fetch(url).then(() => true, () => false)) return;
    await Bun.sleep(50);
  }
  throw new Error(`${url} still answers (${process.pid})`);
}
