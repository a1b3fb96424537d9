import type { Context } from "../command.ts";
import type { Instance } from "../rent/instances.ts";
import { warnTimeMs } from "../rent/lease-warning.ts";
import { isOpen, labelOf } from "../rent/rows.ts";
import type { InstanceHandle, InstanceParts } from "./handles.ts";
import { findRun } from "./current.ts";
import { instanceHandle } from "./instance-handle.ts";
import { Reach } from "./reach.ts";
import { remoteExecutor } from "./remote-shell.ts";

/** The handle of an instance that a recipe rented, over one SSH connection that all of its calls share. */
export async function openInstanceHandle(instance: Instance, context: Context): Promise<InstanceHandle> {
  const journal = await context.journal();
  const launch = instance.token === null ? undefined : journal.launch(instance.token);
  if (launch === undefined) throw new Error(`the journal does not know ${instance.id}`);
  // What is done in `parallel`, or before a lease ends, has a context of its own.
  const contextNow = () => findRun()?.context ?? context;
  const reach = new Reach(contextNow, { launch, name: instance.name ?? instance.id });
  const name = instance.name ?? instance.id;
  const parts: InstanceParts = {
    isOurs: launch.owner === "run" && launch.run === await context.run.id(),
    close: () => reach.close(),
    lease: {
      clock: context.world.clock,
      label: labelOf(launch),
      warnMs: () => warnTimeMs(context),
      note: context.note,
      read() {
        const now = journal.launch(launch.token);
        return now && isOpen(now) && now.state !== "STOPPING" ? now : undefined;
      },
    },
    leaseEndsAt: () => journal.launch(launch.token)?.leaseEndsAt ?? launch.leaseEndsAt,
    id: instance.id,
    name,
    execute: remoteExecutor(() => reach.session()),
    async startJob(name, command, options) {
      const { startDetached } = await import("./detached-job.ts");
      return await startDetached(contextNow(), {
        ...{ launch, session: () => reach.opened(), name, command },
        ...options,
      });
    },
    async openTunnel(options, signal) {
      const { openBoxTunnel } = await import("./box-tunnel.ts");
      return await openBoxTunnel(contextNow(), launch, { options, signal });
    },
    async upload(from, to, signal) {
      const { uploadOver } = await import("../transfer/over.ts");
      await reach.again((session) => uploadOver(contextNow(), { session, name, from, to, signal }), { signal });
    },
    async download(from, to, signal) {
      const { downloadOver } = await import("../transfer/over.ts");
      await reach.again((session) => downloadOver(contextNow(), { session, name, from, to, signal }), { signal });
    },
    async sync(dir, path, options, signal) {
      const { syncOver } = await import("../transfer/over.ts");
      return await reach.again((session) => syncOver(contextNow(), { session, name, dir, path, options, signal }), {
        signal,
      });
    },
    async gpus(signal) {
      const { gpusOver } = await import("./box-gpus.ts");
      return await reach.again((session) => gpusOver(session, signal), { signal });
    },
    async status() {
      const { oneInstance } = await import("../rent/fleet.ts");
      const { askUse } = await import("../instance/use.ts");
      const [now] = await askUse(contextNow(), [
        await oneInstance(contextNow(), instance.id, { includeStopped: true }),
      ]);
      if (now === undefined) throw new Error(`nothing is said of ${instance.id}`);
      return now;
    },
    async planExtension(hours) {
      const { planExtension } = await import("../rent/extend.ts");
      return await planExtension(contextNow(), launch, hours);
    },
    async extend(hours) {
      const { extendLease } = await import("../rent/extend.ts");
      // As it is now: when the handle was made it may have been booting.
      return await extendLease(contextNow(), journal.launch(launch.token) ?? launch, hours);
    },
    async keep({ hours, why }) {
      const { keepInstance } = await import("../rent/keep.ts");
      const provider = await context.provider(launch.provider);
      const { tellMachine } = await import("../rent/extend.ts");
      const tell = (leaseEndsAt: number) => tellMachine(context, launch, leaseEndsAt);
      // The summary of the run says that it is kept, and until when.
      await keepInstance({
        world: context.world,
        journal,
        provider,
        token: launch.token,
        hours,
        why,
        tell,
      });
    },
    async stop() {
      const { stopInstance } = await import("../rent/stop.ts");
      await reach.close();
      await stopInstance({
        world: context.world,
        journal,
        provider: await context.provider(launch.provider),
        target: launch,
        why: "the recipe is done with it",
        onProgress: context.progress,
      });
    },
  };
  return instanceHandle(parts);
}
