import { statSync } from "node:fs";
import { runBeside } from "../../beside.ts";
import type { Context } from "../../command.ts";
import { readVariable } from "../../env.ts";
import { InterruptedError, UsageError } from "../../errors.ts";
import { EventQueue } from "../../event-queue.ts";
import { keyAccess, openAccess } from "./access.ts";
import { makeBunFolder } from "./bun-folder.ts";
import { jobEnvironment } from "../runner/job-environment.ts";
import type { Isolation, JobLimits } from "../runner/job-order.ts";
import { Keys } from "./keys.ts";
import { listen } from "./listen.ts";
import type { Keep } from "./retention.ts";
import { type ServeEvent, serveEventText } from "./serve-events.ts";
import { ciHandler } from "./server.ts";
import { CiService } from "./service.ts";
import { Users } from "./users.ts";

export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly dataFolder: string;
  readonly parallelJobs: number;
  readonly isolation: Isolation;
  /** No key is asked for. */
  readonly isOpen: boolean;
  readonly keep: Keep;
  readonly limits: JobLimits;
}

interface Serving {
  readonly context: Context;
  readonly options: ServeOptions;
  /** Runs with the server's address in its environment; the server ends with it. */
  readonly command: readonly string[] | undefined;
}

/** A CI server from its start until the signal, or the command, ends it: what it says. */
export async function* serve({ context, options, command }: Serving): AsyncGenerator<ServeEvent> {
  const { world, signal, globals, note } = context;
  const { host, port, dataFolder, parallelJobs, isolation, isOpen, keep, limits } = options;
  if (isOpen) checkOpen(host);
  if (isolation === "bubblewrap") await (await import("../runner/bubblewrap.ts")).checkBubblewrap(world);
  const queue = new EventQueue<ServeEvent>();
  // Beside a command, stdout is the command's.
  const isBeside = command !== undefined && !globals.json;
  const say = (event: ServeEvent) => isBeside ? sayBeside(event, context) : queue.push(event);
  const bunFolder = await makeBunFolder(world, dataFolder);
  await using service = new CiService({
    ...{ world, dataFolder, parallelJobs, isolation, keep, limits, bunFolder },
    environment: jobEnvironment(world.env),
    onEnd: ({ job_id, userId: user_id, name = null, status, success, start_time, end_time }) => {
      const at = new Date(end_time ?? world.clock.now()).toISOString();
      const seconds = start_time === null ? null : Math.round((Date.parse(at) - Date.parse(start_time)) / 100) / 10;
      const user_email = accounts.users.find({ id: user_id })?.email ?? "";
      say({ type: "job", at, job_id, user_id, user_email, name, status, success: success === true, seconds });
    },
  });
  const accounts = { users: new Users(service.database, world), keys: new Keys(service.database, world) };
  const users = accounts.users.count;
  if (isOpen && users > 0) throw refuseOpen(dataFolder);
  if (!isOpen && !isLoopback(host)) {
    note("warning: keys and projects cross the network unencrypted; let a proxy with TLS or a tunnel lead here");
  }
  if (world.platform !== "win32" && (statSync(dataFolder).mode & 0o022) !== 0) {
    note(`warning: others on this computer may write to \`${dataFolder}\`; \`chmod 700\` keeps it yours`);
  }
  const handler = ciHandler({
    ...{ world, service, isOpen },
    ...(isOpen ? { access: openAccess } : { access: keyAccess(accounts.keys), accounts }),
  });
  await using listener = await listen({ hostname: host, port }, { handler, clock: world.clock });
  const url = listener.address;
  const { runningCount: running, queuedCount: queued } = service;
  say({
    type: "listening",
    url,
    data: dataFolder,
    parallel: parallelJobs,
    isolation,
    open: isOpen,
    users,
    running,
    queued,
  });
  let exitCode: number | null = null;
  const stop = () => void stopServing(service, { context, say }).finally(queue.close);
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    // A key of one's own goes to this very server.
    const key = isOpen ? undefined : readVariable(world.env, "CI_API_KEY");
    const environment = { CI_SERVER_URL: url, ...(key !== undefined && { CI_API_KEY: key }) };
    const ran = command && runBeside({ command, environment, context }).finally(async () => {
      await service.stopJobs();
      queue.close();
    });
    ran?.catch(() => {});
    yield* queue.items();
    if (ran) exitCode = await ran;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  yield { type: "stopped", exitCode, queued: service.queuedCount };
}

/** Lets what runs come to its end; the same signal again stops it. */
async function stopServing(
  service: CiService,
  { context: { signal }, say }: { context: Context; say: (event: ServeEvent) => void },
): Promise<void> {
  const isSignal = signal.reason instanceof InterruptedError;
  if (isSignal) signal.reason.onAgain = () => void service.stopJobs();
  else return await service.stopJobs();
  const { runningCount: running, queuedCount: queued } = service;
  if (running > 0) say({ type: "stopping", running, queued });
  await service.drain();
}

function sayBeside(event: ServeEvent, { note }: Context): void {
  const text = serveEventText(event);
  if (text !== "") note(text);
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|::1)$/.test(host);
}

function checkOpen(host: string): void {
  if (isLoopback(host)) return;
  throw new UsageError(`an open server on ${host} would run the commands of everybody who reaches it`, {
    hint: "leave out `--open` and make keys with `gpu ci key create`, or leave out `--host`",
  });
}

function refuseOpen(dataFolder: string): UsageError {
  return new UsageError(`there are users in \`${dataFolder}\`, and \`--open\` would let everybody in`, {
    hint: "leave it out, or name another folder with `--data`",
  });
}
