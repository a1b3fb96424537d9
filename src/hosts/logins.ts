import { isAbsolute, join, resolve } from "node:path";
import { existsSync } from "node:fs";
import type { Context } from "../command.ts";
import { readVariable } from "../env.ts";
import { GpuError, UsageError } from "../errors.ts";
import { readTextIfThere } from "../files.ts";
import { expandProxyCommand } from "../ssh/proxy-command.ts";
import type { ConfiguredHost, ConfiguredHosts } from "./configured.ts";
import { type HostSpec, isHostName, isUserName, parseHostSpec } from "./spec.ts";
import { SshConfig } from "./ssh-config.ts";
import { noSettings, type SshSettings } from "./ssh-settings.ts";
import type { HostLogin, Selection } from "./target.ts";

/** A host that is meant: what was written, and what the configuration says of it. */
export interface MeantHost {
  readonly name: string;
  readonly spec: HostSpec;
  readonly configured: ConfiguredHost | undefined;
}

const defaultTimeoutMs = 20_000;
const mostJumps = 8;
const defaultKeys = ["id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa"];

/** Puts together how hosts are logged in on: what was written for one, its configuration, flags, and the ssh configuration. */
export class Logins {
  readonly #context: Context;
  readonly #selection: Selection;
  readonly #hosts: ConfiguredHosts;
  readonly #ssh: SshConfig | undefined;
  readonly #usualKeys: readonly string[];
  #localUser: Promise<string> | undefined;

  constructor(context: Context, selection: Selection, hosts: ConfiguredHosts) {
    this.#context = context;
    this.#selection = selection;
    this.#hosts = hosts;
    this.#usualKeys = defaultKeys.map((key) => join(context.world.home, ".ssh", key)).filter(isThere);
    this.#ssh = selection.sshConfig ? new SshConfig(context.world, context.signal) : undefined;
  }

  /** How one logs in there; whoever is alone may be asked for a password. */
  async loginOf(host: MeantHost, { mayAskPassword }: { mayAskPassword: boolean }): Promise<HostLogin> {
    return { ...await this.#login(host, 0), mayAskPassword };
  }

  async #login({ name, spec, configured }: MeantHost, depth: number): Promise<HostLogin> {
    const { world } = this.#context;
    const { identities, acceptNew } = this.#selection;
    const said = {
      user: spec.user ?? (depth === 0 ? this.#selection.user : undefined),
      port: spec.port ?? (depth === 0 ? this.#selection.port : undefined),
    };
    const settings = await this.#ssh?.settingsFor({ name: spec.name, ...said }) ?? noSettings;
    const user = said.user ?? settings.user ?? await this.#thisUser();
    const port = said.port ?? settings.port ?? 22;
    const host = (settings.hostName ?? spec.name).replace(/%([%h])/g, (_, letter) => letter === "h" ? spec.name : "%");
    // It comes from a file of the user's, and goes into a command of the user's and onto the terminal.
    if (!isHostName(host)) throw new UsageError(`the ssh configuration gives \`${spec.name}\` a name that is none`);
    if (!isUserName(user)) throw new UsageError(`the ssh configuration gives \`${spec.name}\` a user that is none`);
    const paths = (files: readonly string[]) =>
      files.map((file) => expandPath(file, { world, spec, settings, host, port, user }));
    const own = configured?.identity !== undefined ? [configured.identity] : identities;
    const agent = agentOf(settings, world, (file) => paths([file])[0] ?? null);
    const files = own.length > 0 ? own.map((file) => pathOf(file, world)) : paths(settings.identityFiles);
    return {
      address: { host, port, user },
      identities: own.length > 0 ? files : files.length > 0 ? files.filter(isThere) : this.#usualKeys,
      identitiesOnly: own.length > 0 || settings.identitiesOnly,
      certificates: paths(settings.certificateFiles),
      agent,
      knownHosts: [
        ...(settings.userKnownHosts === undefined
          ? ["known_hosts", "known_hosts2"].map((file) => join(world.home, ".ssh", file))
          : settings.userKnownHosts.length === 0
          ? ["/dev/null"]
          : paths(settings.userKnownHosts)),
        ...(settings.globalKnownHosts ?? ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]),
      ],
      hostKeyAlias: settings.hostKeyAlias ?? null,
      unknownHost: acceptNew || settings.acceptNew ? "accept-new" : "refuse",
      ...await this.#wayTo({ name, spec, configured }, { settings, depth, address: { host, port, user } }),
      connectTimeoutMs: settings.connectTimeoutS === undefined ? defaultTimeoutMs : settings.connectTimeoutS * 1000,
      mayAskPassword: false,
      forwardAgent: settings.forwardAgent && agent !== null,
    };
  }

  async #wayTo(
    { name, spec, configured }: MeantHost,
    { settings, depth, address }: { settings: SshSettings; depth: number; address: HostLogin["address"] },
  ): Promise<Pick<HostLogin, "jumps" | "proxyCommand">> {
    const { proxyCommand } = settings;
    const said = configured?.jump ?? settings.proxyJump;
    if (configured?.jump === undefined && proxyCommand !== undefined) {
      return { jumps: [], proxyCommand: expandProxyCommand(proxyCommand, { ...address, name: spec.name }) };
    }
    if (said === undefined) return { jumps: [], proxyCommand: null };
    if (depth > 0 && depth >= mostJumps) {
      throw new UsageError(`\`${name}\` is reached through more than ${mostJumps} hosts, or through itself`);
    }
    const place = configured?.jump === undefined ? `ProxyJump of \`${name}\`` : `\`jump\` of \`${name}\``;
    const jumps: HostLogin[] = [];
    for (const text of said.split(",")) {
      const written = parseHostSpec(text.trim(), place);
      const login = await this.#login(this.#meant(written), depth + 1);
      // As ssh: the first of them may have a way of its own, the others are reached through the one before.
      if (jumps.length === 0) jumps.push(...login.jumps, { ...login, jumps: [] });
      else jumps.push({ ...login, jumps: [], proxyCommand: null });
    }
    return { jumps, proxyCommand: null };
  }

