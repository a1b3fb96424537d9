import type { Duplex } from "node:stream";
import type { ParsedKey } from "ssh2";
import { GpuError, messageOf } from "../errors.ts";
import { addressText, SshError } from "../ssh/failure.ts";
import { trustKnownHosts } from "../ssh/host-trust.ts";
import { Identities } from "../ssh/identities.ts";
import { type KeyFile, WrongPassphrase } from "../ssh/key-file.ts";
import { KnownHostsFiles } from "../ssh/known-hosts.ts";
import { type AskPerson, loginWith } from "../ssh/login.ts";
import { openProxyCommand } from "../ssh/proxy-command.ts";
import { openSession, type Session } from "../ssh/session.ts";
import type { World } from "../world.ts";
import { Jumps, untilAborted } from "./jumps.ts";
import type { HostLogin } from "./target.ts";

export type ReachingWorld = Pick<
  World,
  "clock" | "cwd" | "dial" | "env" | "folders" | "platform" | "random" | "spawn"
>;

export interface ReachOptions {
  readonly world: ReachingWorld;
  /** Puts a question to a person; absent where there is none. */
  readonly askPerson?: AskPerson;
  /** Says a fact: a host was written down. */
  note?(text: string): void;
}

/** How often somebody may mistype a passphrase. */
const attempts = 3;

/**
 * Logs in on machines that are not rented. One of these serves a whole command: keys are read once, a passphrase is
 * asked for once, and hosts behind one jump host share the connection to that.
 */
export class Reach {
  readonly #options: ReachOptions;
  readonly #knownHosts = new KnownHostsFiles();
  readonly #identities: Identities;
  readonly #opened = new Map<string, Promise<ParsedKey>>();
  readonly #jumps = new Jumps((login, signal) => this.connect(login, signal));
  /** One question at a time. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(options: ReachOptions) {
    this.#options = options;
    this.#identities = new Identities(options.world);
  }

  /** Connects and logs in, through its jump hosts, with its host key checked. */
  async connect(
    login: HostLogin,
    signal?: AbortSignal,
    { forwardAgent }: { forwardAgent?: string } = {},
  ): Promise<Session> {
    const { world, note } = this.#options;
    const { address, hostKeyAlias: alias, knownHosts, unknownHost } = login;
    const [trust, { keys, troubles }] = await Promise.all([
      trustKnownHosts({ world, files: this.#knownHosts, address, alias, knownHosts, unknownHost, note }),
      this.#identities.find(login, this.#open),
    ]);
    const askPerson = login.mayAskPassword && this.#options.askPerson ? this.#askPerson : undefined;
    const through = new AsyncDisposableStack();
    try {
      const session = await openSession({
        ...{ world, address, trust, signal, timeoutMs: login.connectTimeoutMs, forwardAgent },
        dial: (limits) => this.#dial(login, { ...limits, through }),
        authenticate: (handle) => ({
          authHandler: loginWith({ address, keys, troubles, askPassphrase: this.#open, askPerson }, handle),
        }),
      });
      void session.closed.then(() => through.disposeAsync());
      return session;
    } catch (error) {
      await through.disposeAsync();
      throw error;
    }
  }

  async #dial(
    { address, jumps, proxyCommand }: HostLogin,
    { signal, unhurried, through }: {
      signal: AbortSignal;
      unhurried<T>(work: () => Promise<T>): Promise<T>;
      through: AsyncDisposableStack;
    },
  ): Promise<Duplex> {
    const { world } = this.#options;
    const { host, port } = address;
    if (proxyCommand !== null) return openProxyCommand(world, proxyCommand);
    if (jumps.length === 0) return await world.dial({ host, port, signal });
    try {
      // A jump host has its own time to let us in.
      const jump = await unhurried(() => this.#jumps.use(jumps, signal));
      through.use(jump);
      const opening = jump.session.openStream(host, port);
      // What comes too late belongs to nobody.
      opening.then((stream) => signal.aborted && stream.destroy(), () => {});
      return await Promise.race([opening, untilAborted(signal)]);
    } catch (error) {
      if (!(error instanceof SshError)) throw error;
      const text = `\`${addressText(address)}\` is not reached through its jump host: ${messageOf(error)}`;
      const reason = error.reason === "channel" ? "unreachable" : error.reason;
      throw new SshError(text, { reason, hint: error.hint, cause: error });
    }
  }

  readonly #askPerson: AskPerson = (question) => {
    const { askPerson } = this.#options;
    if (!askPerson) return Promise.reject(new GpuError(`nobody can be asked here: ${question.text}`));
    const asked = this.#asking.then(() => askPerson(question));
    this.#asking = asked.catch(() => {});
    return asked;
  };

  readonly #open = (file: KeyFile): Promise<ParsedKey> => {
    const known = this.#opened.get(file.path) ?? this.#askToOpen(file);
    this.#opened.set(file.path, known);
    return known;
  };

  async #askToOpen(file: KeyFile): Promise<ParsedKey> {
    if (!this.#options.askPerson) {
      throw new GpuError(`the key \`${file.path}\` has a passphrase, and nobody can be asked for it here`, {
        hint: "`ssh-add` gives it to your SSH agent, which is asked",
      });
    }
    for (let count = 1; count <= attempts; count++) {
      const again = count === 1 ? "" : "; that was not it, again";
      const passphrase = await this.#askPerson({ text: `passphrase of \`${file.path}\`${again}`, isSecret: true });
      try {
        return file.open(passphrase);
      } catch (error) {
        if (!(error instanceof WrongPassphrase)) throw error;
      }
    }
    throw new GpuError(`the passphrase of \`${file.path}\` was not right`);
  }
}
