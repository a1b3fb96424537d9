import { readFile } from "node:fs/promises";
import { childEnvironment } from "../env.ts";
import type { World } from "../world.ts";

/** Which kernel tables list the connections of a machine. */
const tables = ["/proc/net/tcp", "/proc/net/tcp6"];

/** Where an SSH server listens. Without a host every address of the machine is meant. */
export interface SshListener {
  readonly host?: string;
  readonly port: number;
}

/**
 * How many SSH connections there are: shells, commands, transfers and tunnels alike, since whoever holds one is
 * attached. `undefined` where it cannot be told.
 */
export async function countSessions(ssh: SshListener, paths = tables): Promise<number | undefined> {
  const texts = await Promise.all(paths.map((path) => readFile(path, "latin1").catch(() => undefined)));
  const known = texts.filter((text) => text !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, text) => sum + countEstablished(text, ssh), 0);
}

/** Lines of `/proc/net/tcp`: `sl local_address rem_address st …`, addresses and ports in hexadecimal; 01 is ESTABLISHED. */
export function countEstablished(table: string, { host, port }: SshListener): number {
  const local = `${host === undefined ? "" : hexAddress(host)}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").filter((line) => {
    const [, from = "", , state] = line.trim().split(/\s+/);
    return state === "01" && from.endsWith(local);
  }).length;
}

/** An IPv4 address in the kernel's order of bytes, which also ends one that is mapped into IPv6. */
function hexAddress(host: string): string {
  const bytes = host.split(".").toReversed().map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0"));
  return bytes.join("");
}

/** The SSH server that started this process; its port is the last word of what it says of the connection. */
export function sshAddressOf({ SSH_CONNECTION = "" }: World["env"]): SshListener {
  const port = Number(/^\S+ \d+ \S+ (\d{1,5})$/.exec(SSH_CONNECTION)?.[1]);
  return { port: port || 22 };
}

/** Writes a line to everybody's terminal on this machine. */
export async function tellSessions(world: World, message: string): Promise<void> {
  const child = world.spawn(["wall"], {
    cwd: world.cwd,
    env: childEnvironment(world.env),
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  child.stdin?.on("error", () => {}); // It may end without reading.
  child.stdin?.end(`${message}\n`);
  await new Promise<void>((resolve) => {
    child.once("error", () => resolve()); // A machine without `wall` has no terminals to write to either.
    child.once("close", () => resolve());
  });
}
