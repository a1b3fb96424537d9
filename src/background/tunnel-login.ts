import { readFile } from "node:fs/promises";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import type { Reach, ReachingWorld } from "../hosts/reach.ts";
import type { AskPerson } from "../ssh/login.ts";
import { GoneError } from "../ssh/reconnect.ts";
import type { Session } from "../ssh/session.ts";
import type { Locate } from "./locate.ts";
import { UnansweredError } from "./question.ts";
import type { Destination } from "./tunnel-protocol.ts";

export interface TunnelLoginOptions {
  readonly world: ReachingWorld;
  readonly to: Destination;
  readonly answers: Readonly<Record<string, string>>;
  readonly locate: Locate | undefined;
  /** Says a fact. */
  note(text: string): void;
}

/** Logs in for a tunnel, the first time and again. */
export type TunnelLogin = (signal: AbortSignal) => Promise<Session>;

/** How long one try may take: another one may meet a network that is back. */
const timeoutMs = 10_000;

export function tunnelLogin(options: TunnelLoginOptions): TunnelLogin {
  const { to } = options;
  return to.kind === "host" ? hostLogin(to, options) : instanceLogin(to, options);
}

function instanceLogin(
  { token, instanceId, privateKeyPath, ...known }: Extract<Destination, { kind: "instance" }>,
  { world, locate, note }: TunnelLoginOptions,
): TunnelLogin {
  let { address, hostKey } = known;
  let tries = 0;
  let isOpen = false;
  return async (signal) => {
    const { connect } = await import("../ssh/session.ts");
    if (isOpen) {
      const found = await locate?.(token, { isLost: tries > 0, signal });
      if (found === "gone") throw new GoneError(`\`${instanceId}\` was stopped`);
      if (found && found.address.host !== address.host) {
        note(`\`${instanceId}\` has the address ${found.address.host} now`);
      }
      ({ address, hostKey } = found ?? { address, hostKey });
    }
    tries++;
    const privateKey = await readKey(privateKeyPath);
    const session = await connect({ world, address, hostKey, privateKey, signal, timeoutMs });
    tries = 0;
    isOpen = true;
    return session;
  };
}

function hostLogin(
  { login }: Extract<Destination, { kind: "host" }>,
  { world, answers, note }: TunnelLoginOptions,
): TunnelLogin {
  let reach: Reach | undefined;
  let isOpen = false;
  let unanswered: UnansweredError | undefined;
  const asked = new Set<string>();
  const askPerson: AskPerson = (question) => {
    const answer = answers[question.text];
    if (answer !== undefined && !asked.has(question.text)) {
      asked.add(question.text);
      return Promise.resolve(answer);
    }
    unanswered = new UnansweredError(question);
    return Promise.reject(unanswered);
  };
  return async (signal) => {
    const { Reach } = await import("../hosts/reach.ts");
    // A key is opened once, which takes a second. A session with a jump host may be what froze, so it is not used again.
    if (reach === undefined || login.jumps.length > 0) reach = new Reach({ world, note, askPerson });
    unanswered = undefined;
    asked.clear();
    try {
      const limit = isOpen ? Math.min(login.connectTimeoutMs, timeoutMs) : login.connectTimeoutMs;
      const session = await reach.connect({ ...login, connectTimeoutMs: limit }, signal);
      isOpen = true;
      return session;
    } catch (error) {
      throw unanswered ?? error;
    }
  };
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const why = systemCode(error) === "ENOENT" ? "is not there" : `cannot be read: ${messageOf(error)}`;
    throw new GpuError(`the key \`${path}\` ${why}`, { cause: error });
  }
}
