import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lambdaProvider } from "../../src/provider/lambda/lambda.ts";
import type { LambdaSettings } from "../../src/provider/lambda/settings.ts";
import type { LaunchRequest } from "../../src/provider/provider.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { FakeClock } from "../fake/clock.ts";

/** A request as Lambda saw it, and when. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly init: RequestInit & { keepalive?: boolean };
  readonly at: number;
}

/** What happens instead of the answer. A function may change the world, and answers nothing: the usual goes on. */
export type Trouble = Response | Error | (() => Response | void);

type Json = Record<string, unknown>;

export const apiKey = "secret_test_0123456789abcdef.key";

/** Lambda's wire in memory: what was posted is there afterwards. */
export class FakeLambda {
  readonly seen: Seen[] = [];
  readonly troubles = new Map<string, Trouble[]>();
  instances: Json[] = [];
  keys: { id: string; name: string; public_key: string }[] = [];
  filesystems: Json[] = [];
  readonly clock: FakeClock;
  #count = 0;

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  /** For the next requests like `POST /ssh-keys`, first to last. */
  trouble(request: string, ...troubles: Trouble[]): void {
    this.troubles.set(request, [...this.troubles.get(request) ?? [], ...troubles]);
  }

  paths(): string[] {
    return this.seen.map(({ method, path }) => `${method} ${path}`);
  }

  async fetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const { pathname } = new URL(url);
    const path = pathname.replace("/api/v1", "");
    const method = init.method ?? "GET";
    const body = init.body === undefined ? {} : JSON.parse(String(init.body));
    this.seen.push({ method, path, body, init, at: this.clock.now() });
    if (new Headers(init.headers).get("authorization") !== `Bearer ${apiKey}`) {
      return refusal(401, "global/invalid-api-key", "API key was invalid, expired, or deleted.");
    }
    const trouble = this.troubles.get(`${method} ${path}`)?.shift();
    const instead = typeof trouble === "function" ? trouble() : trouble;
    if (instead instanceof Error) throw instead;
    return instead ?? this.#answer(`${method} ${path}`, body);
  }

  #answer(request: string, body: Json): Response {
    if (request === "GET /instances") return data(this.instances);
    if (request === "GET /instance-types") return data(types);
    if (request === "GET /ssh-keys") return data(this.keys);
    if (request === "GET /file-systems") return data(this.filesystems);
    if (request === "GET /images") return data(images);
    if (request === "POST /ssh-keys") {
      const key = { id: `k-${++this.#count}`, name: String(body.name), public_key: String(body.public_key) };
      this.keys.push(key);
      return data(key);
    }
    if (request === "POST /filesystems") {
      const made = filesystem({ name: body.name, region: { name: body.region, description: "" } });
      this.filesystems.push(made);
      return data(made);
    }
    if (request === "POST /instance-operations/launch") {
      const made = instance({
        id: `i-${++this.#count}`,
        name: body.name,
        tags: body.tags,
        status: "booting",
        ip: undefined,
      });
      this.instances.push(made);
      return data({ instance_ids: [made.id] });
    }
    const ids = Array.isArray(body.instance_ids) ? body.instance_ids : [request.split("/").at(-1)];
    const found = this.instances.filter(({ id }) => ids.includes(id));
    if (found.length === 0) return refusal(404, "global/object-does-not-exist", "Specified instance does not exist.");
    if (request === "POST /instance-operations/terminate") {
      for (const each of found) each.status = "terminating";
      return data({ terminated_instances: found });
    }
    if (request === "POST /instance-operations/restart") return data({ restarted_instances: found });
    if (request.startsWith("POST /instances/")) Object.assign(found[0] ?? {}, body);
    return data(found[0]);
  }
}

export interface LambdaFixture {
  readonly cloud: FakeLambda;
  readonly clock: FakeClock;
  readonly provider: ReturnType<typeof lambdaProvider>;
  readonly progress: string[];
  /** Another process of the same computer. */
  another(settings?: LambdaSettings, env?: Record<string, string>): ReturnType<typeof lambdaProvider>;
}

const folders: string[] = [];

