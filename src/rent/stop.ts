import { GpuError, messageOf } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import { checkAccount } from "./account.ts";
import { carriesToken, isLive, mayBeUnlisted, type Renting } from "./renting.ts";
import { isOpen, type Launch } from "./rows.ts";
import { recordFailure } from "./still-running.ts";

export interface StopOptions extends Renting {
  /** A launch of this journal by its token, or any machine by the provider's id; an instance's `id` may be its token. */
  readonly target: { readonly token?: string | null; readonly instanceId?: string | null };
  /** For the journal: `gpu stop`, `the run died`. */
  readonly why: string;
  /** How long to wait until it is gone; the journal keeps a stop that takes longer. */
  readonly patienceMs?: number;
}

/** `stopping`: it was asked to end but has not been seen gone, and `reconcile` goes on from there. */
export type StopOutcome = "stopped" | "stopping";

/**
 * Ends a machine for good and reads back that it is gone. Safe to repeat, and for two to do at once.
 * A journal that cannot be written stops nobody from stopping.
 */
export async function stopInstance(options: StopOptions): Promise<StopOutcome> {
  const { world, journal, provider, signal, target } = options;
  const token = target.token ?? undefined;
  const launch = token === undefined ? undefined : markStopping(options, token);
  if (launch !== undefined && !isOpen(launch)) return "stopped";
  if (launch !== undefined && journal.untold.has(launch.token)) {
    keepTrying(() => journal.markAbsent(launch.token, options.why) ?? journal.markStopped(launch.token, options.why));
    return "stopped";
  }
  const hunt = new Hunt(options, launch);
  if (launch !== undefined) await recordingFailure(hunt, options, () => checkAccount(provider, launch, signal));
  const deadline = world.clock.now() + (options.patienceMs ?? patienceOf(provider));
  for (;;) {
    options.onProgress?.(`stopping ${hunt.label}`);
    if (await attempt(hunt, options)) return "stopped";
    if (world.clock.now() >= deadline) return "stopping";
    await world.clock.sleep(provider.facts.pollMs, signal);
  }
}

export interface StopRunOptions extends Omit<Renting, "provider"> {
  readonly run: string;
  readonly why: string;
  readonly patienceMs?: number;
  provider(name: string): Promise<Provider>;
}

/** Ends every machine that a run still owns, all at once. Throws what went wrong only after all were tried. */
export async function stopOwnedByRun({ provider, run, ...options }: StopRunOptions): Promise<StopOutcome[]> {
  const owned = options.journal.launches({ open: true, run }).filter((launch) => launch.owner === "run");
  const ends = await Promise.allSettled(
    owned.map(async (launch) =>
      await stopInstance({ ...options, provider: await provider(launch.provider), target: { token: launch.token } })
    ),
  );
  const failures = ends.filter((end) => end.status === "rejected").map((end) => end.reason);
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) {
    throw new GpuError(`${failures.length} instances could not be stopped: ${failures.map(messageOf).join("; ")}`, {
      hint: "`gpu status` shows what is still running, `gpu stop` tries again",
      cause: new AggregateError(failures),
    });
  }
  return ends.flatMap((end) => end.status === "fulfilled" ? [end.value] : []);
}

function markStopping({ journal, why }: StopOptions, token: string): Launch | undefined {
  return keepTrying(() => journal.markStopping(token, why)) ?? keepTrying(() => journal.launch(token));
}

/** One round: ask all that is known to end, then look. Returns whether nothing is left. */
async function attempt(hunt: Hunt, options: StopOptions): Promise<boolean> {
  return await recordingFailure(hunt, options, async () => {
    await hunt.terminate(options.signal);
    return await hunt.lookAgain(options.signal);
  });
}

/** A step of a stop. That it fails is written down, so that it is shouted until a stop has worked. */
async function recordingFailure<T>(
  hunt: Hunt,
  { signal, journal, target: { token }, world }: StopOptions,
  step: () => Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    signal?.throwIfAborted();
    if (token) keepTrying(() => recordFailure(journal, { token, failure: messageOf(error), now: world.clock.now() }));
    if (error instanceof GpuError) throw error;
    throw new GpuError(`could not stop ${hunt.label}: ${messageOf(error)}`, {
      hint: `it may still be running and cost money: \`gpu stop\` tries again`,
      cause: error,
    });
  }
}

