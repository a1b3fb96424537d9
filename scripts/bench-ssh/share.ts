// A warm command beside `ssh` through a live ControlMaster, start included, then 1 GB: `scripts/bench ssh share [runs]`.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Sshd, startSshd } from "../../test/interop/sshd.ts";
import { build, executable } from "../build.ts";
import { median } from "../median.ts";

/** At most so many times as long as the peer takes. */
const target = 3;
const longBytes = 1_000_000_000;

/** Program → Debian's package of it. */
const peers = { ssh: "openssh-client", sshd: "openssh-server" };

export default async function share([runs = "60"]: readonly string[]): Promise<void> {
  const PATH = `${process.env.PATH}:/usr/sbin`;
  const missing = Object.entries(peers).filter(([program]) => !Bun.which(program, { PATH }));
  if (missing.length > 0) {
    throw new Error(`not there: ${missing.map(([program, name]) => `${program} (Debian: ${name})`).join(", ")}`);
  }
  await build();
  await using sshd = await startSshd();
  const home = mkdtempSync(join(tmpdir(), "gpu-bench-"));
  const env = { HOME: home, PATH };
  const { ours, theirs, exit } = commandsFor(home, sshd);
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
      const { ms, mostMb } = await long(command(`head -c ${longBytes} /dev/zero`), env, () => backgroundOf(home));
      const rate = `${(longBytes / 1000 / ms).toFixed(0)} MB/s`.padStart(11);
      const memory = command === ours ? `, background process at most ${mostMb.toFixed(0)} MB` : "";
      console.log(`${name.padEnd(22)}${rate} of 1 GB${memory}`);
    }
    if (ratio > target) throw new Error(`not met: ${ratio.toFixed(2)} of ${target}`);
  } finally {
    spawnSync(exit[0] ?? "", exit.slice(1), { env });
    const pid = backgroundOf(home);
    if (pid !== undefined) process.kill(pid, "SIGTERM");
    rmSync(home, { recursive: true, force: true });
  }
}

/** Command lines of both, with the same key and the same host, and the one that ends the master. */
function commandsFor(home: string, { address: { host, port, user }, hostKey, privateKeyPath }: Sshd) {
  mkdirSync(join(home, ".ssh"), { mode: 0o700 });
  const knownHosts = join(home, ".ssh", "known_hosts");
  writeFileSync(knownHosts, `[${host}]:${port} ${hostKey}\n`, { mode: 0o600 });
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
      ...[executable, "exec", "--host", `${user}@${host}:${port}`, "-i", privateKeyPath],
      ...[...flags, "--", line],
    ],
    exit: ["ssh", "-F", config, "-O", "exit", "machine"],
  };
}

async function long(
  [file = "", ...argv]: readonly string[],
  env: Record<string, string>,
  background: () => number | undefined,
): Promise<{ ms: number; mostMb: number }> {
  const pid = background();
  let mostMb = 0;
  const watching = setInterval(() => mostMb = Math.max(mostMb, pid === undefined ? 0 : memoryOf(pid)), 50);
  const startedAt = performance.now();
  const child = spawn(file, argv, { env, stdio: ["ignore", "pipe", "inherit"] });
  let byteCount = 0;
  for await (const chunk of child.stdout) byteCount += chunk.length;
  clearInterval(watching);
  if (byteCount !== longBytes) throw new Error(`${file} gave ${byteCount} of ${longBytes} bytes`);
  return { ms: performance.now() - startedAt, mostMb };
}

/** Resident, in MB. */
function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
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
