import { GpuError, LoginError, messageOf, NotFoundError } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import { giveBack } from "./giveback.ts";
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
}

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
    throw await giveBack(options, error);
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
    while (world.clock.now() < deadline) {
      try {
        if (await answersNow(options, launch, either)) return;
        obstacle = undefined;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof NeverReady || error instanceof LoginError) throw error;
        // While it boots nearly anything goes wrong: refused, no route, the image's own host key for a moment.
        obstacle = timeUp.signal.aborted ? obstacle ?? error : error;
      }
      await world.clock.sleep(Math.min(provider.facts.pollMs, Math.max(1, deadline - world.clock.now())), signal);
    }
    const last = obstacle === undefined ? "" : `: ${messageOf(obstacle)}`;
    throw new NeverReady(`${nameOf(launch)} was not ready after ${spell(timeoutMs)}${last}`, { cause: obstacle });
  } finally {
    ended.abort();
  }
}

async function answersNow(options: ReadyOptions, launch: Launch, signal: AbortSignal): Promise<boolean> {
  const { journal, provider, world, onProgress } = options;
  const name = nameOf(launch);
  // Its stop may have been asked for by another process.
  const now = journal.launch(launch.token);
  if (now?.state !== "LAUNCHED" || now.instanceId === null) {
    throw new NeverReady(`${name} was stopped before it was ready`);
  }
  const instance = await provider.get(now.instanceId, signal);
  if (instance === undefined) {
    const isNewborn = mayBeUnlisted(now, { now: world.clock.now(), settleMs: provider.facts.settleMs });
    if (!isNewborn) throw new NeverReady(`${name} ended before it was ready`);
    onProgress?.(`${name} is not listed yet`);
    return false;
  }
  journal.markSeen(launch.token, instance.ssh);
  if (instance.state === "stopped" || instance.state === "stopping") {
    throw new NeverReady(`${name} ended before it was ready`);
  }
  if (instance.state === "unhealthy") throw new NeverReady(`${name} is unhealthy`);
  if (instance.state !== "running" || instance.ssh === undefined) {
    onProgress?.(`${name} is booting`);
    return false;
  }
  onProgress?.(`waiting for SSH on ${name} at ${instance.ssh.host}:${instance.ssh.port}`);
  await options.answers(instance.ssh, launch.hostPublicKey, signal);
  return true;
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
