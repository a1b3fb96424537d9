import { z } from "zod";
import { TunnelFilter, TunnelRequest } from "./tunnel-protocol.ts";

/*
 * What is said over the control socket of the background process: one JSON object a line each way.
 * `ping`, `quit`, `tunnel.status` and `tunnel.stop` stay as they are in every version, so any `gpu` can tell an
 * older background process to end.
 */

/** Grows when a request or an answer changes in a way that another version does not understand. */
export const protocolVersion = 3;

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

/** An SSH session that commands share. */
export const SessionReport = z.object({
  /** `user@host:port` */
  address: z.string(),
  /** Commands that run over it now. */
  users: z.number(),
  /** Milliseconds since 1970. */
  openedAt: z.number(),
});

export type SessionReport = z.output<typeof SessionReport>;

export const Ping = z.object({
  /** Of this one process, made up at its start. */
  id: z.string(),
  version: z.string(),
  /** `buildOf`: two builds of one version share no sessions. */
  build: z.string().optional(),
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
  z.object({ id, method: z.literal("session.status") }),
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
      /** What only a person knows: to be asked with the answer. */
      question: z.object({ text: z.string(), isSecret: z.boolean() }).optional(),
    }),
  }),
]);

export type Answer = z.output<typeof Answer>;
