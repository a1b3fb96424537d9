import { z } from "zod";
import type { Selection } from "./target.ts";

/** Flags that say how to reach machines that are not rented: on every command that works on some. */
export const hostParams = {
  host: z.array(z.string()).default([]).meta({
    placeholder: "user@name:port",
    complete: "host",
    description: "machine of your own to work on; `gpu help hosts` gives them names",
  }),
  user: z.string().optional().meta({ description: "user, for hosts that do not say" }),
  port: z.number().int().min(1).max(65535).optional().meta({ description: "SSH port, for hosts that do not say" }),
  identity: z.array(z.string()).default([]).meta({
    short: "i",
    placeholder: "file",
    description: "private key, for hosts",
  }),
  acceptNew: z.boolean().default(false).describe("believe a host that is not known yet, and write its key down"),
  sshConfig: z.boolean().default(true).describe("read ~/.ssh/config for hosts"),
};

/** Flags that choose one or many machines. */
export const manyParams = {
  ...hostParams,
  hostsFile: z.string().optional().meta({ placeholder: "file", description: "file with a host a line" }),
  all: z.boolean().default(false).describe("every rented instance of this computer"),
  tag: z.array(z.string()).default([]).meta({
    placeholder: "key=value",
    description: "instances and hosts that carry this tag",
  }),
};

interface Given {
  readonly host: readonly string[];
  readonly user?: string;
  readonly port?: number;
  readonly identity: readonly string[];
  readonly acceptNew: boolean;
  readonly sshConfig: boolean;
  readonly hostsFile?: string;
  readonly all?: boolean;
  readonly tag?: readonly string[];
}

/** The words and flags that reach the same machine again, on another day. */
export function reachWords(
  word: string | undefined,
  { host, user, port, identity, sshConfig }: Omit<Given, "acceptNew">,
): string[] {
  return [
    ...(word === undefined ? [] : [word]),
    ...host.flatMap((each) => ["--host", each]),
    ...(user === undefined ? [] : ["--user", user]),
    ...(port === undefined ? [] : ["--port", String(port)]),
    ...identity.flatMap((each) => ["--identity", each]),
    ...(sshConfig ? [] : ["--no-ssh-config"]),
  ];
}

/** What the flags above and the words on the command line choose. */
export function selectionOf(given: Given, targets: readonly string[] = []): Selection {
  return {
    targets,
    hosts: given.host,
    hostsFile: given.hostsFile,
    all: given.all ?? false,
    tags: given.tag ?? [],
    user: given.user,
    port: given.port,
    identities: given.identity,
    acceptNew: given.acceptNew,
    sshConfig: given.sshConfig,
  };
}
