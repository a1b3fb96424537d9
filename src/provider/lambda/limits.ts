import type { Bucket } from "../../http/bucket.ts";
import type { Limiter } from "../../http/request.ts";
import type { World } from "../../world.ts";
import { isEmulator, type LambdaSettings } from "./settings.ts";

/** How often Lambda may be asked, by all processes of this computer together. */
export interface Limits {
  readonly requests: Limiter;
  /** Waits for the turn of a launch, and of its request. */
  launchTurn(signal?: AbortSignal): Promise<void>;
  /** For the launch's own request: its turn was waited for already, a 429 holds back whatever comes next. */
  readonly launches: Limiter;
}

// One request a second and one launch in 12, says the OpenAPI document; a little more, since two requests can arrive
// closer together than they left.
const requestEveryMs = 1_050;
const launchEveryMs = 12_500;
/** Shorter waits are not worth a word. */
const worthSayingMs = 1_500;

/** The limits of one account at one address; none where the address is this computer: an emulator has none. */
export function openLimits(
  world: Pick<World, "clock" | "env" | "folders">,
  { settings, account }: { settings: LambdaSettings; account: string },
): Limits | undefined {
  if (isEmulator(world, settings)) return undefined;
  const open = (kind: string, everyMs: number) => lazyBucket(world, { name: `lambda ${account} ${kind}`, everyMs });
  const requests = open("requests", requestEveryMs);
  const launches = open("launches", launchEveryMs);
  const sayFor = (what: string) => ({ ms, ahead }: { ms: number; ahead: number }) => {
    if (ms < worthSayingMs) return;
    const before = ahead === 0 ? "" : `, ${ahead} before it`;
    settings.onProgress?.(`${what}; its turn is in ${Math.ceil(ms / 1000)} s${before}`);
  };
  const turn = async (signal?: AbortSignal) =>
    await (await requests()).take({ signal, onWait: sayFor("Lambda Cloud takes one request a second") });
  return {
    requests: { turn, pause: async (ms) => await (await requests()).pause(ms) },
    async launchTurn(signal) {
      await (await launches()).take({ signal, onWait: sayFor("Lambda Cloud takes one launch in 12 seconds") });
      await turn(signal);
      // Counted from when it leaves, not from when its turn among the launches came.
      await (await launches()).pause(launchEveryMs);
    },
    launches: {
      turn: () => Promise.resolve(),
      async pause(ms) {
        await (await requests()).pause(ms);
        await (await launches()).pause(Math.max(ms, launchEveryMs));
      },
    },
  };
}

/** SQLite is loaded with the first request, not with the list of providers. */
function lazyBucket(
  world: Pick<World, "clock" | "folders">,
  options: { name: string; everyMs: number },
): () => Promise<Bucket> {
  let opened: Promise<Bucket> | undefined;
  return () => opened ??= import("../../http/bucket.ts").then(({ openBucket }) => openBucket(world, options));
}
