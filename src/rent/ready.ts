import { GpuError, LoginError, messageOf, NotFoundError } from "../errors.ts";
import type { ProviderInstance, SshAddress } from "../provider/provider.ts";
import { giveBack } from "./giveback.ts";
import { JournalError } from "./journal-file.ts";
import { mayBeUnlisted, type Renting } from "./renting.ts";
import type { Launch, Owner } from "./rows.ts";

export interface ReadyOptions extends Renting {
  readonly token: string;
  /** The run that waits: where waiting ends early, only what this run owns is given back. */
  readonly run: string;
  /** Who owns the machine from the commit that marks it ready. */
  readonly owner: Owner;
  /** Logs in and believes no other host key. Rejects as long as that does not work. */
  answers(address: SshAddress, hostPublicKey: string, signal: AbortSignal): Promise<void>;
  /** Instead of the provider's own. */
  readonly timeoutMs?: number;
  /** Called with what the provider says of it, each time it was asked. */
  readonly onSeen?: (instance: ProviderInstance) => void;
}

/** How long to wait to see one gone that is given back: as long as it may be there, no other is rented in its place. */
const gonePatienceMs = 5 * 60_000;
/** Between two tries to log in on a machine that runs; the provider is not asked each time. */
const dialEveryMs = 1_000;

/** Waits until SSH answers. A machine that never does is given back, and the error says so. */
export async function waitUntilReady(options: ReadyOptions): Promise<Launch> {
  const { journal, token, owner } = options;
  const launch = journal.launch(token);
  if (launch === undefined) throw new NotFoundError(`no launch \`${token}\` in the journal`);
  try {
    await untilItAnswers(options, launch);
    const ready = journal.markReady(token, owner);
    if (ready === undefined) {
      throw new GpuError(`${nameOf(launch)} is being stopped`, { hint: "`gpu status` lists the others" });
    }
    return ready;
  } catch (error) {
    const isOurs = launch.owner === "run" && launch.run === options.run;
    // One that was ready before is somebody's work: that it does not answer now is no reason to end it.
    const isGivenBack = isOurs || (error instanceof NeverReady && launch.readyAt === null);
    if (!isGivenBack) throw error;
    if (!(error instanceof NeverReady)) throw await giveBack(options, error);
    const told = await giveBack(options, error, gonePatienceMs);
    const isGone = journal.launch(token)?.state === "STOPPED";
    throw isGone ? new NeverReady(messageOf(told), { hint: error.hint, cause: error }) : told;
  }
}

async function untilItAnswers(options: ReadyOptions, launch: Launch): Promise<void> {
  const { world, provider, signal } = options;
  const timeoutMs = options.timeoutMs ?? provider.facts.readyTimeoutMs;
  const deadline = world.clock.now() + timeoutMs;
  // One signal for the try that is running when time is up, and for whoever interrupts.
  const timeUp = new AbortController();
  const ended = new AbortController();
  const either = AbortSignal.any(signal === undefined ? [timeUp.signal] : [timeUp.signal, signal]);
  world.clock.sleep(timeoutMs, ended.signal).then(() => timeUp.abort(new Error("time is up")), () => {});
  try {
    let obstacle: unknown;
    const look = new Look(options, launch);
    while (world.clock.now() < deadline) {
      try {
        if (await look.answersNow(either)) return;
        obstacle = undefined;
      } catch (error) {
        signal?.throwIfAborted();
        // Without the journal it would be billed, and never be ready, for as long as it may boot.
        const isFinal = error instanceof NeverReady || error instanceof LoginError || error instanceof JournalError;
        if (isFinal) throw error;
        // While it boots nearly anything goes wrong: refused, no route, the image's own host key for a moment.
        obstacle = timeUp.signal.aborted ? obstacle ?? error : error;
      }
      const pauseMs = look.isRunning ? Math.min(dialEveryMs, provider.facts.pollMs) : provider.facts.pollMs;
      await world.clock.sleep(Math.min(pauseMs, Math.max(1, deadline - world.clock.now())), signal);
    }
    const last = obstacle === undefined ? "" : `: ${messageOf(obstacle)}`;
    throw new NeverReady(`${nameOf(launch)} was not ready after ${spell(timeoutMs)}${last}`, { cause: obstacle });
  } finally {
    ended.abort();
  }
}

/** Looks at one machine again and again: at the provider as often as it may be asked, at its SSH server more often. */
class Look {
  readonly #options: ReadyOptions;
  readonly #launch: Launch;
  #seen: { readonly ssh: SshAddress; readonly askAgainAt: number } | undefined;

  constructor(options: ReadyOptions, launch: Launch) {
    this.#options = options;
    this.#launch = launch;
  }

  /** Whether it ran and had an address when the provider was asked last. */
  get isRunning(): boolean {
    return this.#seen !== undefined;
  }

  async answersNow(signal: AbortSignal): Promise<boolean> {
    const { world, journal, onProgress, answers } = this.#options;
    journal.checkFile();
    // Its stop may have been asked for by another process.
    const now = journal.launch(this.#launch.token);
    if (now?.state !== "LAUNCHED" || now.instanceId === null) {
      throw new NeverReady(`${nameOf(this.#launch)} was stopped before it was ready`);
    }
    if (this.#seen === undefined || world.clock.now() >= this.#seen.askAgainAt) {
      await this.#ask(now, now.instanceId, signal);
    }
    const ssh = this.#seen?.ssh;
    if (ssh === undefined) return false;
    onProgress?.(`waiting for SSH on ${nameOf(this.#launch)} at ${ssh.host}:${ssh.port}`);
    await answers(ssh, this.#launch.hostPublicKey, signal);
    return true;
  }

  async #ask(launch: Launch, id: string, signal: AbortSignal): Promise<void> {
    const { journal, provider, world, onProgress, onSeen } = this.#options;
    const name = nameOf(launch);
    this.#seen = undefined;
    const instance = await provider.get(id, signal);
    if (instance === undefined) {
      const isNewborn = mayBeUnlisted(launch, { now: world.clock.now(), settleMs: provider.facts.settleMs });
      if (!isNewborn) throw new NeverReady(`${name} ended before it was ready`);
      return onProgress?.(`${name} is not listed yet`);
    }
    onSeen?.(instance);
    journal.markSeen(launch.token, instance.ssh);
    if (instance.state === "stopped" || instance.state === "stopping") {
      throw new NeverReady(`${name} ended before it was ready`);
    }
    if (instance.state === "unhealthy") throw new NeverReady(`${name} is unhealthy`);
    if (instance.state !== "running" || instance.ssh === undefined) return onProgress?.(`${name} is booting`);
    this.#seen = { ssh: instance.ssh, askAgainAt: world.clock.now() + provider.facts.pollMs };
  }
}

/** It will not be ready, or not in time: it is given back. */
export class NeverReady extends GpuError {
  override name = "NeverReady";
}

function nameOf(launch: Launch): string {
  return `\`${launch.name ?? launch.instanceId ?? launch.token}\``;
}

function spell(ms: number): string {
  return ms < 60_000 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 6_000) / 10} min`;
}