export function lambdaFixture(settings: LambdaSettings = {}, env: Record<string, string> = {}): LambdaFixture {
  const folder = mkdtempSync(join(tmpdir(), "gpu-lambda-"));
  folders.push(folder);
  const clock = new FakeClock();
  const cloud = new FakeLambda(clock);
  const progress: string[] = [];
  const another = (more: LambdaSettings = settings, variables = env) =>
    lambdaProvider({
      env: { LAMBDA_API_KEY: apiKey, ...variables },
      clock,
      folders: { config: join(folder, "config"), state: join(folder, "state"), cache: join(folder, "cache") },
      // Half of the longest pause, so that full jitter has one value.
      random: (count) => new Uint8Array(count).fill(0x80),
      fetch: (url, init) => cloud.fetch(url, init),
    }, { onProgress: (text) => progress.push(text), ...more });
  return { cloud, clock, progress, another, provider: another() };
}

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export const data = (value: unknown, init?: ResponseInit) => Response.json({ data: value }, init);

export function refusal(status: number, code: string, message = "No.", suggestion?: string): Response {
  return Response.json({ error: { code, message, suggestion } }, { status, headers: { "x-request-id": "r-1" } });
}

/** What Cloudflare answers in front of Lambda. */
export const rateLimit = () => new Response("error code: 1015", { status: 429, headers: { "cf-ray": "8f00-FRA" } });

export const system = (code: string) => Object.assign(new TypeError(code), { code });

export function launchRequest(wish: Partial<LaunchRequest> = {}): LaunchRequest {
  const token = "0123456789abcdef0123";
  return {
    token,
    name: `box-${token}`,
    type: "gpu_1x_a10",
    region: "us-west-1",
    authorizedKey: clientKey,
    hostKey,
    agentToken: "a".repeat(64),
    leaseEndsAt: 0,
    ...wish,
  };
}

export const hostKey = generateKeyPair("gpu");
export const clientKey = generateKeyPair("gpu").publicKey;

const region = { name: "us-west-1", description: "California, USA" };

export function type(name: string, gpu: string, { gpus, cents }: { gpus: number; cents: number }) {
  return {
    name,
    description: gpus === 0 ? gpu : `${gpus}x ${gpu}`,
    gpu_description: gpus === 0 ? "N/A" : gpu,
    price_cents_per_hour: cents,
    specs: { vcpus: 30, memory_gib: 200, storage_gib: 1400, gpus },
  };
}

const catalogue = [
  [type("gpu_8x_h100_sxm5", "H100 (80 GB SXM5)", { gpus: 8, cents: 2392 }), []],
  [type("gpu_1x_a10", "A10 (24 GB PCIe)", { gpus: 1, cents: 75 }), ["us-east-1", "us-west-1"]],
  [type("cpu_4x_general", "4x CPU General", { gpus: 0, cents: 20 }), ["us-west-1"]],
] as const;

const types = Object.fromEntries(catalogue.map(([each, regions]) => [each.name, {
  instance_type: each,
  regions_with_capacity_available: regions.map((name) => ({ name, description: `somewhere, ${name}` })),
}]));

const actions = { available: true };

export function instance(more: Json = {}): Json & { id: unknown } {
  return {
    id: "i-0",
    name: "somebody's",
    ip: "192.0.2.7",
    status: "active",
    ssh_key_names: [],
    file_system_names: [],
    region,
    instance_type: type("gpu_1x_a10", "A10 (24 GB PCIe)", { gpus: 1, cents: 75 }),
    jupyter_token: "jupyter-secret",
    jupyter_url: "https://jupyter.example/?token=jupyter-secret",
    actions: { migrate: actions, rebuild: actions, restart: actions, cold_reboot: actions, terminate: actions },
    ...more,
  };
}

export function filesystem(more: Json = {}): Json {
  return {
    id: "fs-1",
    name: "data",
    mount_point: "/lambda/nfs/data",
    created: "2026-01-01T00:00:00Z",
    created_by: { id: "u", email: "u@example.com", status: "active" },
    is_in_use: false,
    region,
    ...more,
  };
}

const images = [{
  id: "43336648-096d-4cba-9aa2-f9bb7727639d",
  created_time: "2026-01-01T00:00:00Z",
  updated_time: "2026-01-01T00:00:00Z",
  name: "ubuntu-24.04.01",
  description: "Ubuntu LTS",
  family: "ubuntu-lts",
  version: "24.04.01",
  architecture: "x86_64",
  region,
}];
