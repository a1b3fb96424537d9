import { appendFileSync, chmodSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { systemCode } from "../errors.ts";
import { oneLine } from "../safe-text.ts";
import type { TunnelEvent } from "../ssh/tunnel.ts";
import type { World } from "../world.ts";

/** What happened to a tunnel, as it is written down: a JSON object a line. */
const Entry = z.object({
  /** Milliseconds since 1970. */
  at: z.number(),
  tunnel: z.string(),
  event: z.string(),
  message: z.string(),
});

export type TunnelLogEntry = z.output<typeof Entry>;

/** What was before is in a second file of the same size; older things are forgotten. */
const bytesMax = 512 * 1024;

function pathOf({ folders }: Pick<World, "folders">): string {
  return join(folders.state, "tunnels.log");
}

/** Writes down what happens to tunnels. A full disk ends no tunnel. */
export function writeTunnelLog(
  world: Pick<World, "clock" | "folders">,
  { tunnel, event, message }: Omit<TunnelLogEntry, "at">,
): void {
  const path = pathOf(world);
  const entry: TunnelLogEntry = { at: world.clock.now(), tunnel, event, message: oneLine(message, 500) };
  try {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > bytesMax) renameSync(path, `${path}.1`);
    appendFileSync(path, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    chmodSync(path, 0o600);
  } catch {
    // There is nowhere to say so.
  }
}

/** What was written down, oldest first. */
export function readTunnelLog(world: Pick<World, "folders">): TunnelLogEntry[] {
  const path = pathOf(world);
  return [`${path}.1`, path].flatMap((file) => {
    try {
      return readFileSync(file, "utf8").split("\n").flatMap(entryOf);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return [];
      throw error;
    }
  });
}

const followMs = 200;

/** The same, and then what is written from now on, until the signal fires. */
export async function* followTunnelLog(
  { clock, folders }: Pick<World, "clock" | "folders">,
  signal: AbortSignal,
): AsyncGenerator<TunnelLogEntry> {
  let seen: readonly TunnelLogEntry[] = [];
  let fact = "";
  for (;;) {
    const next = factOf({ folders });
    if (next !== fact) {
      const entries = readTunnelLog({ folders });
      yield* entries.slice(countSeen(seen, entries));
      seen = entries;
      fact = next;
    }
    await clock.sleep(followMs, signal);
  }
}

/** Another content is another fact. */
function factOf(world: Pick<World, "folders">): string {
  const stats = statSync(pathOf(world), { throwIfNoEntry: false });
  return stats ? `${stats.ino} ${stats.size}` : "";
}

/** How many of the entries were there before: the oldest may have been forgotten meanwhile. */
function countSeen(before: readonly TunnelLogEntry[], entries: readonly TunnelLogEntry[]): number {
  const last = before.at(-1);
  if (!last) return 0;
  const text = JSON.stringify(last);
  return entries.findLastIndex((entry) => JSON.stringify(entry) === text) + 1;
}

function entryOf(line: string): TunnelLogEntry[] {
  try {
    const entry = Entry.safeParse(JSON.parse(line));
    return entry.success ? [entry.data] : [];
  } catch {
    return []; // Half a line: a process was killed in the middle of it.
  }
}

/** Says what happens, and the same thing not again and again. */
export class TunnelDiary {
  readonly #write: (event: string, message: string) => void;
  #last = "";
  #refusals = 0;

  constructor(write: (event: string, message: string) => void) {
    this.#write = write;
  }

  tell(event: TunnelEvent): void {
    switch (event.type) {
      case "lost":
      case "silent":
      case "unbound":
        return this.#say(event.type, event.error.message);
      case "retry":
        // A machine that is away for a night is one line, not ten thousand.
        return this.#say("retry", event.error.message);
      case "refused":
        // Each one is somebody's connection; but a loop of them must not fill the file.
        this.#refusals++;
        if (this.#refusals <= refusalsMax || this.#refusals % 1000 === 0) {
          const times = this.#refusals > refusalsMax ? ` (refused ${this.#refusals} times)` : "";
          this.#write("refused", `a connection to port ${listening(event.route)}: ${event.error.message}${times}`);
        }
        return;
      case "reconnected":
        this.#refusals = 0;
        return this.#say("reconnected", `after ${(event.afterMs / 1000).toFixed(2)} s`);
      case "answers":
        return this.#say("answers", `the other side goes on after ${(event.afterMs / 1000).toFixed(2)} s`);
      case "bound":
        return this.#say("bound", `port ${event.route.remotePort} of the other side is bound again`);
    }
  }

  #say(event: string, message: string): void {
    if (`${event} ${message}` === this.#last) return;
    this.#last = `${event} ${message}`;
    this.#write(event, message);
  }
}

const refusalsMax = 20;

function listening({ kind, localPort, remotePort }: { kind: string; localPort: number; remotePort: number | null }) {
  return kind === "reverse" ? remotePort : localPort;
}
