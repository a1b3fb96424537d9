// A warm command beside `ssh` through a live ControlMaster, start included, then 1 GB: `scripts/bench ssh share [runs]`.
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Sshd, startSshd } from "../../test/interop/sshd.ts";
import { executable } from "../build.ts";
import { median } from "../median.ts";
import { type BenchClient, benchClient, memoryOf, prepare } from "./bench-client.ts";

/** At most so many times as long as the peer takes. */
const target = 3;
const longBytes = 1_000_000_000;
/** While a long output passes through the background process. */
const memoryBytes = 250_000_000;

export default async function share([runs = "60"]: readonly string[]): Promise<void> {
  await prepare(["ssh"]);
  await using sshd = await startSshd();
  using client = benchClient(sshd);
  const { home, env } = client;
  const { ours, theirs, exit } = commandsFor(client, sshd);
  let mostBytes = 0;
  try {
    const contestants = [
      { name: "ssh, ControlMaster", command: theirs("true") },
      { name: "gpu exec, warm", command: ours("true") },
      { name: "gpu exec --no-share", command: ours("true", "--no-share") },
      { name: "gpu --version", command: [executable, "--version"] },
    ];
    const times = contestants.map((): number[] => []);
    for (let round = -2; round < Number(runs); round++) {
      for (const [index, { name, command: [file = "", ...argv] }] of contestants.entries()) {
        const startedAt = performance.now();
        const { status, stderr } = spawnSync(file, argv, { env, input: "", encoding: "utf8" });
        if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
        // The first rounds log in.
        if (round >= 0) times[index]?.push(performance.now() - startedAt);
      }
    }
    const medians = times.map(median);
    const peer = medians[0] ?? NaN;
    for (const [index, { name }] of contestants.entries()) {
      const ms = medians[index] ?? NaN;
      const least = Math.min(...times[index] ?? []);
      console.log(`${name.padEnd(22)}${ms.toFixed(1).padStart(8)} ms${least.toFixed(1).padStart(8)} ms at least`);
    }
    const ratio = (medians[1] ?? NaN) / peer;
    console.log(`${ratio.toFixed(2)} times as long as ssh through a live ControlMaster (target: ${target})\n`);
    for (const [name, command] of [["ssh, ControlMaster", theirs], ["gpu exec, warm", ours]] as const) {
      const { ms, most } = await long(command(`head -c ${longBytes} /dev/zero`), env, () => backgroundOf(home));
      mostBytes = most;
      const rate = `${(longBytes / 1000 / ms).toFixed(0)} MB/s`.padStart(11);
      const memory = command === ours ? `, background process at most ${(most / 1e6).toFixed(0)} MB` : "";
      console.log(`${name.padEnd(22)}${rate} of 1 GB${memory}`);
    }
    if (ratio > target) throw new Error(`not met: ${ratio.toFixed(2)} of ${target}`);
    if (mostBytes > memoryBytes) throw new Error(`not met: ${mostBytes} bytes of memory, at most ${memoryBytes}`);
  } finally {
    spawnSync(exit[0] ?? "", exit.slice(1), { env });
    const pid = backgroundOf(home);
    if (pid !== undefined) process.kill(pid, "SIGTERM");
  }
}

/** Command lines of both, with the same key and the same host, and the one that ends the master. */
function commandsFor(
  { home, knownHosts, gpuFlags }: BenchClient,
  { address: { host, port, user }, privateKeyPath }: Sshd,
) {
  const lines = [
    ["HostName", host],
    ["Port", port],
    ["User", user],
    ["IdentityFile", privateKeyPath],
    ["UserKnownHostsFile", knownHosts],
    ["ControlPath", join(home, "master")],
    ["ControlMaster", "auto"],
    ["ControlPersist", "60"],
  ];
  const config = join(home, "config");
  writeFileSync(config, `Host machine\n${lines.map((line) => `  ${line.join(" ")}\n`).join("")}`);
  return {
    theirs: (line: string) => ["ssh", "-F", config, "machine", line],
    ours: (line: string, ...flags: string[]) => [
      ...[executable, "exec", "--host", `${user}@${host}`, ...gpuFlags],
      ...[...flags, "--", line],
    ],
    exit: ["ssh", "-F", config, "-O", "exit", "machine"],
  };
}

async function long(
  [file = "", ...argv]: readonly string[],
  env: Record<string, string>,
  background: () => number | undefined,
): Promise<{ ms: number; most: number }> {
  const pid = background();
  let most = 0;
  const watching = setInterval(() => most = Math.max(most, pid === undefined ? 0 : memoryOf(pid, "VmRSS")), 50);
  const startedAt = performance.now();
  const child = spawn(file, argv, { env, stdio: ["ignore", "pipe", "inherit"] });
  let byteCount = 0;
  for await (const chunk of child.stdout) byteCount += chunk.length;
  clearInterval(watching);
  if (byteCount !== longBytes) throw new Error(`${file} gave ${byteCount} of ${longBytes} bytes`);
  return { ms: performance.now() - startedAt, most };
}

function backgroundOf(home: string): number | undefined {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("\0:background") &&
        readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`HOME=${home}`);
    } catch {
      return false;
    }
  });
}
