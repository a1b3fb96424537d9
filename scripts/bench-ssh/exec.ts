// `echo hi` on 100 hosts beside pdsh, parallel-ssh and clush, then 1,000 hosts and 1 GB: `scripts/bench ssh exec [runs]`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Sshd, startSshd } from "../../test/interop/sshd.ts";
import { executable } from "../build.ts";
import { median } from "../median.ts";
import { type BenchClient, benchClient, memoryOf, prepare } from "./bench-client.ts";

/** At least so many times as fast as the fastest peer. */
const target = 3.5;
/** Hosts at once: what most of them do without being told, and twice that. */
const fanouts = [32, 64] as const;
const hostCount = 100;

interface Contestant {
  readonly name: string;
  command(fanout: number): readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Ran {
  readonly ms: number;
  readonly maxRssBytes: number;
}

export default async function exec([runs = "5"]: readonly string[]): Promise<void> {
  await prepare(["pdsh", "parallel-ssh", "clush", "ssh"]);
  await using sshd = await startSshd([], ["0.0.0.0"]);
  using client = benchClient(sshd, addresses(1000));
  const env = { ...client.env, GPU_NO_SHARE: "1" };
  writeHosts(client.home, sshd);
  const all = contestants(client, sshd);
  const times = await measureAll(all, { runs: Number(runs), env });
  print(all, times);
  const fastest = Math.min(...all.slice(1).map(({ name }) => best(times, name)));
  const ratio = fastest / best(times, "gpu exec");
  console.log(`\n${ratio.toFixed(1)} times as fast as the fastest peer (target: ${target})`);
  await more(client, sshd, env);
  if (ratio < target) throw new Error(`not met: ${ratio.toFixed(2)} of ${target}`);
}

/** 127.0.1.1 and so on: every address in 127.0.0.0/8 is this computer. */
function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `127.0.${1 + Math.floor(index / 250)}.${1 + index % 250}`);
}

function writeHosts(home: string, { address: { user } }: Sshd): void {
  const list = (count: number) => addresses(count).map((host) => `${user}@${host}\n`).join("");
  writeFileSync(join(home, "hosts"), list(hostCount));
  writeFileSync(join(home, "hosts1000"), list(1000));
  writeFileSync(join(home, "pssh-hosts"), addresses(hostCount).map((host) => `${host}\n`).join(""));
}

function contestants({ home, gpuFlags, opensshFlags }: BenchClient, { address: { port, user } }: Sshd): Contestant[] {
  const range = `127.0.1.[1-${hostCount}]`;
  const options = `-p ${port} ${opensshFlags.join(" ")}`;
  const hi = ["echo", "hi"];
  return [
    {
      name: "gpu exec",
      command: (fanout) => gpuCommand(join(home, "hosts"), [...gpuFlags, "--jobs", `${fanout}`, "--", ...hi]),
    },
    {
      name: "pdsh",
      command: (fanout) => ["pdsh", "-R", "ssh", "-f", `${fanout}`, "-l", user, "-w", range, ...hi],
      env: { PDSH_SSH_ARGS_APPEND: options },
    },
    {
      name: "parallel-ssh",
      command: (fanout) => {
        const hosts = join(home, "pssh-hosts");
        return ["parallel-ssh", "-P", "-p", `${fanout}`, "-l", user, "-h", hosts, "-x", options, ...hi];
      },
    },
    {
      name: "clush",
      command: (fanout) => ["clush", "-f", `${fanout}`, "-l", user, "-o", options, "-w", range, ...hi],
    },
  ];
}

function gpuCommand(hosts: string, rest: readonly string[]): string[] {
  return [executable, "exec", "--hosts-file", hosts, ...rest];
}

type Times = ReadonlyMap<string, number[]>;

