import type { Route } from "../ssh/forward.ts";

interface Routed {
  /** What it leads to, as a person calls it. */
  readonly target: string;
  readonly forwards: readonly Route[];
}

/** A line for each route: `127.0.0.1:8000 → i-1:8000`, `i-1:9000 → 127.0.0.1:3000`, `127.0.0.1:1080 → i-1 (SOCKS)`. */
export function routesText({ target, forwards }: Routed): string[] {
  return forwards.map((route) => {
    const here = at(route.bind, route.localPort);
    if (route.kind === "socks") return `${here} → ${target} (SOCKS)`;
    const there = isItself(route.remoteHost)
      ? `${target}:${route.remotePort}`
      : route.kind === "local"
      ? `${target}:${at(route.remoteHost, route.remotePort)}`
      : `${target} at ${at(route.remoteHost, route.remotePort)}`;
    return route.kind === "local" ? `${here} → ${there}` : `${there} → ${here}`;
  });
}

/** The same for a table: `8000 → 8000`, `9000 ← 3000`, `1080 SOCKS`; `here ← there` are the ports of the other side. */
export function routeCell(route: Route): string {
  const here = route.bind === "127.0.0.1" ? `${route.localPort}` : at(route.bind, route.localPort);
  if (route.kind === "socks") return `${here} SOCKS`;
  const there = isItself(route.remoteHost) ? `${route.remotePort}` : at(route.remoteHost, route.remotePort);
  return `${here} ${route.kind === "local" ? "→" : "←"} ${there}`;
}

function isItself(host: string): boolean {
  return host === "127.0.0.1" || host === "localhost";
}

function at(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
