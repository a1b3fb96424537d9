import { zipSync } from "fflate";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readProc, sendSignal } from "../../src/processes.ts";
import { present } from "../fake/ci-world.ts";

const main = join(import.meta.dir, "../../src/main.ts");

/** `gpu ci serve` as a process of its own. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** What it said first. */
  readonly listening: Record<string, unknown>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<number>;
  /** All it printed, when it is over. */
  output(): Promise<{ stdout: string; stderr: string }>;
}

/** A home for servers, and what they leave. */
export class ServerHome implements AsyncDisposable {
  readonly home: string;
  readonly #servers: ServerProcess[] = [];

  private constructor(home: string) {
    this.home = home;
  }

  static async make(): Promise<ServerHome> {
    return new ServerHome(await mkdtemp(join(tmpdir(), "ci-serve-")));
  }

  get env(): Record<string, string | undefined> {
    return { PATH: process.env.PATH, HOME: this.home };
  }

  /** Starts one and waits until it listens. */
  async serve(...argv: string[]): Promise<ServerProcess> {
    const child = Bun.spawn([process.execPath, main, "ci", "serve", "--port", "0", "--json", ...argv], {
      cwd: this.home,
      env: this.env,
      stdout: "pipe",
      stderr: "pipe",
    });
    const reader = child.stdout.getReader();
    const decoder = new TextDecoder();
    let text = "";
    while (!text.includes("\n")) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`it did not start: ${await new Response(child.stderr).text()}`);
      text += decoder.decode(value, { stream: true });
    }
    const listening = JSON.parse(present(text.split("\n")[0])) as Record<string, unknown>;
    const server: ServerProcess = {
      url: String(listening.url),
      pid: child.pid,
      listening,
      kill: (signal) => child.kill(signal),
      exited: child.exited,
      async output() {
        for (let next = await reader.read(); !next.done; next = await reader.read()) text += decoder.decode(next.value);
        return { stdout: text, stderr: await new Response(child.stderr).text() };
      },
    };
    this.#servers.push(server);
    return server;
  }

  /** `gpu` itself, in the same home. */
  async gpu(...argv: string[]): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    const child = Bun.spawn([process.execPath, main, ...argv], {
      cwd: this.home,
      env: this.env,
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { stdout, stderr, exitCode: await child.exited };
  }

  /** A user and a key of that user. */
  async makeKey(name: string): Promise<string> {
    await this.gpu("ci", "user", "create", "--name", name, "--email", `${name}@example.com`);
    const { stdout } = await this.gpu("ci", "key", "create", "--email", `${name}@example.com`, "--name", "test");
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.kill("SIGKILL");
      await server.exited;
    }
    // Jobs outlive their server.
    for (const { pid, carries } of readProc()) if (carries(`HOME=${this.home}`)) sendSignal(pid, "SIGKILL");
    await Bun.sleep(20);
    await rm(this.home, { recursive: true, force: true });
  }
}

/** A project whose tests are one shell line. */
export function projectOf(test: string): Uint8Array<ArrayBuffer> {
  return zipSync({ "gpu-ci.yaml": new TextEncoder().encode(JSON.stringify({ test })) }) as Uint8Array<ArrayBuffer>;
}

/** A submission as an existing client sends it. */
export async function submit(
  url: string,
  zip: Uint8Array<ArrayBuffer>,
  { key, headers = {}, fields = {} }: {
    key?: string;
    headers?: Record<string, string>;
    fields?: Record<string, string>;
  } = {},
): Promise<string> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set("file", new File([zip], "project.zip", { type: "application/zip" }));
  const answer = await fetch(`${url}/submit-async`, {
    method: "POST",
    body: form,
    headers: { ...(key && { authorization: `Bearer ${key}` }), ...headers },
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json() as { job_id: string }).job_id;
}

/** The lines of a job, and how it ended. */
export async function readJob(url: string, id: string, key?: string): Promise<{ lines: string[]; success?: boolean }> {
  const answer = await fetch(`${url}/jobs/${id}/stream?from_beginning=true`, {
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  });
  const lines: string[] = [];
  let success: boolean | undefined;
  for (const [, json] of (await answer.text()).matchAll(/^data: (.*)$/gm)) {
    const event = JSON.parse(present(json)) as { type: string; data: string; success: boolean };
    if (event.type === "log") lines.push(event.data);
    if (event.type === "complete") success = event.success;
  }
  return { lines, success };
}

/** One job, as the server describes it. */
export async function jobAt(url: string, id: string, key?: string): Promise<Record<string, unknown>> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return await (await fetch(`${url}/jobs/${id}`, { headers })).json() as Record<string, unknown>;
}

/** Waits until something holds, a few seconds at most. */
export async function until(holds: () => unknown): Promise<void> {
  for (const end = Date.now() + 8_000; !(await holds());) {
    if (Date.now() > end) throw new Error("it never held");
    await Bun.sleep(10);
  }
}
