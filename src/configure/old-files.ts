import { GpuError } from "../errors.ts";
import { type Precision, precisions } from "../models/vram.ts";
import { correctType } from "./corrections.ts";
import type { Imported } from "./import.ts";
import type { Answers } from "./plan.ts";

type Read = Omit<Imported, "from">;

/** The GPU session CLI's `config.yaml`: `lambda`, `status_daemon`, `defaults`, `ssh`, later `tunnel`, `custom_models`. */
export async function readDashboardFile(text: string, from: string): Promise<Read> {
  const { parse } = await import("yaml");
  const taken = new Taken(parseWith(() => parse(text), from));
  const { types, notes } = typesOf(taken.text("defaults", "gpu"));
  const answers: Answers = {
    provider: "lambda",
    apiKey: taken.text("lambda", "api_key"),
    region: taken.text("lambda", "default_region"),
    filesystem: taken.text("lambda", "filesystem_name"),
    statusToken: taken.text("status_daemon", "token"),
    statusPort: taken.port("status_daemon", "port"),
    model: taken.text("defaults", "model"),
    types,
    hours: taken.number("defaults", "lease_hours"),
    sshKeyPath: taken.text("ssh", "key_path"),
    forwards: forwardsOf(taken),
    models: modelsOf(taken),
  };
  return { provider: "lambda", answers, ignored: taken.left(), notes };
}

/** The CI client's file: `key=value` lines without quotes; only `api_key` is known. */
export function readCiFile(text: string): Read {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line.includes("="));
  const pairs = lines.map((
    line,
  ) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1).trim()]);
  const key = pairs.find(([name]) => name === "api_key")?.[1];
  const ignored = pairs.flatMap(([name = ""]) => name === "api_key" || name.startsWith("#") ? [] : [name]);
  return { provider: undefined, answers: { ciKey: key || undefined }, ignored, notes: [] };
}

/** The Dumont CLI's file: `{ "api_url", "api_key" }`. */
export function readDumontFile(text: string, from: string): Read {
  const taken = new Taken(parseWith(() => JSON.parse(text), from));
  const answers: Answers = { url: taken.text("api_url"), apiKey: taken.text("api_key") };
  return { provider: "dumont", answers, ignored: taken.left(), notes: [] };
}

function parseWith(parse: () => unknown, from: string): unknown {
  try {
    return parse();
  } catch {
    // The parser's words may repeat a key.
    throw new GpuError(`\`${from}\` cannot be read: it is not valid`, { hint: "mend it, or move it away" });
  }
}

function typesOf(type: string | undefined): { types: readonly string[] | undefined; notes: string[] } {
  if (type === undefined) return { types: undefined, notes: [] };
  const { type: correct, note } = correctType(type);
  return { types: [correct], notes: note === undefined ? [] : [note] };
}

/** Its tunnel had three forwards with local ports to choose. */
function forwardsOf(taken: Taken): string[] | undefined {
  const model = taken.port("tunnel", "sglang_port");
  const workflows = taken.port("tunnel", "n8n_port");
  const status = taken.port("tunnel", "status_port");
  if (model === undefined && workflows === undefined && status === undefined) return undefined;
  return [`${model ?? 8000}:8000`, `${workflows ?? 5678}:5678`, `${status ?? 8080}:agent`];
}

function modelsOf(taken: Taken): Record<string, unknown> | undefined {
  const models = taken.keys("custom_models").flatMap((name) => {
    const first = <T>(read: (key: string) => T | undefined, ...keys: string[]) =>
      keys.map(read).find((value) => value !== undefined);
    const text = (key: string) => taken.text("custom_models", name, key);
    const number = (key: string) => taken.number("custom_models", name, key);
    const model = {
      name: text("name"),
      huggingFace: first(text, "huggingface", "hugging_face", "hf_id", "hf_path", "huggingFace"),
      parametersB: first(number, "params_billions", "params_b", "parameters", "paramsBillions"),
      precision: first((key) => taken.precision("custom_models", name, key), "quantization", "precision"),
      context: first(number, "context_length", "max_context", "contextLength"),
    };
    const known = Object.entries(model).filter(([, value]) => value !== undefined);
    return known.length === 0 ? [] : [[name, Object.fromEntries(known)] as const];
  });
  return models.length === 0 ? undefined : Object.fromEntries(models);
}

/** Values of a file by path; remembers which were of use. */
class Taken {
  readonly #values = new Map<string, unknown>();
  readonly #used = new Set<string>();

  constructor(file: unknown) {
    this.#flatten(file, []);
  }

  text(...keys: string[]): string | undefined {
    return this.#take(keys, (value) => {
      const text = typeof value === "number" ? `${value}` : value;
      return typeof text === "string" && text.trim() !== "" ? text.trim() : undefined;
    });
  }

  number(...keys: string[]): number | undefined {
    return this.#take(keys, (value) => Number(value) > 0 && Number.isFinite(Number(value)) ? Number(value) : undefined);
  }

  port(...keys: string[]): number | undefined {
    return this.#take(keys, (value) => {
      const port = Number(value);
      return Number.isInteger(port) && port > 0 && port <= 65535 ? port : undefined;
    });
  }

  precision(...keys: string[]): Precision | undefined {
    return this.#take(keys, (value) => precisions.find((precision) => precision === String(value).toLowerCase()));
  }

  /** Names directly below a key. */
  keys(parent: string): string[] {
    const paths = [...this.#values.keys()].map(split).filter(([first]) => first === parent);
    return [...new Set(paths.flatMap(([, name]) => name === undefined ? [] : [name]))];
  }

  /** What was of no use, dotted, as the file has it. */
  left(): string[] {
    return [...this.#values.keys()].filter((path) => !this.#used.has(path)).map((path) => split(path).join("."));
  }

  #take<T>(keys: readonly string[], read: (value: unknown) => T | undefined): T | undefined {
    const path = keys.join("\0");
    const value = this.#values.get(path);
    const taken = value === undefined ? undefined : read(value);
    if (taken !== undefined) this.#used.add(path);
    return taken;
  }

  #flatten(value: unknown, keys: readonly string[]): void {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [key, below] of Object.entries(value)) this.#flatten(below, [...keys, key]);
    } else if (keys.length > 0 && value !== null && value !== undefined) {
      this.#values.set(keys.join("\0"), value);
    }
  }
}

function split(path: string): string[] {
  return path.split("\0");
}
