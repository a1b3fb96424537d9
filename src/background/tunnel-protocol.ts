import { z } from "zod";
import type { HostLogin } from "../hosts/target.ts";

/*
 * What is said of tunnels over the control socket: see protocol.ts. The filter, and of a report the name, the state and
 * the forwards, stay as they are in every version.
 */

const port = z.number().int().min(0).max(65535);

const Address = z.object({ host: z.string(), port, user: z.string() });

const Route = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("local"), bind: z.string(), localPort: port, remoteHost: z.string(), remotePort: port }),
  z.object({ kind: z.literal("reverse"), bind: z.string(), localPort: port, remoteHost: z.string(), remotePort: port }),
  z.object({ kind: z.literal("socks"), bind: z.string(), localPort: port, remoteHost: z.null(), remotePort: z.null() }),
]);

const HostLogin: z.ZodType<HostLogin> = z.lazy(() =>
  z.object({
    address: Address,
    identities: z.array(z.string()),
    identitiesOnly: z.boolean(),
    certificates: z.array(z.string()),
    agent: z.string().nullable(),
    knownHosts: z.array(z.string()),
    hostKeyAlias: z.string().nullable(),
    unknownHost: z.enum(["refuse", "accept-new"]),
    jumps: z.array(HostLogin),
    proxyCommand: z.string().nullable(),
    connectTimeoutMs: z.number(),
    mayAskPassword: z.boolean(),
  })
);

/** Where a tunnel leads, and how one logs in there: nothing of it is secret. */
const Destination = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("instance"),
    instanceId: z.string(),
    /** Its launch in the journal, which knows its address should it get another one. */
    token: z.string(),
    address: Address,
    /** The public key the instance must show. */
    hostKey: z.string(),
    /** Read by the background process itself: no key travels. */
    privateKeyPath: z.string(),
  }),
  z.object({ kind: z.literal("host"), name: z.string(), login: HostLogin }),
]);

export type Destination = z.output<typeof Destination>;

export const TunnelRequest = z.object({
  /** Unique among those that are open. */
  name: z.string().min(1).max(200),
  to: Destination,
  routes: z.array(Route).min(1),
  /** How its machine was named on the command line, with the flags that reach it; as its target is called where left out. */
  reach: z.array(z.string()).optional(),
  /** What a person answered to questions while logging in, by question: stays in memory, for as long as the tunnel is. */
  answers: z.record(z.string(), z.string()).optional(),
});

export type TunnelRequest = z.output<typeof TunnelRequest>;

/**
 * A tunnel of the background process. One that was given up stays in the list, as `ended`, until it is stopped. `lost`
 * is said by who asks: the process that held it is gone.
 */
export const TunnelReport = z.object({
  name: z.string(),
  /** Null where it leads to a host. */
  instanceId: z.string().nullable(),
  /** Id of the instance, or the host's name. */
  target: z.string(),
  state: z.enum(["open", "reconnecting", "ended", "lost"]),
  forwards: z.array(Route),
  connections: z.number(),
  bytesIn: z.number(),
  bytesOut: z.number(),
  reconnects: z.number(),
  latencyMs: z.number().nullable(),
  /** Milliseconds since 1970. */
  openedAt: z.number(),
  /** Why it reconnects, or ended. */
  reason: z.string().nullable(),
});

export type TunnelReport = z.output<typeof TunnelReport>;

/** Which tunnels: all that fit every field; all of them when there is none. */
export const TunnelFilter = z.object({ name: z.string().optional(), instanceId: z.string().optional() });

export type TunnelFilter = z.output<typeof TunnelFilter>;
