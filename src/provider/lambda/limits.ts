import type { Bucket } from "../../http/bucket.ts";
import type { Limiter, SlowDown } from "../../http/request.ts";
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

/** For how long an emulator that has said once that it limits is asked no faster. */
const rememberedMs = 60_000;

/**
 * The limits of one account at one address. An emulator on this computer has none until it says so, in the header
 * `RateLimit-Policy` of a 429: from then on all processes keep them there too.
 */
export function openLimits(
  world: Pick<World, "clock" | "env" | "folders">,
  { settings, account }: { settings: LambdaSettings; account: string },
): Limits {
  const isSilent = isEmulator(world, settings);
  const open = (kind: string, everyMs: number) => lazyBucket(world, { name: `lambda ${account} ${kind}`, everyMs });
  const requests = open("requests", requestEveryMs);
  const launches = open("launches", launchEveryMs);
  const said = open("limited", rememberedMs);
  const isLimited = async () => !isSilent || await (await said()).left() > 0;
  const sayFor = (what: string) => ({ ms, ahead }: { ms: number; ahead: number }) => {
    if (ms < worthSayingMs) return;
    const before = ahead === 0 ? "" : `, ${ahead} before it`;
    settings.onProgress?.(`${what}; its turn is in ${Math.ceil(ms / 1000)} s${before}`);
  };
  const turn = async (signal?: AbortSignal) => {
    if (!await isLimited()) return;
    await (await requests()).take({ signal, onWait: sayFor("Lambda Cloud takes one request a second") });
  };
  const pause = async (ms: number, { attempt, hasPolicy }: SlowDown) => {
    // An emulator's 429 out of the blue is one of its faults.
    if (isSilent && !hasPolicy) return false;
    if (isSilent) await (await said()).pause(rememberedMs);
    await (await requests()).pause(isSilent ? requestEveryMs * attempt : ms);
    return true;
  };
  return {
    requests: { turn, pause },
    async launchTurn(signal) {
      if (await isLimited()) {
        await (await launches()).take({ signal, onWait: sayFor("Lambda Cloud takes one launch in 12 seconds") });
        await turn(signal);
      }
      // Counted from when it leaves, not from when its turn among the launches came.
      await (await launches()).pause(launchEveryMs);
    },
    launches: {
      turn: () => Promise.resolve(),
      async pause(ms, refusal) {
        const isHeldBack = await pause(ms, refusal);
        if (isHeldBack) await (await launches()).pause(Math.max(isSilent ? 0 : ms, launchEveryMs));
        return isHeldBack;
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
