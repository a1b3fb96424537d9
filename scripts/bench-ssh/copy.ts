// `gpu cp` beside scp and `gpu sync` beside rsync, against one sshd: `scripts/bench ssh copy [runs]`.
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Sshd, startSshd } from "../../test/interop/sshd.ts";
import { executable } from "../build.ts";
import { type BenchClient, benchClient, memoryOf, prepare } from "./bench-client.ts";

/** At least so many times as fast as the peer. */
const target = 0.8;
const gibibyte = 2 ** 30;
const fileCount = 10_000;
const manyFiles = 100_000;
/** With a gigabyte and with ten times the files: neither may take more than that. */
const memoryBytes = 400 * 2 ** 20;

interface Race {
  readonly name: string;
  readonly peer: readonly string[];
  readonly gpu: readonly string[];
  /** Done before each of the two, and not timed. */
  before?(): void;
}

interface Result {
  readonly peerMs: number[];
  readonly gpuMs: number[];
}

export default async function copy([runs = "5"]: readonly string[]): Promise<void> {
  await prepare(["scp", "rsync"]);
  await using sshd = await startSshd();
  using client = benchClient(sshd);
  const { home, env } = client;
  spawnSync("sh", ["-c", 'head -c "$1" /dev/urandom > "$2"', "sh", `${gibibyte}`, join(home, "large")]);
  writeTree(join(home, "tree"), fileCount);
  const results = measure(racesOf(client, sshd), { runs: Number(runs), env });
  const ratios = print(results);
  const most = await memory(client, sshd);
  const slow = ratios.filter(({ ratio }) => ratio < target).map(({ name, ratio }) => `${name}: ${ratio.toFixed(2)}`);
  if (slow.length > 0) throw new Error(`not met (${target}): ${slow.join(", ")}`);
  if (most > memoryBytes) throw new Error(`not met: ${mib(most)} MiB of memory, at most ${mib(memoryBytes)}`);
}

/** Files of some hundred bytes, as in a repository. */
function writeTree(root: string, count: number): void {
  for (let index = 0; index < count; index++) {
    const folder = join(root, `folder ${index % 100}`);
    if (index < 100) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file ${index}`), `${index} `.repeat(1 + (index * 37) % 300));
  }
}

function racesOf({ home, gpuFlags, opensshFlags }: BenchClient, { address: { user, port } }: Sshd): Race[] {
  const there = `${user}@127.0.0.1`;
  const at = (name: string) => join(home, name);
  const gpu = (
    command: "cp" | "sync",
    ...words: string[]
  ) => [executable, command, ...words, ...gpuFlags, "--no-ssh-config"];
  const scp = (...words: string[]) => ["scp", "-q", "-P", `${port}`, ...opensshFlags, ...words];
  const ssh = `ssh -p ${port} ${opensshFlags.join(" ")}`;
  const rsync = (...words: string[]) => ["rsync", "-a", "-e", ssh, ...words];
  const forget = (...names: string[]) => () => {
    for (const name of names) rmSync(at(name), { recursive: true, force: true });
  };
  const push = {
    peer: rsync(`${at("tree")}/`, `${there}:${at("rsync")}`),
    gpu: gpu("sync", at("tree"), `${there}:${at("gpu")}`),
  };
  let change = 0;
  return [
    {
      name: "1 GiB there",
      peer: scp(at("large"), `${there}:${at("scp-up")}`),
      gpu: gpu("cp", at("large"), `${there}:${at("gpu-up")}`),
      before: forget("scp-up", "gpu-up"),
    },
    {
      name: "1 GiB back",
      peer: scp(`${there}:${at("large")}`, at("scp-down")),
      gpu: gpu("cp", `${there}:${at("large")}`, at("gpu-down")),
      before: forget("scp-down", "gpu-down", "scp-up", "gpu-up"),
    },
    { name: "10,000 files, first time", ...push, before: forget("rsync", "gpu", "scp-down", "gpu-down") },
    { name: "10,000 files, nothing changed", ...push },
    {
      name: "10,000 files, 1 % changed",
      ...push,
      before() {
        change++;
        for (let index = change % 100; index < fileCount; index += 100) {
          appendFileSync(join(at("tree"), `folder ${index % 100}`, `file ${index}`), "more");
        }
      },
    },
    {
      name: "10,000 files, back",
      peer: rsync(`${there}:${at("tree")}/`, at("rsync-back")),
      gpu: gpu("sync", at("gpu-back"), `${there}:${at("tree")}`, "--pull"),
      before: forget("rsync-back", "gpu-back"),
    },
  ];
}

/** One after the other, round after round, so that a busy moment meets both. */
function measure(
  races: readonly Race[],
  { runs, env }: { runs: number; env: Readonly<Record<string, string>> },
): Map<string, Result> {
  const results = new Map<string, Result>();
  for (let round = 0; round < runs; round++) {
    for (const { name, peer, gpu, before } of races) {
      const result = results.get(name) ?? { peerMs: [], gpuMs: [] };
      results.set(name, result);
      before?.();
      // Each goes first half of the time: what comes second finds the files in memory.
      for (const isPeer of round % 2 === 0 ? [true, false] : [false, true]) {
        (isPeer ? result.peerMs : result.gpuMs).push(timed(isPeer ? peer : gpu, env));
      }
    }
  }
  return results;
}

/** Milliseconds. */
function timed(command: readonly string[], env: Readonly<Record<string, string>>): number {
  const startedAt = performance.now();
  const { exitCode, stderr } = Bun.spawnSync([...command], { env, stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.slice(0, 3).join(" ")} ended with ${exitCode}: ${stderr.toString()}`);
  return performance.now() - startedAt;
}

