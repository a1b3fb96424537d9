import { UsageError } from "../errors.ts";
import type { ProviderFacts, ServiceName } from "../provider/provider.ts";

/** A local port, and where on the instance it leads: to a host and port as the instance sees them, or to a service. */
export interface Forward {
  readonly bind: string;
  /** 0: any free one. */
  readonly localPort: number;
  readonly to: { readonly host: string; readonly port: number } | { readonly service: ServiceName };
}

/** A forward whose service has become a host and port. */
export interface ResolvedForward {
  readonly bind: string;
  readonly localPort: number;
  readonly remoteHost: string;
  readonly remotePort: number;
}

const serviceNames: readonly ServiceName[] = ["ci", "agent"];
const shape = "`[bind:]local:[host:]remote`, as in `8000:8000`, `0:ci` or `[::1]:8000:db:5432`";

/** Reads `[bind:]local:[host:]remote`; `remote` is a port, or the name of a service on the instance. */
export function parseForward(text: string): Forward {
  const invalid = (why: string) => new UsageError(`the forward \`${text}\` ${why}`, { hint: `a forward is ${shape}` });
  const parts = splitParts(text);
  if (!parts || parts.length < 2 || parts.length > 4) throw invalid("cannot be read");
  const remote = parts[parts.length - 1] ?? "";
  const front = parts.slice(0, -1);
  // Of three parts the first is a port, and the second then a host; or it is what to bind to.
  const [bind, local, host] = isNumber(front[0]) ? ["127.0.0.1", front[0], front[1]] : [front[0], front[1], front[2]];
  if (front.length === 3 && isNumber(front[0])) throw invalid("has a port where an address belongs");
  if (!bind || !/^[A-Za-z0-9.:%*_-]+$/.test(bind)) throw invalid("has no address to bind to");
  const localPort = portOf(local);
  if (localPort === undefined) throw invalid(`has no local port from 0 to 65535`);
  if (host !== undefined && (isNumber(host) || !/^[A-Za-z0-9.:%_-]+$/.test(host))) {
    throw invalid("names no host on the instance");
  }
  const address = { bind: bind === "*" ? "0.0.0.0" : bind, localPort };

  const service = serviceNames.find((name) => name === remote);
  if (service) {
    if (host !== undefined) throw invalid(`gives the service \`${service}\` a host, and it has its own`);
    return { ...address, to: { service } };
  }
  const port = portOf(remote);
  if (!port) {
    throw invalid(
      `leads to \`${remote}\`, which is neither a port nor ${serviceNames.map((name) => `\`${name}\``).join(" or ")}`,
    );
  }
  return { ...address, to: { host: host ?? "localhost", port } };
}

/** Puts the host and port of a service in the place of its name. */
export function resolveForward({ bind, localPort, to }: Forward, services: ProviderFacts["services"]): ResolvedForward {
  const { host, port } = "service" in to ? services[to.service] : to;
  return { bind, localPort, remoteHost: host, remotePort: port };
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
