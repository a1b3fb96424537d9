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

function propertyOf(object: object, name: string): unknown {
  return Reflect.get(object, name);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