function print(results: ReadonlyMap<string, Result>) {
  console.log(`${"".padEnd(32)}${["peer s", "gpu s", "times"].map((text) => text.padStart(9)).join("")}`);
  return [...results].map(([name, { peerMs, gpuMs }]) => {
    const [peer, gpu] = [Math.min(...peerMs), Math.min(...gpuMs)];
    const figures = [peer / 1000, gpu / 1000, peer / gpu].map((figure) => figure.toFixed(2).padStart(9));
    console.log(name.padEnd(32) + figures.join(""));
    return { name, ratio: peer / gpu };
  });
}

/** The most memory that a long file and many files take, in bytes. */
async function memory({ home, env, gpuFlags }: BenchClient, { address: { user } }: Sshd): Promise<number> {
  const at = (name: string) => join(home, name);
  const there = (name: string) => `${user}@127.0.0.1:${at(name)}`;
  writeTree(at("many"), manyFiles);
  const commands: [string, string[]][] = [
    ["1 GiB there", ["cp", at("large"), there("large-there")]],
    ["1 GiB back", ["cp", there("large"), at("large-back")]],
    [`${manyFiles} files`, ["sync", at("many"), there("many-there")]],
    ["the same again", ["sync", at("many"), there("many-there")]],
    ["and back", ["sync", at("many-back"), there("many-there"), "--pull"]],
  ];
  let most = 0;
  console.log();
  for (const [name, words] of commands) {
    const startedAt = performance.now();
    const bytes = await peakOf([executable, ...words, ...gpuFlags, "--no-ssh-config"], env);
    console.log(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s, ${mib(bytes)} MiB`);
    most = Math.max(most, bytes);
  }
  return most;
}

/** What the system says at a process's end counts its parent's memory too, so it is asked while it runs. */
async function peakOf(command: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const child = Bun.spawn([...command], { env, stdout: "ignore", stderr: "ignore" });
  let peak = 0;
  const looking = setInterval(() => peak = Math.max(peak, memoryOf(child.pid, "VmHWM")), 20);
  const exitCode = await child.exited;
  clearInterval(looking);
  if (exitCode !== 0) throw new Error(`${command.slice(0, 3).join(" ")} ended with ${exitCode}`);
  return peak;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)}`;
}
