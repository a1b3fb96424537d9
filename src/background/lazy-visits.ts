import type { Socket } from "node:net";
import type { World } from "../world.ts";
import type { SessionReport } from "./protocol.ts";
import type { Sessions } from "./sessions.ts";
import type { Hosted } from "./visits.ts";

interface LazyVisitsOptions {
  readonly world: World;
  readonly build: string;
  readonly idleMs: number | undefined;
  readonly hosted: Hosted | undefined;
  onChange(): void;
  log(text: string): void;
}

/** What runs here for other processes, and the sessions that they share. */
export interface Visits extends AsyncDisposable {
  heldCount(): number;
  busyCount(): number;
  report(): SessionReport[];
  serve(socket: Socket, first: Uint8Array): Promise<void>;
}

/** Visits that load all they need with the first of them: a process that only watches leases stays small. */
export function lazyVisits({ world, build, idleMs, hosted, onChange, log }: LazyVisitsOptions): Visits {
  let sessions: Sessions | undefined;
  const load = async () => {
    const [visits, shared, chosen] = await Promise.all([
      import("./visits.ts"),
      import("./sessions.ts"),
      import("./selections.ts"),
    ]);
    sessions = new shared.Sessions({ clock: world.clock, idleMs, onChange, log });
    return { serveVisit: visits.serveVisit, sessions, selections: new chosen.Selections() };
  };
  let loaded: ReturnType<typeof load> | undefined;
  return {
    heldCount: () => sessions?.heldCount ?? 0,
    busyCount: () => sessions?.busyCount ?? 0,
    report: () => sessions?.report() ?? [],
    async serve(socket, first) {
      if (!hosted) return void socket.destroy();
      const { serveVisit, ...parts } = await (loaded ??= load());
      await serveVisit(socket, first, { world, build, hosted, ...parts });
    },
    [Symbol.asyncDispose]: async () => await sessions?.[Symbol.asyncDispose](),
  };
}