/** Rounds in which everybody has a turn, so that a busy moment meets all of them. */
async function measureAll(
  all: readonly Contestant[],
  { runs, env }: { runs: number; env: Readonly<Record<string, string>> },
): Promise<Times> {
  const times = new Map<string, number[]>();
  for (let round = -1; round < runs; round++) {
    for (const fanout of fanouts) {
      for (const { name, command, env: own } of all) {
        const { ms, stdout } = await run(command(fanout), { ...env, ...own });
        const answers = stdout.split("\n").filter((line) => /(?:: |^)hi$/.test(line)).length;
        if (answers !== hostCount) throw new Error(`${name}: ${answers} of ${hostCount} hosts answered`);
        // The first round fills caches and is not counted.
        const key = `${name} ${fanout}`;
        if (round >= 0) times.set(key, [...(times.get(key) ?? []), ms]);
      }
    }
  }
  return times;
}

/** Not `spawnSync`: the log of the SSH server is read by this process, and the server waits for that. */
async function run(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  stdout: "pipe" | Bun.BunFile = "pipe",
): Promise<Ran & { stdout: string }> {
  const startedAt = performance.now();
  const child = Bun.spawn([...command], { env, stdin: null, stdout, stderr: "pipe" });
  const read = (stream: ReadableStream | number | undefined) =>
    stream instanceof ReadableStream ? new Response(stream).text() : "";
  // Not `resourceUsage`: what that says of a small child is the size of this process, which it was forked from.
  let maxRssBytes = 0;
  const watching = setInterval(() => maxRssBytes = Math.max(maxRssBytes, memoryOf(child.pid, "VmHWM")), 20);
  const [printed, errors] = await Promise.all([read(child.stdout), read(child.stderr), child.exited]);
  clearInterval(watching);
  const ms = performance.now() - startedAt;
  if (child.exitCode !== 0) throw new Error(`${command[0]} ended with ${child.exitCode}: ${errors.slice(-500)}`);
  return { ms, maxRssBytes, stdout: printed };
}

/** With the better of the two fanouts. */
function best(times: Times, name: string): number {
  return Math.min(...fanouts.map((fanout) => median(times.get(`${name} ${fanout}`) ?? [])));
}

function print(all: readonly Contestant[], times: Times): void {
  const header = ["", ...fanouts.map((fanout) => `${fanout} at once`), "× gpu"];
  const rows = all.map(({ name }) => [
    name,
    ...fanouts.map((fanout) => `${Math.round(median(times.get(`${name} ${fanout}`) ?? []))} ms`),
    (best(times, name) / best(times, "gpu exec")).toFixed(1),
  ]);
  for (const [what = "", ...figures] of [header, ...rows]) {
    console.log(what.padEnd(16) + figures.map((figure) => figure.padStart(14)).join(""));
  }
}

/** What has no peer, or is only reported. */
async function more(
  { home, gpuFlags, opensshFlags }: BenchClient,
  { address: { port, user } }: Sshd,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const hundred = await run(gpuCommand(join(home, "hosts"), [...gpuFlags, "--", "echo", "hi"]), env);
  const thousand = await run(gpuCommand(join(home, "hosts1000"), [...gpuFlags, "--fold", "--", "echo", "hi"]), env);
  console.log(
    `\n100 hosts: ${megabytes(hundred.maxRssBytes)} of memory; 1,000 hosts: ${megabytes(thousand.maxRssBytes)}, ${
      (thousand.ms / 1000).toFixed(1)
    } s`,
  );
  const host = [...gpuFlags, "--host", `${user}@127.0.1.1`];
  const nothing = Bun.file("/dev/null");
  const gigabyte = "head -c 1000000000 /dev/zero";
  const ours = await run([executable, "exec", ...host, "--", gigabyte], env, nothing);
  const ssh = ["ssh", ...opensshFlags, "-p", `${port}`, `${user}@127.0.1.1`];
  const theirs = await run([...ssh, gigabyte], env, nothing);
  const lines = await run(
    [executable, "exec", ...host, "--host", `${user}@127.0.1.2`, "--", "seq 1000000"],
    env,
    nothing,
  );
  console.log(
    `1 GB from one host: ${(ours.ms / 1000).toFixed(1)} s, ${megabytes(ours.maxRssBytes)} (ssh: ${
      (theirs.ms / 1000).toFixed(1)
    } s)`,
  );
  console.log(
    `1,000,000 lines from each of 2 hosts: ${(lines.ms / 1000).toFixed(1)} s, ${megabytes(lines.maxRssBytes)}`,
  );
}
