import { z } from "zod";

/*
 * What is said over the control socket of the background process: one JSON object a line each way.
 * `ping`, `quit`, `tunnel.status` and `tunnel.stop` stay as they are in every version, so any `gpu` can tell an
 * older background process to end.
 */

/** Grows when a request or an answer changes in a way that another version does not understand. */
export const protocolVersion = 2;

const port = z.number().int().min(0).max(65535);
const serviceName = z.enum(["ci", "agent"]);

const Forward = z.object({
  bind: z.string(),
  localPort: port,
  to: z.union([z.object({ host: z.string(), port }), z.object({ service: serviceName })]),
});

const ResolvedForward = z.object({ bind: z.string(), localPort: port, remoteHost: z.string(), remotePort: port });

export const TunnelRequest = z.object({
  /** Unique among those that are open. */
  name: z.string().min(1).max(200),
  instanceId: z.string(),
  address: z.object({ host: z.string(), port, user: z.string() }),
  /** The public key the instance must show. */
  hostKey: z.string(),
  /** Read by the background process itself: no key travels. */
  privateKeyPath: z.string(),
  forwards: z.array(Forward).min(1),
  services: z.record(serviceName, z.object({ host: z.string(), port })),
});

export type TunnelRequest = z.output<typeof TunnelRequest>;

/** A tunnel of the background process. One that was given up stays in the list, as `ended`, until it is stopped. */
export const TunnelReport = z.object({
  name: z.string(),
  instanceId: z.string(),
  state: z.enum(["open", "reconnecting", "ended"]),
  forwards: z.array(ResolvedForward),
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

/** Values of environment variables that providers read, of the process that asks. They stay in memory. */
export const Keys = z.record(z.string(), z.string());

export type Keys = z.output<typeof Keys>;

/** A run is watched for as long as the connection that asked for it is open. */
export const WatchRequest = z.object({ run: z.string().regex(/^[0-9a-f]{1,64}$/), keys: Keys });

export type WatchRequest = z.output<typeof WatchRequest>;

/** What the reaper holds and does. Times are milliseconds since 1970. */
export const ReaperReport = z.object({
  pid: z.number(),
  /** Runs that hold a connection. */
  runs: z.array(z.string()),
  /** Launches that may have a machine. */
  openLaunches: z.number(),
  nextLeaseEndsAt: z.number().nullable(),
  /** Launches that are being stopped, with what went wrong last. */
  hunts: z.array(
    z.object({ token: z.string(), since: z.number(), attempts: z.number(), failure: z.string().nullable() }),
  ),
});

export type ReaperReport = z.output<typeof ReaperReport>;

export const Ping = z.object({
  /** Of this one process, made up at its start. */
  id: z.string(),
  version: z.string(),
  protocol: z.number(),
  /** How many things would be lost if it ended now. */
  held: z.number(),
});

export type Ping = z.output<typeof Ping>;

const id = z.number().int();

export const Request = z.discriminatedUnion("method", [
  z.object({ id, method: z.literal("ping") }),
  z.object({ id, method: z.literal("quit") }),
  z.object({ id, method: z.literal("run.watch"), parameters: WatchRequest }),
  z.object({ id, method: z.literal("keys"), parameters: Keys }),
  z.object({ id, method: z.literal("reaper.status") }),
  z.object({ id, method: z.literal("tunnel.start"), parameters: TunnelRequest }),
  z.object({ id, method: z.literal("tunnel.status"), parameters: TunnelFilter }),
  z.object({ id, method: z.literal("tunnel.stop"), parameters: TunnelFilter }),
]);

export type Request = z.output<typeof Request>;

export const Answer = z.union([
  z.object({ id, result: z.unknown() }),
  z.object({
    id,
    error: z.object({
      message: z.string(),
      hint: z.string().optional(),
      kind: z.enum(["failed", "usage", "not-found", "login", "ci", "bug", "interrupted"]),
    }),
  }),
]);

export type Answer = z.output<typeof Answer>;