/** All machines that one launch may have made, and what each said to being ended. */
class Hunt {
  readonly label: string;
  readonly #options: StopOptions;
  readonly #token: string | undefined;
  readonly #answers = new Map<string, "accepted" | "gone" | "not-yet" | "not-asked">();
  #launch: Launch | undefined;
  /** When the last of them was accepted to end; milliseconds since 1970. */
  #acceptedAt: number | undefined;
  #wasSeen: boolean;

  constructor(options: StopOptions, launch: Launch | undefined) {
    const { token, instanceId } = options.target;
    const id = launch?.instanceId ?? (instanceId === token ? undefined : instanceId) ?? undefined;
    this.#options = options;
    this.#launch = launch;
    this.#token = options.target.token ?? undefined;
    this.#wasSeen = launch === undefined || launch.seenAt !== null;
    this.label = `\`${id ?? this.#token}\``;
    if (id !== undefined) this.#answers.set(id, "not-asked");
  }

  async terminate(signal: AbortSignal | undefined): Promise<void> {
    for (const [id, answer] of this.#answers) {
      if (answer === "accepted" || (answer === "gone" && !this.#mayBeUnlisted())) continue;
      const now = await this.#options.provider.terminate(id, signal);
      this.#answers.set(id, now);
      if (now === "accepted") this.#acceptedAt = this.#options.world.clock.now();
    }
  }

  async lookAgain(signal: AbortSignal | undefined): Promise<boolean> {
    const listed = await this.#options.provider.list(signal);
    const token = this.#token;
    const live = listed.filter((instance) =>
      isLive(instance) && (this.#answers.has(instance.id) || (token !== undefined && carriesToken(instance, token)))
    );
    for (const { id, state } of live) {
      // An accepted request that shows no effect is made again; what is ending already was asked by somebody.
      this.#answers.set(id, state === "stopping" ? "accepted" : "not-asked");
      this.#acceptedAt = state === "stopping" ? this.#acceptedAt ?? this.#options.world.clock.now() : undefined;
      this.#remember(id);
    }
    if (live.length > 0 || !this.#isProven()) return false;
    this.#close();
    return true;
  }

  /** Not being listed proves nothing of a newborn, unless the provider knew it well enough to end it. */
  #isProven(): boolean {
    if (this.#answers.size === 0) return this.#launch !== undefined && !this.#mayBeUnlisted();
    return [...this.#answers.values()].every((answer) =>
      answer === "accepted" || (answer === "gone" && !this.#mayBeUnlisted())
    );
  }

  #mayBeUnlisted(): boolean {
    if (this.#wasSeen || this.#launch === undefined) return false;
    const { world, provider } = this.#options;
    return mayBeUnlisted(this.#launch, { now: world.clock.now(), settleMs: provider.facts.settleMs });
  }

  #remember(id: string): void {
    this.#wasSeen = true;
    const { journal } = this.#options;
    const launch = this.#launch;
    if (launch === undefined) return;
    if (launch.instanceId === null) this.#launch = keepTrying(() => journal.markLaunched(launch.token, id)) ?? launch;
    keepTrying(() => journal.markSeen(launch.token));
  }

  #close(): void {
    const { journal, why } = this.#options;
    const token = this.#launch?.token;
    if (token === undefined) return;
    const at = this.#options.provider.facts.chargesUntil === "asked" ? this.#acceptedAt : undefined;
    const write = () => this.#answers.size > 0 ? journal.markStopped(token, why, at) : journal.markAbsent(token, why);
    if (keepTrying(() => ({ moved: write() })) === undefined) journal.untold.add(token);
  }
}

/** A full disk or a damaged journal must not keep a machine running; `reconcile` finds later that it is gone. */
function keepTrying<T>(write: () => T): T | undefined {
  try {
    return write();
  } catch (error) {
    if (error instanceof GpuError) return undefined;
    throw error;
  }
}

function patienceOf(provider: Provider): number {
  return Math.max(provider.facts.settleMs, provider.facts.readyTimeoutMs);
}
