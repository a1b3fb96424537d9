import { GpuError, LoginError } from "../errors.ts";
import { LaunchRefused, type LaunchRequest, type Offer, type Provider } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { giveBack } from "./giveback.ts";
import { prepareLaunch } from "./launch-request.ts";
import { carriesToken, isLive, type Renting } from "./renting.ts";
import type { Launch } from "./rows.ts";

export interface LaunchOptions extends Renting {
  readonly world: Pick<World, "clock" | "folders" | "random">;
  /** The run that owns the machine until a lease takes over. */
  readonly run: string;
  readonly account?: string;
  readonly profile?: string;
  /** Private key of the user's own, as an absolute path; this computer's own key when left out. */
  readonly sshKey?: string;
  readonly request: RentRequest;
  /** Throws where the launch may not be; asked in the commit that writes it down. */
  readonly allow?: () => void;
  /** What to rent and where, when that was chosen already. */
  readonly chosen?: { readonly offer: Offer; readonly region: string };
}

export interface RentRequest {
  /** The cheapest that is free when left out. */
  readonly type?: string;
  readonly region?: string;
  readonly hours: number;
  /** A name that a person gives it. */
  readonly name?: string;
  /** Filesystems to mount, by name. */
  readonly filesystems?: readonly string[];
  /** Id or family of the image. */
  readonly image?: string;
  readonly fakeGpu?: string;
  /** What commands find it by, kept in the journal and by providers that have tags. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Refuses, before anything is written or sent, what could cost more. */
  readonly budgetDollars?: number;
}

/**
 * Rents one machine and returns once its id is on the disk; it may still boot. The request is sent once: where its
 * answer is lost the machine is looked up by its token. When this throws, what was rented is given back, or the journal
 * says that it is to be.
 */
export async function launchInstance(options: LaunchOptions): Promise<Launch> {
  const { world, journal, provider, signal } = options;
  if (journal.problem !== undefined) throw journal.problem;
  const { request, row } = await prepareLaunch(options);
  signal?.throwIfAborted();
  const { token } = journal.intend(row, options.allow);
  if (journal.markSent(token) === undefined) throw stoppedMeanwhile(request.name);
  let answered: string | undefined;
  try {
    let leftAt = world.clock.now();
    const onSent = () => void (leftAt = world.clock.now());
    answered = await send(options, { ...request, onSent });
    // Where the answer was lost it costs since its request left; nobody knows it better.
    const since = answered === undefined ? leftAt : world.clock.now();
    const launch = journal.markLaunched(token, answered ?? await lookUp(options, request), since);
    if (launch?.state !== "LAUNCHED") throw stoppedMeanwhile(launch?.instanceId ?? request.name);
    signal?.throwIfAborted();
    return launch;
  } catch (error) {
    if (error instanceof NothingMade) {
      journal.markAbsent(token, error.message);
      signal?.throwIfAborted();
      throw error.reason;
    }
    const made = { token, instanceId: answered };
    throw await giveBack({ world, journal, provider, ...made, onProgress: options.onProgress }, error);
  }
}

/** How long an answer that is on its way is waited for after an interrupt: knowing the id is worth more than haste. */
const answerGraceMs = 4_000;

/** Asks once. `undefined`: no answer, so whether there is a machine is not known. */
async function send(
  { world, journal, provider, run, signal }: LaunchOptions,
  request: LaunchRequest,
): Promise<string | undefined> {
  const answered = new AbortController();
  const tooLate = new AbortController();
  const afterInterrupt = () => {
    world.clock.sleep(answerGraceMs, answered.signal).then(() => tooLate.abort(signal?.reason), () => {});
  };
  signal?.addEventListener("abort", afterInterrupt, { once: true });
  try {
    return (await provider.launch({ ...request, wanted: signal }, tooLate.signal)).id;
  } catch (error) {
    if (error instanceof LaunchRefused) {
      // Remembered, so that its machine is not looked for all day: there is none.
      journal.note({ token: request.token, run, kind: "refused", text: error.message });
      throw new NothingMade(refusal(provider, error));
    }
    return undefined;
  } finally {
    signal?.removeEventListener("abort", afterInterrupt);
    answered.abort();
  }
}

/** Finds the machine of a launch whose answer was lost, for as long as it may stay out of the list. */
async function lookUp(options: LaunchOptions, { token, name }: LaunchRequest): Promise<string> {
  const { world, journal, provider, signal, onProgress } = options;
  const lostAt = world.clock.now();
  for (;;) {
    onProgress?.(`no answer to the launch; looking for \`${name}\``);
    if (journal.launch(token)?.state !== "SENT") throw stoppedMeanwhile(options.request.name);
    const isSettled = world.clock.now() - lostAt > provider.facts.settleMs;
    try {
      const found = (await provider.list(signal)).find((instance) => carriesToken(instance, token));
      if (found !== undefined && isLive(found)) return found.id;
      if (isSettled) break;
    } catch (error) {
      // Not seeing the list is not the same as not being on it.
      if (isSettled || signal?.aborted) throw error;
    }
    await world.clock.sleep(provider.facts.pollMs, signal);
  }
  throw new NothingMade(
    new GpuError(`${provider.name} did not answer the launch, and no instance appeared`, {
      hint: "nothing is rented; try again",
      rentedNothing: true,
    }),
  );
}

/** It is certain that no machine was made; `reason` is what the person is told. */
class NothingMade extends Error {
  override name = "NothingMade";
  readonly reason: GpuError;

  constructor(reason: GpuError) {
    super(reason.message);
    this.reason = reason;
  }
}

/** None was free, and none was made: another type, region or provider may have one. */
export class NoCapacity extends GpuError {
  override name = "NoCapacity";
}

function refusal(provider: Provider, refused: LaunchRefused): GpuError {
  const hint = refused.hint;
  const message = `${provider.name} refused the launch: ${refused.message}`;
  const proof = { rentedNothing: true, cause: refused };
  if (refused.reason === "login") return new LoginError(message, { hint, ...proof });
  if (refused.reason === "capacity") {
    return new NoCapacity(message, { hint: hint ?? "`gpu available` lists what is free", ...proof });
  }
  return new GpuError(message, { hint, ...proof });
}

function stoppedMeanwhile(name: string | undefined): GpuError {
  return new GpuError(`${name === undefined ? "the instance" : `\`${name}\``} was stopped while it was being launched`);
}
