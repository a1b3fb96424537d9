import { GpuError, systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { Clock } from "../../world.ts";
import { type FaultKind, FaultOrder, type Mischief, presets } from "../faults.ts";
import { isAccepted, keyOf, RateLimit } from "./access.ts";
import {
  answerOf,
  ApiError,
  cutConnection,
  invalidKey,
  invalidParameters,
  overTheRate,
  serverTrouble,
  tooMany,
} from "./answers.ts";
import type { LambdaCloud } from "./cloud.ts";
import { operation as launching } from "./launch.ts";
import { readBody } from "./requests.ts";
import { answerRoute, findRoute, findUnknownOperation } from "./routes.ts";

/** One request and how it was answered. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** Null when no answer was given. */
  readonly status: number | null;
  /** The API's error code. */
  readonly code: string | null;
  /** What went wrong on purpose. */
  readonly fault: FaultKind | "rateLimit" | null;
  readonly durationMs: number;
}

interface ServerOptions {
  readonly cloud: LambdaCloud;
  readonly mischief: Mischief;
  readonly clock: Clock;
  readonly port: number;
  /** What every accepted key begins with. */
  readonly keyPrefix: string;
  readonly onRequest: (seen: SeenRequest) => void;
}

interface Outcome {
  /** Undefined: never answered. */
  readonly response: Response | undefined;
  readonly status: number | null;
  readonly code?: string;
  readonly fault?: SeenRequest["fault"];
}

/** Serves the API on the loopback. */
export function serveLambda(options: ServerOptions): AsyncDisposable & { readonly url: string } {
  const { clock, onRequest, port } = options;
  const limit = new RateLimit();
  const never = new Promise<Response>(() => {});
  const handle = async (request: Request): Promise<Response> => {
    const startedAt = clock.monotonic();
    const url = new URL(request.url);
    const { response, status, code = null, fault = null } = await decide({ request, url, limit, options });
    const durationMs = Math.round(clock.monotonic() - startedAt);
    onRequest({ method: request.method, path: url.pathname, status, code, fault, durationMs });
    return response ?? await never;
  };
  try {
    // Bun would share the port with a second server otherwise.
    const common = { idleTimeout: 0, development: false, reusePort: false } as const;
    const server = Bun.serve({ ...common, hostname: "127.0.0.1", port, fetch: handle });
    return {
      url: `http://127.0.0.1:${server.port}`,
      [Symbol.asyncDispose]: () => server.stop(true),
    };
  } catch (error) {
    const why = systemCode(error) === "EADDRINUSE" ? "another program listens there" : reasonOf(error);
    throw new GpuError(`cannot serve on port ${port}: ${why}`, { hint: "`--port 0` takes any free one", cause: error });
  }
}

interface Deciding {
  readonly request: Request;
  readonly url: URL;
  readonly limit: RateLimit;
  readonly options: ServerOptions;
}

/** Trouble first, in the order of what stands between a client and its answer; then the answer, which may get lost. */
async function decide({ request, url, limit, options }: Deciding): Promise<Outcome> {
  const { cloud, mischief, clock, keyPrefix } = options;
  const isKnown = isAccepted(keyOf(request), keyPrefix);
  if (url.pathname.startsWith("/_emulator/")) {
    return await answering(() => isKnown ? control({ request, url, options }) : refuse(invalidKey()));
  }
  const found = findRoute(request.method, url.pathname);
  const operation = found?.route.operation ?? "";
  const happens = (kind: FaultKind) => mischief.happens(kind, operation);
  const { chance, settings } = mischief;
  const isLaunch = operation === launching;

  const isSlow = happens("slow");
  if (isSlow) await clock.sleep(settings.slowMs * chance.next("slowMs"));
  const isOver = settings.rateLimit && limit.isOver({ now: clock.now(), isLaunch });
  if (isOver) return { response: overTheRate(), status: 429, fault: "rateLimit" };
  if (happens("tooMany")) return { response: tooMany(), status: 429, fault: "tooMany" };
  if (happens("serverError")) return trouble(chance.next("serverErrorKind"), "serverError");
  if (happens("cut")) return { response: cutConnection(), status: null, fault: "cut" };
  if (isLaunch && isKnown && happens("launchLost")) return lose(chance.next("lostHow"), "launchLost");

  const outcome = await answering(async () => {
    if (!isKnown) throw invalidKey();
    const data = await answerRoute(found, { cloud, request, url, now: clock.now() });
    return Response.json({ data });
  });
  if (happens("cutAfter")) return { response: cutConnection(), status: null, fault: "cutAfter" };
  if (isLaunch && outcome.status === 200) {
    if (happens("answerLost")) return lose(chance.next("lostHow"), "answerLost");
    if (happens("answerHangs")) return { response: undefined, status: null, fault: "answerHangs" };
  }
  return { ...outcome, fault: isSlow ? "slow" : undefined };
}

async function answering(answer: () => Response | Promise<Response>): Promise<Outcome> {
  try {
    const response = await answer();
    return { response, status: response.status };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { response: answerOf(error), status: error.status, code: error.code };
  }
}

function refuse(error: ApiError): never {
  throw error;
}

function trouble(at: number, fault: FaultKind): Outcome {
  const response = serverTrouble(at);
  return { response, status: response.status, fault };
}

/** A lost answer is a cut connection as often as the error of what stands between. */
function lose(at: number, fault: FaultKind): Outcome {
  if (at < 0.5) return { response: cutConnection(), status: null, fault };
  return trouble(at, fault);
}

/** What is not Lambda's: the bill, and what goes wrong. */
async function control({ request, url, options }: Omit<Deciding, "limit">): Promise<Response> {
  const { cloud, mischief } = options;
  const asked = `${request.method} ${url.pathname}`;
  if (asked === "GET /_emulator/bill") return Response.json(cloud.bill());
  if (asked === "GET /_emulator/faults") return Response.json({ seed: mischief.chance.seed, ...mischief.settings });
  if (asked !== "POST /_emulator/faults") throw new ApiError(404, "global/not-found", "There is nothing here.");
  const { preset, ...changes } = await readBody(request, FaultOrder);
  const chosen = preset === undefined ? {} : presets[preset];
  if (chosen === undefined) throw invalidParameters(`preset: one of ${Object.keys(presets).join(", ")}.`);
  const unknown = findUnknownOperation(changes.once ?? []);
  if (unknown !== undefined) throw invalidParameters(`once: there is no operation \`${unknown}\`.`);
  mischief.change({ ...chosen, ...changes });
  return Response.json({ seed: mischief.chance.seed, ...mischief.settings });
}
