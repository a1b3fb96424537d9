import { UsageError } from "../errors.ts";
import type { ProviderFacts, ServiceName } from "../provider/provider.ts";

/** A local port, and where on the instance it leads: to a host and port as the instance sees them, or to a service. */
export interface Forward {
  readonly kind: "local";
  readonly bind: string;
  /** 0: any free one. */
  readonly localPort: number;
  readonly to: { readonly host: string; readonly port: number } | { readonly service: ServiceName };
}

/** A forward whose service has become a host and port. */
export interface ResolvedForward {
  readonly kind: "local";
  readonly bind: string;
  readonly localPort: number;
  readonly remoteHost: string;
  readonly remotePort: number;
}

/** A port of the remote, and the host and port it leads to, as this computer sees them. */
export interface ReverseForward {
  readonly kind: "reverse";
  /** Where it leads. */
  readonly bind: string;
  readonly localPort: number;
  /** What the remote binds to: its loopback, unless its server allows and is told more. */
  readonly remoteHost: string;
  /** 0: the remote chooses. */
  readonly remotePort: number;
}

/** A local port that speaks SOCKS: each connection says where it leads, as the remote sees it. */
export interface SocksForward {
  readonly kind: "socks";
  readonly bind: string;
  readonly localPort: number;
  readonly remoteHost: null;
  readonly remotePort: null;
}

/** Everything that a tunnel carries. */
export type Route = ResolvedForward | ReverseForward | SocksForward;

/** The routes that begin at a port of this computer. */
export type LocalRoute = ResolvedForward | SocksForward;

const serviceNames: readonly ServiceName[] = ["ci", "agent"];

/** Reads `[bind:]local:[host:]remote`; `remote` is a port, or the name of a service on the instance. */
export function parseForward(text: string): Forward {
  const invalid = (why: string) =>
    new UsageError(`the forward \`${text}\` ${why}`, {
      hint: "a forward is `[bind:]local:[host:]remote`, as in `8000:8000`, `0:ci` or `[::1]:8000:db:5432`",
    });
  const { bind, port, host, last } = splitForward(text, { invalid, what: "local", far: "the instance" });
  const address = { kind: "local" as const, bind: bind ?? "127.0.0.1", localPort: port };
  const service = serviceNames.find((name) => name === last);
  if (service) {
    if (host !== undefined) throw invalid(`gives the service \`${service}\` a host, and it has its own`);
    return { ...address, to: { service } };
  }
  const remotePort = portOf(last);
  if (!remotePort) {
    throw invalid(
      `leads to \`${last}\`, which is neither a port nor ${serviceNames.map((name) => `\`${name}\``).join(" or ")}`,
    );
  }
  return { ...address, to: { host: host ?? "localhost", port: remotePort } };
}

/** Reads `[bind:]remote:[host:]local`: a port of the remote that leads to a host and port here. */
export function parseReverse(text: string): ReverseForward {
  const invalid = (why: string) =>
    new UsageError(`the reverse forward \`${text}\` ${why}`, {
      hint: "a reverse forward is `[bind:]remote:[host:]local`, as in `9000:3000`, `0:3000` or `*:80:[::1]:8080`",
    });
  const { bind, port, host, last } = splitForward(text, { invalid, what: "remote", far: "this side" });
  const localPort = portOf(last);
  if (!localPort) throw invalid(`leads to \`${last}\`, which is not a port`);
  return {
    kind: "reverse",
    bind: host ?? "127.0.0.1",
    localPort,
    // Not `localhost`: OpenSSH binds what it can of its two addresses, and says nothing of the other.
    remoteHost: bind ?? "127.0.0.1",
    remotePort: port,
  };
}

/** Reads `[bind:]port`, where SOCKS is served; port 0 is any free one. */
export function parseSocks(text: string): SocksForward {
  const parts = splitParts(text) ?? [];
  const localPort = portOf(parts.at(-1));
  const bind = parts.length === 1 ? "127.0.0.1" : parts[0];
  if (parts.length > 2 || localPort === undefined || bind === undefined || !isBind(bind)) {
    throw new UsageError(`\`${text}\` is no place to serve SOCKS at`, {
      hint: "`--socks [bind:]port`, as in `1080`, `0` or `[::1]:1080`",
    });
  }
  return { kind: "socks", bind: bind === "*" ? "0.0.0.0" : bind, localPort, remoteHost: null, remotePort: null };
}

/** Puts the host and port of a service in the place of its name. */
export function resolveForward(
  { kind, bind, localPort, to }: Forward,
  services: ProviderFacts["services"],
): ResolvedForward {
  const { host, port } = "service" in to ? services[to.service] : to;
  return { kind, bind, localPort, remoteHost: host, remotePort: port };
}

/** Whether only programs of the same computer reach what listens there. */
export function isLoopback(bind: string): boolean {
  return bind === "localhost" || bind === "::1" || /^127\.\d+\.\d+\.\d+$/.test(bind);
}

interface Naming {
  readonly invalid: (why: string) => UsageError;
  readonly what: string;
  readonly far: string;
}

function splitForward(text: string, { invalid, what, far }: Naming) {
  const parts = splitParts(text);
  if (!parts || parts.length < 2 || parts.length > 4) throw invalid("cannot be read");
  const last = parts[parts.length - 1] ?? "";
  const front = parts.slice(0, -1);
  // Of three parts the first is a port, and the second then a host; or it is what to bind to.
  const [bind, listening, host] = isNumber(front[0]) ? [undefined, front[0], front[1]] : [front[0], front[1], front[2]];
  if (front.length === 3 && isNumber(front[0])) throw invalid("has a port where an address belongs");
  if (bind !== undefined && !isBind(bind)) throw invalid("has no address to bind to");
  const port = portOf(listening);
  if (port === undefined) throw invalid(`has no ${what} port from 0 to 65535`);
  if (host !== undefined && (isNumber(host) || !/^[A-Za-z0-9.:%_-]+$/.test(host))) {
    throw invalid(`names no host on ${far}`);
  }
  return { bind: bind === "*" ? "0.0.0.0" : bind, port, host, last };
}

function isBind(text: string): boolean {
  return /^[A-Za-z0-9.:%*_-]+$/.test(text);
}

/** The parts between colons, without the brackets around an IPv6 address; `undefined` when brackets do not match. */
function splitParts(text: string): string[] | undefined {
  const parts: string[] = [];
  const pattern = /(?:\[([^\[\]]*)\]|([^:\[\]]*))(:|$)/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (!match) return undefined;
    parts.push(match[1] ?? match[2] ?? "");
    if (match[3] === "") return parts;
  }
  return undefined;
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^\d+$/.test(text);
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || !isNumber(text) || text.length > 5) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}
