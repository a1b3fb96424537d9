import { GpuError, type GpuErrorOptions, messageOf, systemCode } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import { quoteWord } from "../quote.ts";
import { oneLine } from "../safe-text.ts";

/** Why there is no session. `unreachable`, `refused`, `timeout` and `closed` may pass by themselves while a machine boots. */
export type SshFailure =
  | "unreachable"
  | "refused"
  | "timeout"
  | "closed"
  | "login"
  | "host-key"
  | "algorithms"
  | "lost"
  | "channel";

/** An SSH session could not be opened, or ended before its work did. */
export class SshError extends GpuError {
  override name = "SshError";
  readonly reason: SshFailure;

  constructor(message: string, { reason, ...options }: GpuErrorOptions & { reason: SshFailure }) {
    super(message, options);
    this.reason = reason;
  }
}

/** `user@host:port`, as a person would say it. */
export function addressText({ host, port, user }: SshAddress): string {
  return `${user}@${host.includes(":") ? `[${host}]` : host}:${port}`;
}

interface Refused {
  readonly address: SshAddress;
  /** Labels of the keys that were offered. */
  readonly tried: readonly string[];
  /** What could not be offered, and why. */
  readonly troubles: readonly string[];
  /** What the server takes; undefined where it never said. */
  readonly methods: readonly string[] | undefined;
  /** Something was accepted, and more is wanted. */
  readonly isPartlyIn: boolean;
  /** Somebody could be asked. */
  readonly isAsked: boolean;
}

/** Nothing that was tried is accepted. */
export function loginRefused({ address, tried, troubles, methods = [], isPartlyIn, isAsked }: Refused): SshError {
  const offered = tried.length === 0 ? "there is no key to offer" : `tried ${listed(tried)}`;
  const more = isPartlyIn ? "; it wants more than a key" : "";
  const wanted = methods.filter((method) => method !== "publickey");
  const hint = troubles.length > 0
    ? listed(troubles)
    : !isAsked && wanted.some((method) => method === "password" || method === "keyboard-interactive")
    ? "it may take a password, which is asked for on a terminal, for one host; `--identity` names another key"
    : "`--identity` names another key, `--user` another user";
  const text = `the login as \`${addressText(address)}\` is refused: ${offered}${more}`;
  return new SshError(text, { reason: "login", hint });
}

function listed(texts: readonly string[]): string {
  const most = 5;
  const shown = texts.slice(0, most).map((text) => oneLine(text, 200)).join(", ");
  return texts.length > most ? `${shown} and ${texts.length - most} more` : shown;
}

/** Says what went wrong while a session was being opened. */
export function connectFailure(error: unknown, address: SshAddress): SshError {
  if (error instanceof SshError) return error;
  const at = `\`${addressText(address)}\``;
  const text = oneLine(messageOf(error), 300);
  const failure = (reason: SshFailure, message: string, hint?: string) =>
    new SshError(message, { reason, hint, cause: error });
  switch (systemCode(error)) {
    case "ECONNREFUSED":
      return failure("refused", `nothing answers SSH at ${at}: the connection is refused`);
    case "ETIMEDOUT":
      return failure("timeout", `${at} does not answer`);
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EHOSTDOWN":
      return failure("unreachable", `${at} cannot be reached: ${text}`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_NONAME":
      return failure("unreachable", `the name \`${address.host}\` is not known`);
  }
  if (/no matching/i.test(text)) {
    const what = text.replace(/^Handshake failed: /, "").replace("C->S ", "").replace("S->C ", "");
    const byHand = `ssh -p ${address.port} ${quoteWord(`${address.user}@${address.host}`)}`;
    return failure(
      "algorithms",
      `no common algorithm with the SSH server at ${at}: ${what}`,
      `\`${byHand}\` may know more of them`,
    );
  }
  if (/authentication methods failed/i.test(text)) {
    return failure("login", `the login as ${at} is refused: the key is not accepted`);
  }
  if (/too many authentication/i.test(text)) {
    return failure(
      "login",
      `the login as ${at} is refused: the server does not let so many keys be tried`,
      "`--identity` names the one that is right",
    );
  }
  return failure("closed", `the connection to ${at} was closed before the login was done: ${text}`, closedHint(text));
}

function closedHint(text: string): string | undefined {
  if (/Invalid identification|Connection lost before handshake|before handshake/i.test(text)) {
    return "is that an SSH server?";
  }
  return undefined;
}
