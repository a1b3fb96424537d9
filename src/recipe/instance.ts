import type { Context } from "../command.ts";
import { spanText } from "../duration.ts";
import { connectInstance } from "../rent/connect.ts";
import type { Instance } from "../rent/instances.ts";
import { warnTimeMs } from "../rent/lease-warning.ts";
import { isOpen, labelOf, type Launch } from "../rent/rows.ts";
import type { Session } from "../ssh/session.ts";
import { findRun } from "./current.ts";
import { type InstanceHandle, instanceHandle, type InstanceParts, type TunnelParts } from "./handles.ts";

/** The handle of an instance that a recipe rented, over one SSH connection that all of its calls share. */
export async function openInstanceHandle(instance: Instance, context: Context): Promise<InstanceHandle> {
  const journal = await context.journal();
  const launch = instance.token === null ? undefined : journal.launch(instance.token);
  if (launch === undefined) throw new Error(`the journal does not know ${instance.id}`);
  const reach = new Reach(context, launch);
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
    id: instance.id,
    name,
    async execute(command, { signal, output }) {
      const session = await reach.session();
      return await session.exec(command, {
        signal,
        onStdout: (chunk) => output(chunk, "stdout"),
        onStderr: (chunk) => output(chunk, "stderr"),
      });
    },
    async startJob(name, command) {
      const { startDetached } = await import("./detached-job.ts");
      return await startDetached(context, { launch, session: () => reach.session(), name, command });
    },
    openTunnel: (forward, signal) => openTunnelFor(context, launch, { forward, signal }),
    async upload(from, to, signal) {
      const { uploadOver } = await import("../transfer/over.ts");
      await uploadOver(context, { session: await reach.session(), name, from, to, signal });
    },
    async download(from, to, signal) {
      const { downloadOver } = await import("../transfer/over.ts");
      await downloadOver(context, { session: await reach.session(), name, from, to, signal });
    },
    async sync(dir, path, options, signal) {
      const { syncOver } = await import("../transfer/over.ts");
      return await syncOver(context, { session: await reach.session(), name, dir, path, options, signal });
    },
    async keep({ hours, why }) {
      const { keepInstance } = await import("../rent/keep.ts");
      const provider = await context.provider(launch.provider);
      const { tellMachine } = await import("../rent/extend.ts");
      const tell = (leaseEndsAt: number) => tellMachine(context, launch, leaseEndsAt);
      await keepInstance({ world: context.world, journal, provider, token: launch.token, hours, why, tell });
      context.note(
        `kept ${instance.id} for ${
          spanText(hours * 3_600_000)
        }: ${why} (\`gpu exec ${instance.id} -- …\`, \`gpu stop ${instance.id}\`)`,
      );
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

/** One connection, made when it is first needed and again after it was lost. */
class Reach {
  readonly #context: Context;
  readonly #launch: Launch;
  #open: Promise<Session> | undefined;

  constructor(context: Context, launch: Launch) {
    this.#context = context;
    this.#launch = launch;
  }

  session(): Promise<Session> {
    if (this.#open) return this.#open;
    // What is done before a lease ends may go on when the recipe has ended.
    const signal = findRun()?.context.signal ?? this.#context.signal;
    const opening = connectInstance(this.#context.world, this.#launch, signal);
    const forget = () => {
      if (this.#open === opening) this.#open = undefined;
    };
    opening.then(({ closed }) => closed.then(forget), forget);
    return this.#open = opening;
  }

  async close(): Promise<void> {
    const session = await this.#open?.catch(() => undefined);
    await session?.[Symbol.asyncDispose]();
  }
}

async function openTunnelFor(
  context: Context,
  launch: Launch,
  { forward, signal }: { forward: readonly string[]; signal: AbortSignal | undefined },
): Promise<TunnelParts> {
  const { parseForward, resolveForward } = await import("../ssh/forward.ts");
  const { openTunnel } = await import("../ssh/tunnel.ts");
  const { facts } = await context.provider(launch.provider);
  const wanted = forward.map(parseForward);
  const tunnel = await openTunnel({
    world: context.world,
    connect: (attempt) => connectInstance(context.world, launch, attempt),
    forwards: wanted.map((each) => resolveForward(each, facts.services)),
    signal,
  });
  const open = tunnel.status().forwards;
  return {
    forwards: open.map(({ localPort, remotePort }, index) => {
      const to = wanted[index]?.to;
      return { localPort, remote: to && "service" in to ? to.service : String(remotePort) };
    }),
    agentToken: (await context.journal()).agentToken(launch.token),
    close: () => tunnel.close(),
  };
}
