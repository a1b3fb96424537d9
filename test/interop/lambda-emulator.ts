// An emulator for a test, asked with plain fetch and reached with the real ssh.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emulateLambda, type EmulateLambdaOptions, type SeenRequest } from "../../src/emulate/lambda.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import type { World } from "../../src/world.ts";
import { realWorld, runProgram } from "./openssh.ts";

export const host = generateKeyPair("host");
export const client = generateKeyPair("client");

/** As a launch brings it: the machine's own host key. */
export const userData = `#cloud-config\n${
  JSON.stringify({ ssh_deletekeys: false, ssh_keys: { ed25519_private: host.privateKey } })
}\n`;

export const a10 = { region_name: "us-west-1", instance_type_name: "gpu_1x_a10", ssh_key_names: ["mine"] };

export interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

/** Waits for what takes real time: processes. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await Bun.sleep(15);
  }
  throw new Error("waited in vain");
}

/** A caller of one emulator. */
export function caller({ url, key }: { url: string; key: string }) {
  return async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(`${url}${path.startsWith("/_") ? "" : "/api/v1"}${path}`, {
      method,
      headers: { "authorization": `Bearer ${key}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const json = await response.json();
    return { status: response.status, data: json.data ?? json, error: json.error };
  };
}

export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "gpu-emu-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export const emulatorWorld: World = {
  ...realWorld,
  env: { PATH: realWorld.env.PATH, SECRET: "of the one who emulates" },
  self: [process.execPath, join(import.meta.dir, "../fake/machine-main.ts")],
};

export async function openEmulator(options: Partial<EmulateLambdaOptions> = {}) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const seen: SeenRequest[] = [];
  const emulator = stack.use(
    await emulateLambda({
      world: emulatorWorld,
      dataFolder: join(folder.path, "data"),
      bootMs: 0,
      stopMs: 0,
      seed: 1,
      onRequest: (request) => seen.push(request),
      ...options,
    }),
  );
  const call = caller(emulator);
  await call("POST", "/ssh-keys", { name: "mine", public_key: client.publicKey });
  seen.length = 0;
  const opened = stack.move();
  return {
    emulator,
    call,
    seen,
    folder: folder.path,
    /** Launches; the instance's id. */
    async launch(changes: object = {}): Promise<string> {
      const { data } = await call("POST", "/instance-operations/launch", { ...a10, user_data: userData, ...changes });
      return data.instance_ids[0];
    },
    terminate: (id: string) => call("POST", "/instance-operations/terminate", { instance_ids: [id] }),
    /** The instance, once it has that status. */
    whenIn: (id: string, status: string) =>
      until(async () => {
        const { data } = await call("GET", `/instances/${id}`);
        return data.status === status ? data : undefined;
      }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

interface Reachable {
  readonly ip: string;
  readonly ssh_port?: number;
}

/** Arguments of the real ssh for an instance, whose host key must be the one from its user data. */
export function sshTo({ ip, ssh_port: port = 22 }: Reachable, folder: string): string[] {
  const key = join(folder, "key");
  writeFileSync(key, client.privateKey, { mode: 0o600 });
  writeFileSync(join(folder, "known_hosts"), `${port === 22 ? ip : `[${ip}]:${port}`} ${host.publicKey}\n`);
  const options = ["IdentitiesOnly=yes", `UserKnownHostsFile=${folder}/known_hosts`, "StrictHostKeyChecking=yes"];
  const shared = [...options, "LogLevel=ERROR", "BatchMode=yes"].flatMap((option) => ["-o", option]);
  return ["ssh", "-F", "none", "-i", key, ...shared, "-p", String(port), `ubuntu@${ip}`];
}

export async function ssh(instance: Reachable, folder: string, command: string): Promise<string> {
  const { code, stdout, stderr } = await runProgram([...sshTo(instance, folder), command]);
  if (code !== 0 || stderr !== "") throw new Error(`ssh ended with ${code}: ${stderr}`);
  return stdout;
}
