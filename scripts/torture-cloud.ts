// The emulated cloud of a HOME of the torture: everything in it goes wrong, and its bill knows every machine.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { executable } from "./build.ts";

export interface Cloud extends AsyncDisposable {
  /** What a `gpu` needs in its environment to rent there. */
  readonly environment: Readonly<Record<string, string>>;
  /** From now on nothing goes wrong. */
  calm(): Promise<void>;
  bill(): Promise<{ made: number; left: number; tokens: string[] }>;
}

interface Bill {
  readonly made: number;
  readonly left: number;
  readonly instances: readonly { readonly name: string | null }[];
}

/**
 * All faults but the rate limit, which would only make everything slow; what keeps a launch from being made at all is
 * seldom, since a run that rents nothing proves nothing.
 */
const hostile = {
  preset: "hostile",
  ...{ freeShare: 1, noCapacity: 0.05, bootHangs: 0.05, unhealthy: 0.05, wrongGpu: 0, gpuErrors: 0 },
  ...{ slowMs: 400, listedLateMs: 4000 },
};

/** Starts an emulator in which nearly everything goes wrong. */
export async function openEmulator({ folder, seed }: { folder: string; seed: number }): Promise<Cloud> {
  const home = join(folder, "cloud");
  mkdirSync(home, { recursive: true });
  const argv = ["emulate", "lambda", "--json", "--seed", String(seed), "--boot", "300ms"];
  const child = spawn(executable, [...argv, "--data", join(folder, "data")], {
    cwd: home,
    env: { HOME: home, PATH: "/usr/bin:/bin" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines = createInterface({ input: child.stdout });
  const { url, key } = await new Promise<{ url: string; key: string }>((resolve, reject) => {
    lines.once("line", (line) => resolve(JSON.parse(line)));
    child.once("exit", (code) => reject(new Error(`the emulator ended with ${code}`)));
  });
  lines.resume();
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(new URL(path, url), { ...init, headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return await answer.json();
  };
  const setFaults = async (faults: object) => {
    await ask("/_emulator/faults", { method: "POST", body: JSON.stringify(faults) });
  };
  await setFaults(hostile);
  return {
    environment: { LAMBDA_API_KEY: key, LAMBDA_API_URL: url, GPU_PROVIDER: "lambda" },
    calm: () => setFaults({ preset: "none" }),
    async bill() {
      const { made, left, instances }: Bill = await ask("/_emulator/bill");
      return { made, left, tokens: instances.map(({ name }) => /[0-9a-f]{20}$/.exec(name ?? "")?.[0] ?? name ?? "") };
    },
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await Promise.race([ended, Bun.sleep(10_000)]);
      child.kill("SIGKILL");
    },
  };
}
