import { text } from "node:stream/consumers";
import { childEnvironment } from "../env.ts";
import type { World } from "../world.ts";

/** One GPU now. What the driver does not say is null: never 0. Memory is in MiB. */
export interface Gpu {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly driver: string;
  readonly busId: string;
  /** Per cent. Null for a GPU that is divided (MIG), even at full load. */
  readonly utilization: number | null;
  readonly memoryUtilization: number | null;
  readonly memoryTotalMiB: number | null;
  readonly memoryUsedMiB: number | null;
  readonly memoryFreeMiB: number | null;
  readonly temperatureC: number | null;
  readonly powerW: number | null;
  readonly powerLimitW: number | null;
  readonly isDivided: boolean;
  readonly parts: readonly MigPart[];
}

/** A part of a divided GPU. Nothing tells how busy it is. Memory is that of its GPU instance, shared by its parts. */
export interface MigPart {
  readonly device: number;
  /** `1g.18gb`. */
  readonly profile: string;
  readonly uuid: string;
  readonly gpuInstance: string;
  readonly computeInstance: string;
  readonly memoryTotalMiB: number | null;
  readonly memoryUsedMiB: number | null;
}

const needed = [
  "index",
  "uuid",
  "driver_version",
  "pci.bus_id",
  "temperature.gpu",
  "utilization.gpu",
  "memory.total",
  "memory.used",
  "memory.free",
  "power.draw",
  "power.limit",
] as const;
/** What an old driver does not know. One unknown field fails the whole query, so it is then asked without these. */
const optional = ["utilization.memory", "mig.mode.current"] as const;
/** Last, so that a comma in it moves nothing. */
const last = "name";

type Field = typeof needed[number] | typeof optional[number] | typeof last;

/** All GPUs of the machine; `undefined` where there is no `nvidia-smi` or it does not work. */
export async function readGpus(world: World): Promise<readonly Gpu[] | undefined> {
  const gpus = await query(world, [...needed, ...optional, last]) ?? await query(world, [...needed, last]);
  if (gpus === undefined || !gpus.some(({ isDivided }) => isDivided)) return gpus;
  const [list, details] = await Promise.all([run(world, ["-L"]), run(world, ["-q"])]);
  return withParts(gpus, { list: list ?? "", details: details ?? "" });
}

/** Whether any process computes on a GPU: all there is to tell the use of a divided one. */
export async function hasComputeProcesses(world: World): Promise<boolean> {
  const said = await run(world, ["--query-compute-apps=pid", "--format=csv,noheader,nounits"]);
  return said !== undefined && /^\s*\d+\s*$/m.test(said);
}

async function query(world: World, fields: readonly Field[]): Promise<Gpu[] | undefined> {
  const said = await run(world, [`--query-gpu=${fields.join(",")}`, "--format=csv,noheader,nounits"]);
  return said === undefined ? undefined : parseGpus(said, fields);
}

/** Reads what `--format=csv,noheader,nounits` printed, by position: some fields come back under other names. */
export function parseGpus(csv: string, fields: readonly Field[]): Gpu[] | undefined {
  const lines = csv.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const gpus = lines.map((line) => parseGpu(line, fields));
  const isWhole = gpus.every((gpu) => gpu !== undefined);
  return isWhole && gpus.length > 0 ? gpus : undefined;
}

function parseGpu(line: string, fields: readonly Field[]): Gpu | undefined {
  const words = line.split(", ");
  if (words.length < fields.length) return undefined;
  const at = (field: Field) => {
    const index = fields.indexOf(field);
    return index < 0 ? "" : field === last ? words.slice(index).join(", ") : words[index] ?? "";
  };
  const index = numberOf(at("index"));
  if (index === null) return undefined;
  return {
    index,
    uuid: textOf(at("uuid")),
    name: textOf(at("name")),
    driver: textOf(at("driver_version")),
    busId: textOf(at("pci.bus_id")),
    utilization: numberOf(at("utilization.gpu")),
    memoryUtilization: numberOf(at("utilization.memory")),
    memoryTotalMiB: numberOf(at("memory.total")),
    memoryUsedMiB: numberOf(at("memory.used")),
    memoryFreeMiB: numberOf(at("memory.free")),
    temperatureC: numberOf(at("temperature.gpu")),
    powerW: numberOf(at("power.draw")),
    powerLimitW: numberOf(at("power.limit")),
    isDivided: at("mig.mode.current") === "Enabled",
    parts: [],
  };
}