  #meant(spec: HostSpec): MeantHost {
    const [configured, ...others] = this.#hosts.find(spec.name) ?? [];
    if (configured === undefined || others.length > 0) return { name: spec.name, spec, configured: undefined };
    return withSpec(configured, spec);
  }

  #thisUser(): Promise<string> {
    return this.#localUser ??= localUser(this.#context);
  }
}

/** A host of the configuration, with what was written beside its name. */
export function withSpec(configured: ConfiguredHost, { user, port }: Pick<HostSpec, "user" | "port">): MeantHost {
  const { name, spec } = configured;
  return { name, configured, spec: { ...spec, user: user ?? spec.user, port: port ?? spec.port } };
}

async function localUser({ world }: Context): Promise<string> {
  const { env, home } = world;
  const named = env.USER || env.LOGNAME || env.USERNAME;
  if (named) return named;
  const users = await readTextIfThere("/etc/passwd").catch(() => undefined);
  const mine = users?.split("\n").find((line) => line.split(":")[5] === home)?.split(":")[0];
  if (mine) return mine;
  throw new UsageError("nobody said as whom to log in", { hint: "`--user <name>` says it for all hosts" });
}

function agentOf(
  { identityAgent }: SshSettings,
  { env }: Context["world"],
  expand: (file: string) => string | null,
): string | null {
  const usual = readVariable(env, "SSH_AUTH_SOCK") ?? null;
  if (identityAgent === undefined || identityAgent === "SSH_AUTH_SOCK") return usual;
  if (/^none$/i.test(identityAgent)) return null;
  if (/^\$[A-Za-z_]\w*$/.test(identityAgent)) return env[identityAgent.slice(1)] || null;
  return expand(identityAgent);
}

function isThere(path: string): boolean {
  return existsSync(path) || existsSync(`${path}.pub`);
}

function pathOf(file: string, { home, cwd }: Context["world"]): string {
  return file.startsWith("~/") ? join(home, file.slice(2)) : isAbsolute(file) ? file : resolve(cwd, file);
}

/** Tokens of ssh_config(5) in names of files. */
function expandPath(
  file: string,
  { world, spec, settings, host, port, user }: {
    world: Context["world"];
    spec: HostSpec;
    settings: SshSettings;
    host: string;
    port: number;
    user: string;
  },
): string {
  const tokens: Readonly<Record<string, string>> = {
    "%": "%",
    d: world.home,
    h: host,
    k: settings.hostKeyAlias ?? spec.name,
    n: spec.name,
    p: String(port),
    r: user,
    u: world.env.USER || world.env.LOGNAME || "",
  };
  const expanded = file.replace(/%(.)/g, (token, letter: string) => tokens[letter] ?? token).replace(
    /\$\{(\w+)\}/g,
    (_, name: string) => {
      const value = world.env[name];
      if (value === undefined) throw new GpuError(`\`${file}\` names the variable \`${name}\`, which is not set`);
      return value;
    },
  );
  return pathOf(expanded, world);
}
