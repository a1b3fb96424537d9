import { UsageError } from "../errors.ts";
import { trackCall } from "./calls.ts";
import { findRun } from "./current.ts";
import { repeat, type Repeated } from "./every.ts";
import type { InstanceHandle, InstanceParts } from "./handles.ts";
import { LeaseEnd } from "./lease-end.ts";
import { createShell, shellCommand } from "./shell.ts";
import { tunnelHandle } from "./tunnel-handle.ts";

/** The handle of an instance; what it does is in its parts. */
export function instanceHandle(parts: InstanceParts): InstanceHandle {
  const { id, name, execute } = parts;
  // Asked here: at the end of the run, where it is closed too, no code of the recipe runs.
  const keepsOnFailure = findRun()?.keepsOnFailure ?? false;
  let isKept = false;
  let stopping: Promise<void> | undefined;
  const leaseEnd = new LeaseEnd(parts.lease);
  const repeating: Repeated[] = [];
  const endWatching = async () => {
    await Promise.all(repeating.map(({ stop }) => stop()));
    await leaseEnd.close();
  };
  // Once, but a stop that failed is tried again at the end of the run.
  const stop = async () => {
    await endWatching();
    await (stopping ??= parts.stop().catch((error) => {
      stopping = undefined;
      throw error;
    }));
  };
  const letGo = async () => {
    await endWatching();
    await parts.close();
  };
  const signal = () => findRun()?.context.signal;

  /** Asks the budget for hours beyond the lease. What is returned takes that back. */
  const allowHours = async (name: string, hours: number) => {
    const release = await findRun()?.allow({ name, plan: await parts.planExtension(hours) });
    return (error: unknown) => {
      release?.();
      throw error;
    };
  };
  let lastSync: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = lastSync.then(work);
    lastSync = turn.catch(() => {});
    return turn;
  };
  const handle: InstanceHandle = {
    id,
    name,
    get expiresAt() {
      return new Date(parts.leaseEndsAt());
    },
    $: createShell("box.$", execute),
    exec: (command) => shellCommand("box.exec", command, execute),
    job: (name, command, options = {}) => trackCall("box.job", () => parts.startJob(name, command, options)),
    tunnel: (options = {}) =>
      trackCall("box.tunnel", async () => {
        const tunnel = tunnelHandle(await parts.openTunnel(options, signal()));
        findRun()?.own(tunnel);
        return tunnel;
      }),
    upload: (from, to) => trackCall("box.upload", () => parts.upload(from, to, signal())),
    download: (from, to) => trackCall("box.download", () => parts.download(from, to, signal())),
    sync: (dir, path, options = {}) =>
      trackCall("box.sync", () => inTurn(() => parts.sync(dir, path, options, signal()))),
    gpus: () => trackCall("box.gpus", () => parts.gpus(signal())),
    status: () => trackCall("box.status", () => parts.status()),
    extend: ({ hours }) =>
      trackCall("box.extend", async () => {
        checkHours("box.extend", hours);
        const takeBack = await allowHours("box.extend", hours);
        await parts.extend(hours).catch(takeBack);
        return handle.expiresAt;
      }),
    keep: ({ hours, why }) =>
      trackCall("box.keep", async () => {
        if (hours !== undefined) checkHours("box.keep", hours);
        if (why.trim() === "") throw new UsageError("`box.keep`: `why` is empty");
        const leaseHours = (parts.leaseEndsAt() - parts.lease.clock.now()) / 3_600_000;
        const more = hours === undefined ? 0 : hours - Math.max(0, leaseHours);
        const takeBack = more > 0 ? await allowHours("box.keep", more) : undefined;
        // It stands in the journal, and in all that lists machines.
        await parts.keep({ hours, why: findRun()?.masked(why) ?? why }).catch(takeBack);
        isKept = true;
      }),
    every: (interval, work) => {
      const repeated = repeat({
        clock: parts.lease.clock,
        every: interval,
        work: () => work(handle),
        onFailure: (why) => parts.lease.note(`warning: \`every\` of ${parts.lease.label} failed: ${why}`),
      });
      repeating.push(repeated);
      return repeated;
    },
    onLeaseEnd: (handler, options) => leaseEnd.add(() => handler(handle), options),
    stop: () => trackCall("box.stop", stop),
    // What a run may keep where it fails is given back at its end, not at that of the scope.
    [Symbol.asyncDispose]: () => isKept || !parts.isOurs || keepsOnFailure ? letGo() : stop(),
  };
  return handle;
}

/** What is kept or leased longer has to end. */
function checkHours(name: string, hours: number): void {
  if (hours > 0 && Number.isFinite(hours)) return;
  throw new UsageError(
    `\`${name}\`: \`hours\` is \`${hours}\`, and ${
      name === "box.keep" ? "keeping has to end" : "it has to be more than 0"
    }`,
  );
}
