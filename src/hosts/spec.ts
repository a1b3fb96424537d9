import { UsageError } from "../errors.ts";
import { oneLine } from "../safe-text.ts";

/** A host as a person writes it: what they did not say is undefined. */
export interface HostSpec {
  readonly user: string | undefined;
  readonly name: string;
  readonly port: number | undefined;
}

/**
 * Reads `user@name:port`, `user@[v6]:port` or `ssh://user@name:port`. `place` says where it stands: `--host`,
 * `hosts.txt:3`. A name that could be an option, a shell's command or a terminal's is none.
 */
export function parseHostSpec(text: string, place: string): HostSpec {
  const bare = text.replace(/^ssh:\/\/([^/]*)\/?$/, "$1");
  const isKey = place.endsWith(" of the configuration") && /[[\]]/.test(text);
  const wrong = (why: string) =>
    new UsageError(`\`${oneLine(text, 100)}\` is not a host (${place}): ${why}`, {
      hint: isKey
        ? 'the key is a name, and `range:` below it stands for several hosts: `lab: { range: "node[01-32]" }`'
        : "hosts are written `name`, `user@name`, `user@name:port` or `user@[2001:db8::1]:port`",
    });
  const at = bare.lastIndexOf("@");
  const user = at < 0 ? undefined : bare.slice(0, at);
  const rest = bare.slice(at + 1);
  if (user !== undefined && !isUserName(user)) throw wrong("its user is not one");
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(rest);
  // More than one colon, and no brackets: an IPv6 address without a port.
  const isBareV6 = !bracketed && (rest.match(/:/g)?.length ?? 0) > 1;
  const [, plain = "", plainPort] = /^([^:]*)(?::(.*))?$/.exec(rest) ?? [];
  const name = bracketed ? bracketed[1] ?? "" : isBareV6 ? rest : plain;
  const port = bracketed ? bracketed[2] : isBareV6 ? undefined : plainPort;
  if (!isHostName(name)) throw wrong("its name is not one");
  if ((bracketed || isBareV6) && !name.includes(":") && !/^\d/.test(name)) throw wrong("brackets are for addresses");
  return { user, name, port: port === undefined ? undefined : portOf(port, wrong) };
}

function portOf(text: string, wrong: (why: string) => UsageError): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65535) throw wrong("its port is not a number from 1 to 65535");
  return port;
}

/** Whether this can be the name or the address of a host. */
export function isHostName(name: string): boolean {
  return name.length <= 255 && /^[\p{L}\p{N}_:][\p{L}\p{N}_.:%+-]*$/u.test(name);
}

/** Whether this can be the name of a user. */
export function isUserName(name: string): boolean {
  return name.length <= 128 && /^[\p{L}\p{N}_.][\p{L}\p{N}_.@+-]*\$?$/u.test(name);
}
