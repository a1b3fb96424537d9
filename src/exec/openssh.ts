import type { Context } from "../command.ts";
import { childEnvironment } from "../env.ts";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import type { HostLogin, Target } from "../hosts/target.ts";
import type { HostExecution } from "./execution.ts";
import { idOf } from "./on-host.ts";
import { signalExitCode } from "../processes.ts";
import { openSshOptions, quotePath, writeKnownHosts } from "../rent/openssh.ts";

interface HandOver {
  /** A line for the remote's shell; empty for the login shell. */
  readonly command: string;
  /** The machine may use the user's SSH agent. */
  readonly isForwarding: boolean;
}

/** Hands the terminal to the system's `ssh`, with everything resolved. */
export async function runOpenSsh(context: Context, target: Target, options: HandOver): Promise<HostExecution> {
  const startedAt = context.world.clock.monotonic();
  const exitCode = await handOver(context, target, options);
  return {
    host: target.name,
    id: idOf(target),
    status: exitCode === 0 ? "ok" : "failed",
    exitCode,
    signal: null,
    stdout: "",
    stderr: "",
    encoding: "utf8",
    truncated: false,
    error: null,
    durationMs: Math.round(context.world.clock.monotonic() - startedAt),
  };
}

async function handOver(context: Context, target: Target, { command, isForwarding }: HandOver): Promise<number> {
  const { world, signal } = context;
  const { host, words } = target.kind === "host" ? wordsOf(target.login) : await wordsOfInstance(context, target);
  const { stdin, stdout } = world.terminal;
  // As `gpu ssh`: a command has our terminal, too.
  const terminal = command !== "" && stdin.isTTY && stdout.isTTY ? ["-t"] : [];
  const argv = [
    "ssh",
    ...words,
    ...terminal,
    isForwarding ? "-A" : "-a",
    "--",
    host,
    ...(command === "" ? [] : [command]),
  ];
  context.progress(undefined);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = world.spawn(argv, {
    cwd: world.cwd,
    env: childEnvironment(world.env),
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  child.once("error", (error) =>
    reject(
      systemCode(error) === "ENOENT"
        ? new GpuError("there is no `ssh` here", { hint: "without `--openssh` nothing else is needed" })
        : new GpuError(`\`ssh\` cannot be started: ${messageOf(error)}`, { cause: error }),
    ));
  child.once("exit", (code, name) => resolve(code ?? signalExitCode(name ?? "")));
  const stop = () => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function wordsOfInstance({ world, journal }: Context, { launch }: Extract<Target, { kind: "instance" }>) {
  const opened = await journal();
  await writeKnownHosts(world, [...opened.launches({ open: true })]);
  const options = await openSshOptions(world, launch);
  // What the user's own configuration says of everybody must not decide who is believed.
  return { host: "gpu-instance", words: ["-F", "none", ...asWords(options), ...asWords([["LogLevel", "ERROR"]])] };
}

function wordsOf(login: HostLogin): { host: string; words: string[] } {
  const { address: { host, port, user }, identities, identitiesOnly, certificates, agent, knownHosts } = login;
  const { hostKeyAlias, unknownHost, jumps, proxyCommand, connectTimeoutMs } = login;
  const options: (readonly [string, string])[] = [
    ["HostName", host.replaceAll("%", "%%")],
    ["Port", `${port}`],
    ["User", user],
    ["IdentitiesOnly", identitiesOnly ? "yes" : "no"],
    ...identities.map((path) => ["IdentityFile", quotePath(path)] as const),
    ...certificates.map((path) => ["CertificateFile", quotePath(path)] as const),
    ["IdentityAgent", agent === null ? "none" : quotePath(agent)],
    ["UserKnownHostsFile", knownHosts.map(quotePath).join(" ") || "none"],
    ["GlobalKnownHostsFile", "none"],
    ["StrictHostKeyChecking", unknownHost === "accept-new" ? "accept-new" : "yes"],
    ["ConnectTimeout", `${Math.max(1, Math.round(connectTimeoutMs / 1000))}`],
    ...(hostKeyAlias === null ? [] : [["HostKeyAlias", hostKeyAlias] as const]),
    ...(jumps.length === 0 ? [] : [["ProxyJump", jumps.map(jumpText).join(",")] as const]),
    ...(proxyCommand === null ? [] : [["ProxyCommand", proxyCommand.replaceAll("%", "%%")] as const]),
  ];
  return { host, words: asWords(options) };
}

function jumpText({ address: { host, port, user } }: HostLogin): string {
  return `${user}@${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function asWords(options: readonly (readonly [string, string])[]): string[] {
  return options.flatMap(([keyword, value]) => ["-o", `${keyword}=${value}`]);
}
