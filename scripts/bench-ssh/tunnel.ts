// A tunnel beside `ssh -L` and autossh, to the same OpenSSH server: `scripts/bench ssh tunnel [MB]`.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { freePort, type Sshd, startSshd } from "../../test/interop/sshd.ts";
import { executable } from "../build.ts";
import { median } from "../median.ts";
import { benchClient, prepare } from "./bench-client.ts";
import { download, request, requests, untilAnswered, upload } from "./tunnel-measures.ts";

/** A tunnel to a server of its own, so that the sessions of one can be killed without the others. */
interface Contestant {
  readonly name: string;
  readonly sshd: Sshd;
  /** Local ports that lead to the source, the sink, and HTTP. */
  readonly ports: readonly number[];
}

interface Row {
  readonly what: string;
  readonly unit: string;
  readonly figures: ReadonlyMap<string, number>;
  /** What has to be so, in words, and whether it is. */
  readonly target?: { readonly text: string; readonly isMet: boolean };
}

const gpu = "gpu tunnel";

export default async function tunnel([megabytes = "300"]: readonly string[]): Promise<void> {
  await prepare(["ssh", "autossh"]);
  await using stack = new AsyncDisposableStack();
  const far = spawn(process.execPath, [join(import.meta.dir, "tunnel-far-end.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  stack.defer(() => void far.kill());
  const ports: number[] = JSON.parse(String(await new Promise((resolve) => far.stdout.once("data", resolve))));
  const given = { stack, ports };
  const plain = [
    await openGpu(given),
    await openPeer("ssh -L", given),
    await openPeer("ssh -L, AES-GCM", given, { options: ["-c", "aes128-gcm@openssh.com"] }),
  ];
  const rows = [
    ...await bulk(plain, Number(megabytes)),
    ...await small(plain),
    ...await losses([plain[0] ?? await openGpu(given), await openPeer("autossh", given, { command: "autossh" })]),
  ];
  print([...plain.map(({ name }) => name), "autossh"], rows);
  const failed = rows.filter(({ target }) => target && !target.isMet);
  if (failed.length > 0) throw new Error(`not met: ${failed.map(({ what }) => what).join(", ")}`);
}

interface Given {
  readonly stack: AsyncDisposableStack;
  readonly ports: readonly number[];
}

/** The executable, as somebody who owns a machine uses it. */
async function openGpu({ stack, ports }: Given): Promise<Contestant> {
  const sshd = stack.use(await startSshd());
  const { env, gpuFlags } = stack.use(benchClient(sshd));
  const run = (...argv: string[]) => {
    const { status, stdout, stderr } = spawnSync(executable, argv, { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`gpu ${argv.join(" ")}: ${stderr}`);
    return stdout;
  };
  const forwards = ports.flatMap((each) => ["--forward", `0:127.0.0.1:${each}`]);
  const host = ["--host", `${sshd.address.user}@127.0.0.1`, ...gpuFlags];
  const opened: { forwards: { localPort: number }[] } = JSON.parse(
    run("tunnel", "start", ...host, ...forwards, "--json"),
  );
  stack.defer(() => void run("tunnel", "stop", "--all"));
  return { name: gpu, sshd, ports: opened.forwards.map(({ localPort }) => localPort) };
}

/** OpenSSH's client, by itself or kept alive by autossh, with the options that make autossh notice a loss soonest. */
async function openPeer(
  name: string,
  { stack, ports }: Given,
  { command = "ssh", options = [] }: { command?: string; options?: string[] } = {},
): Promise<Contestant> {
  const sshd = stack.use(await startSshd());
  const { address: { port, user } } = sshd;
  const { env, opensshFlags } = stack.use(benchClient(sshd));
  const local = await Promise.all(ports.map(() => freePort()));
  const child: ChildProcess = spawn(command, [
    ...(command === "autossh" ? ["-M", "0"] : []),
    ...[...opensshFlags, "-N", "-p", String(port), "-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=QUIET"],
    ...["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", ...options],
    ...ports.flatMap((each, index) => ["-L", `127.0.0.1:${local[index]}:127.0.0.1:${each}`]),
    `${user}@127.0.0.1`,
  ], { stdio: "ignore", env: { ...env, AUTOSSH_GATETIME: "0" } });
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill();
    await new Promise((resolve) => child.once("exit", resolve));
  });
  // It says each loss on stderr, so what it says is not shown; nor would it be of use here.
  const { ms } = await untilAnswered(local[2] ?? 0, 10_000);
  if (ms === Infinity) throw new Error(`${name} opens no tunnel`);
  return { name, sshd, ports: local };
}

/** Rounds in which everybody has a turn, so that a busy moment meets all of them. */
async function turns(
  contestants: readonly Contestant[],
  rounds: number,
  measure: (contestant: Contestant) => Promise<number>,
): Promise<Map<string, number>> {
  const measured = new Map(contestants.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) measured.get(contestant.name)?.push(await measure(contestant));
  }
  return new Map([...measured].map(([name, figures]) => [name, median(figures)]));
}

async function bulk(contestants: readonly Contestant[], megabytes: number): Promise<Row[]> {
  const down = await turns(contestants, 5, ({ ports: [source = 0] }) => download(source, megabytes));
  const up = await turns(contestants, 5, ({ ports: [, sink = 0] }) => upload(sink, megabytes));
  const atLeast = (figures: ReadonlyMap<string, number>) => ({
    text: "≥ ssh -L",
    isMet: (figures.get(gpu) ?? 0) >= (figures.get("ssh -L") ?? Infinity),
  });
  return [
    { what: "download", unit: "MB/s", figures: down, target: atLeast(down) },
    { what: "upload", unit: "MB/s", figures: up, target: atLeast(up) },
  ];
}

async function small(contestants: readonly Contestant[]): Promise<Row[]> {
  const count = 200;
  const oneByOne = async ({ ports: [, , http = 0] }: Contestant) => {
    const times: number[] = [];
    for (let index = 0; index < count; index++) times.push(await request(http));
    return median(times);
  };
  const each = await turns(contestants, 3, oneByOne);
  const kept = await turns(contestants, 3, ({ ports: [, , http = 0] }) => requests(http, count));
  const below = (figures: ReadonlyMap<string, number>) => ({
    text: "≤ 1.5 ms",
    isMet: (figures.get(gpu) ?? Infinity) <= 1.5,
  });
  return [
    { what: "request, connection of its own", unit: "ms", figures: each, target: below(each) },
    { what: "request, one connection", unit: "ms", figures: kept, target: below(kept) },
  ];
}

async function losses(contestants: readonly Contestant[]): Promise<Row[]> {
  const recover = async ({ sshd, ports: [, , http = 0] }: Contestant, signal: "SIGKILL" | "SIGSTOP") => {
    await untilAnswered(http, 10_000);
    sshd.signalConnections(signal);
    const outcome = await untilAnswered(http, 20_000);
    // What is frozen would stay so.
    sshd.signalConnections("SIGCONT");
    return outcome;
  };
  const seconds = (signal: "SIGKILL" | "SIGSTOP") => async (contestant: Contestant) =>
    (await recover(contestant, signal)).ms / 1000;
  // autossh waits longer and longer where a session was killed more than five times in a row.
  const killed = await turns(contestants, 4, seconds("SIGKILL"));
  const frozen = await turns(contestants, 3, seconds("SIGSTOP"));
  const refused = new Map([[gpu, 0]]);
  for (let round = 0; round < 50; round++) {
    for (const each of contestants.filter(({ name }) => name === gpu)) {
      refused.set(gpu, (refused.get(gpu) ?? 0) + (await recover(each, "SIGKILL")).refused);
    }
  }
  const at = (figures: ReadonlyMap<string, number>, most: number) => ({
    text: `< ${most} s`,
    isMet: (figures.get(gpu) ?? Infinity) < most,
  });
  return [
    { what: "killed session, until served", unit: "s", figures: killed, target: at(killed, 0.3) },
    {
      what: "refused connections in 50 of these",
      unit: "",
      figures: refused,
      target: { text: "0", isMet: refused.get(gpu) === 0 },
    },
    { what: "frozen session, until served", unit: "s", figures: frozen, target: at(frozen, 4) },
  ];
}

function print(names: readonly string[], rows: readonly Row[]): void {
  const cell = (figure: number | undefined) =>
    figure === undefined ? "-" : figure >= 100 || Number.isInteger(figure) ? figure.toFixed(0) : figure.toFixed(2);
  console.log(["".padEnd(38), ...names.map((name) => name.padStart(17)), "  target"].join(""));
  for (const { what, unit, figures, target } of rows) {
    const cells = names.map((name) => cell(figures.get(name)).padStart(17));
    console.log(
      [
        `${what}${unit && `, ${unit}`}`.padEnd(38),
        ...cells,
        target ? `  ${target.text}${target.isMet ? "" : ": NOT MET"}` : "",
      ].join(""),
    );
  }
}