/** `[N/A]`, `[Not Supported]`, `[Insufficient Permissions]` and whatever else is not a number: not known. */
function numberOf(word: string): number | null {
  return /^-?\d+(\.\d+)?$/.test(word.trim()) ? Number(word) : null;
}

function textOf(word: string): string {
  return /^\[.*\]$/.test(word) ? "" : word;
}

/** Adds the parts of divided GPUs: names and UUIDs from `-L`, memory from `-q`. */
export function withParts(gpus: readonly Gpu[], { list, details }: { list: string; details: string }): Gpu[] {
  const memory = memoryOfParts(details);
  const parts = new Map<number, MigPart[]>();
  let gpu = -1;
  for (const line of list.split("\n")) {
    gpu = Number(/^GPU (\d+):/.exec(line)?.[1] ?? gpu);
    const part = /^\s+MIG (\S+)\s+Device\s+(\d+):\s+\(UUID: ([^)]+)\)/.exec(line);
    if (!part) continue;
    const [, profile = "", device = "", uuid = ""] = part;
    const busId = gpus.find(({ index }) => index === gpu)?.busId ?? "";
    const known = memory.get(`${busId} ${device}`);
    const made = { device: Number(device), profile, uuid, ...(known ?? unknownPart) };
    parts.set(gpu, [...parts.get(gpu) ?? [], made]);
  }
  return gpus.map((each) => ({ ...each, parts: parts.get(each.index) ?? [] }));
}

type PartMemory = Pick<MigPart, "gpuInstance" | "computeInstance" | "memoryTotalMiB" | "memoryUsedMiB">;

const unknownPart: PartMemory = { gpuInstance: "", computeInstance: "", memoryTotalMiB: null, memoryUsedMiB: null };

/** By bus id and device, from the indented text of `-q`. */
function memoryOfParts(details: string): Map<string, PartMemory> {
  const found = new Map<string, PartMemory>();
  let busId = "";
  let part: Record<string, string> | undefined;
  let section = "";
  const take = () => {
    if (part?.Index === undefined) return;
    found.set(`${busId} ${part.Index}`, {
      gpuInstance: part["GPU Instance ID"] ?? "",
      computeInstance: part["Compute Instance ID"] ?? "",
      memoryTotalMiB: numberOf((part["FB Total"] ?? "").replace(/ MiB$/, "")),
      memoryUsedMiB: numberOf((part["FB Used"] ?? "").replace(/ MiB$/, "")),
    });
  };
  for (const line of details.split("\n")) {
    const indent = line.search(/\S/);
    const [name = "", value = ""] = line.trim().split(/\s+:\s+/, 2);
    if (indent <= 4 && indent >= 0) {
      take();
      part = name === "MIG Device" ? {} : undefined;
      if (indent === 0 && line.startsWith("GPU ")) busId = line.slice(4).trim();
    } else if (part !== undefined && indent === 8) {
      section = value === "" ? name : "";
      if (value !== "") part[name] = value;
    } else if (part !== undefined && indent === 12 && /FB Memory Usage$/.test(section)) {
      part[`FB ${name}`] = value;
    }
  }
  take();
  return found;
}

/** The first call after a boot wakes every GPU, which takes seconds. */
const timeoutMs = 20_000;

/** What it prints, `undefined` when it fails: the reason it gives is on stdout, too. */
async function run(world: World, args: readonly string[]): Promise<string | undefined> {
  const child = world.spawn(["nvidia-smi", ...args], {
    cwd: world.cwd,
    env: childEnvironment(world.env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", (code) => resolve(code));
  });
  const answered = new AbortController();
  // A driver that hangs cannot even be killed; nobody waits for it.
  const late = world.clock.sleep(timeoutMs, answered.signal).then(() => void child.kill("SIGKILL"), () => {});
  try {
    const said = child.stdout ? text(child.stdout).catch(() => "") : Promise.resolve("");
    const code = await Promise.race([ended, late.then(() => null)]);
    return code === 0 ? await said : undefined;
  } finally {
    answered.abort();
  }
}
