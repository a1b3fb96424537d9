/*
 * The few things that ssh2 knows and its interface does not tell. All of them are checked before they are used,
 * so that another version of it costs a feature and not a crash.
 */

/** Whether the other side has ended the stream in order: what comes after `false` was cut off. */
export function endedInOrder(channel: object): boolean {
  const incoming = propertyOf(channel, "incoming");
  const state = isObject(incoming) ? propertyOf(incoming, "state") : undefined;
  return state === "eof" || state === "closed";
}

/** Sends a signal, also once stdin has ended: ssh2's own `signal` does nothing from then on. */
export function sendSignal(channel: object, name: string): void {
  callProtocol(channel, "signal", [name]);
}

/** Tells the size of the terminal, also once stdin has ended. */
export function sendWindowSize(channel: object, { columns, rows }: { columns: number; rows: number }): void {
  callProtocol(channel, "windowChange", [rows, columns, 0, 0]);
}

/** What the server calls itself: `OpenSSH_9.2p1 Debian-2`. Empty where that is not known. */
export function serverSoftware(client: object): string {
  const version = propertyOf(client, "_remoteVer");
  return typeof version === "string" ? version : "";
}

function callProtocol(channel: object, method: string, parameters: readonly unknown[]): void {
  const outgoing = propertyOf(channel, "outgoing");
  const client = propertyOf(channel, "_client");
  if (!isObject(outgoing) || !isObject(client)) return;
  const state = propertyOf(outgoing, "state");
  if (state !== "open" && state !== "eof") return;
  const protocol = propertyOf(client, "_protocol");
  if (!isObject(protocol)) return;
  const run = propertyOf(protocol, method);
  if (typeof run === "function") Reflect.apply(run, protocol, [propertyOf(outgoing, "id"), ...parameters]);
}

export function propertyOf(object: object, name: string): unknown {
  return Reflect.get(object, name);
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/**
 * Sends a message that says nothing (SSH_MSG_IGNORE, RFC 4253, 11.2), and with it the acknowledgement of TCP at once.
 * OpenSSH's server leaves Nagle's algorithm on where nobody opened a session: the end of a short answer would wait 40 ms.
 */
export function acknowledge(channel: object): void {
  const client = propertyOf(channel, "_client");
  const protocol = isObject(client) ? propertyOf(client, "_protocol") : undefined;
  const socket = isObject(client) ? propertyOf(client, "_sock") : undefined;
  const packets = isObject(protocol) ? propertyOf(protocol, "_packetRW") : undefined;
  const writer = isObject(packets) ? propertyOf(packets, "write") : undefined;
  const cipher = isObject(protocol) ? propertyOf(protocol, "_cipher") : undefined;
  if (!isObject(protocol) || !isObject(writer) || !isObject(cipher) || !isObject(socket)) return;
  const [alloc, finalize, start] = ["alloc", "finalize", "allocStart"].map((name) => propertyOf(writer, name));
  const encrypt = propertyOf(cipher, "encrypt");
  if (typeof alloc !== "function" || typeof finalize !== "function" || typeof encrypt !== "function") return;
  // While keys are exchanged anew only that may be sent.
  if (typeof start !== "number" || propertyOf(protocol, "_kexinit") !== undefined) return;
  if (propertyOf(socket, "writable") !== true) return;
  const packet: unknown = Reflect.apply(alloc, writer, [ignoreMessage.length]);
  if (!(packet instanceof Uint8Array)) return;
  packet.set(ignoreMessage, start);
  Reflect.apply(encrypt, cipher, [Reflect.apply(finalize, writer, [packet])]);
}

/** The message's number, and an empty string. */
const ignoreMessage = Uint8Array.of(2, 0, 0, 0, 0);
