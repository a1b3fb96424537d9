import { constants, type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { startAgent } from "../../src/agent/agent.ts";
import { systemCode } from "../../src/errors.ts";
import { FakeCiServer } from "./ci-server.ts";
import { ciWorld } from "./ci-world.ts";

/** A CI server that a test submits to, and the jobs on it, which say what the test wants. */
export interface Stage extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** Puts a project into the folder. The next job that is made of it says what it is told to. */
  live(dir: string): Promise<LiveJob>;
  /** Puts a project into the folder whose tests say these lines and end so. */
  project(dir: string, tests: { lines: readonly string[]; success: boolean }): Promise<void>;
}

/** What a running job says, and how it ends. */
export interface LiveJob {
  say(...lines: string[]): Promise<void>;
  end(success: boolean): Promise<void>;
}

/** The existing server, as far as it can be told from outside. */
export async function plainStage(): Promise<Stage & { server: FakeCiServer }> {
  const server = await FakeCiServer.start();
  const newest = async () => {
    for (;;) {
      const id = [...server.jobs.keys()].at(-1);
      if (id !== undefined && server.jobs.get(id)?.isLive) return id;
      await Bun.sleep(1);
    }
  };
  const project = async (dir: string) => void await Bun.write(join(dir, "requirements.txt"), "");
  return {
    server,
    url: server.url,
    key: server.key,
    async live(dir) {
      await project(dir);
      server.next = { status: "running", success: null, lines: [], isLive: true };
      return {
        say: async (...lines) => server.say(await newest(), ...lines),
        end: async (success) => server.end(await newest(), success),
      };
    },
    async project(dir, { lines, success }) {
      await project(dir);
      server.next = { status: "completed", success, lines: [...lines] };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Our own server, in this process. */
export async function ourStage(home: string): Promise<Stage> {
  const key = "secret-of-the-server";
  const world = ciWorld({ home });
  const agent = await startAgent({ world, token: key, port: 0, dataFolder: join(home, "data") });
  let count = 0;
  return {
    url: agent.address,
    key,
    async live(dir) {
      const folder = join(home, `live-${++count}`);
      await mkdir(folder);
      const [pipe, code] = [join(folder, "pipe"), join(folder, "code")];
      await Bun.$`mkfifo ${pipe}`;
      await Bun.write(join(dir, "gpu-ci.yaml"), JSON.stringify({ test: `cat ${pipe}; exit $(cat ${code})` }));
      let opening: Promise<FileHandle> | undefined;
      const writer = () => opening ??= openWhenRead(pipe);
      return {
        say: async (...lines) => void await (await writer()).writeFile(lines.join("")),
        async end(success) {
          await Bun.write(code, success ? "0" : "1");
          await (await writer()).close();
        },
      };
    },
    async project(dir, { lines, success }) {
      const said = join(home, `said-${++count}`);
      await Bun.write(said, lines.join(""));
      await Bun.write(join(dir, "gpu-ci.yaml"), JSON.stringify({ test: `cat ${said}; exit ${success ? 0 : 1}` }));
    },
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await rm(join(home, "data"), { recursive: true, force: true });
    },
  };
}

/** Waits until somebody reads the pipe, without a thread that hangs until then. */
async function openWhenRead(pipe: string): Promise<FileHandle> {
  for (;;) {
    try {
      await using _first = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
      return await open(pipe, "w");
    } catch (error) {
      if (systemCode(error) !== "ENXIO") throw error;
      await Bun.sleep(5);
    }
  }
}
