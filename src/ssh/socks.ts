import type { Socket } from "node:net";
import { isIPv6 } from "node:net";

/** Where a SOCKS client wants to go; a name is resolved by whoever opens the connection. */
export interface SocksRequest {
  readonly version: 4 | 5;
  readonly host: string;
  readonly port: number;
}

/** How a request ended. */
export type SocksOutcome = "open" | "refused" | "unreachable" | "forbidden" | "failed";

/** What a client has said so far: more is needed, something is to be answered, or it is a request, or nothing of ours. */
type Heard =
  | { readonly kind: "more" }
  /** The greeting of version 5 is `bytes` long. */
  | { readonly kind: "greeting"; readonly bytes: number; readonly isAcceptable: boolean }
  | { readonly kind: "request"; readonly bytes: number; readonly request: SocksRequest }
  | { readonly kind: "invalid"; readonly answer?: Uint8Array };

const more: Heard = { kind: "more" };
/** Longer than any greeting or request may be: 4a carries a user and a name, 255 bytes each at most here. */
const bytesMax = 600;

/**
 * Reads the request of a SOCKS client (4, 4a: `SOCKS4.protocol` and `SOCKS4A.protocol` of NEC; 5: RFC 1928), answers
 * its greeting, and gives back what it sent ahead. `undefined`: it went away, or is no client of SOCKS.
 */
export async function readSocksRequest(socket: Socket): Promise<SocksRequest | undefined> {
  let buffer = Buffer.alloc(0);
  let isGreeted = false;
  const { promise, resolve } = Promise.withResolvers<SocksRequest | undefined>();
  const refuse = (answer?: Uint8Array) => {
    if (answer) endWith(socket, answer);
    else socket.destroy();
    resolve(undefined);
  };
  const onData = (chunk: Uint8Array) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const heard = hear(buffer, isGreeted);
      if (heard.kind === "more") return void (buffer.length > bytesMax && refuse());
      if (heard.kind === "invalid") return refuse(heard.answer);
      buffer = buffer.subarray(heard.bytes);
      if (heard.kind === "request") return resolve(heard.request);
      // 0xff: none of the methods it knows; 0: no login.
      if (!heard.isAcceptable) return refuse(Uint8Array.of(5, 0xff));
      socket.write(Uint8Array.of(5, 0));
      isGreeted = true;
    }
  };
  const onGone = () => resolve(undefined);
  socket.on("data", onData).once("end", onGone).once("close", onGone);
  socket.resume();
  const request = await promise;
  socket.off("data", onData).off("end", onGone).off("close", onGone);
  if (!request) return undefined;
  socket.pause();
  if (buffer.length > 0) socket.unshift(buffer);
  return request;
}

/** The last that a client hears; what it still says is for nobody. */
export function endWith(socket: Socket, answer: Uint8Array): void {
  socket.end(answer);
  socket.resume();
}

/** The answer to a request; with the first that is not `open` the connection ends. */
export function socksAnswer(version: 4 | 5, outcome: SocksOutcome): Uint8Array {
  if (version === 4) return Uint8Array.of(0, outcome === "open" ? 0x5a : 0x5b, 0, 0, 0, 0, 0, 0);
  const code = { open: 0, failed: 1, forbidden: 2, unreachable: 4, refused: 5 }[outcome];
  // Where it is bound on the other side is not known: 0.0.0.0:0.
  return Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0);
}

function hear(buffer: Buffer, isGreeted: boolean): Heard {
  const [version] = buffer;
  if (version === undefined) return more;
  if (version === 4 && !isGreeted) return hearFour(buffer);
  if (version !== 5) return { kind: "invalid" };
  return isGreeted ? hearFive(buffer) : hearGreeting(buffer);
}

function hearGreeting(buffer: Buffer): Heard {
  const count = buffer[1];
  if (count === undefined || buffer.length < 2 + count) return more;
  return { kind: "greeting", bytes: 2 + count, isAcceptable: buffer.subarray(2, 2 + count).includes(0) };
}

function hearFour(buffer: Buffer): Heard {
  if (buffer.length < 9) return more;
  const invalid: Heard = { kind: "invalid", answer: socksAnswer(4, "failed") };
  if (buffer[1] !== 1) return invalid;
  const port = buffer.readUInt16BE(2);
  const userEnd = buffer.indexOf(0, 8);
  if (userEnd < 0) return more;
  const address = [...buffer.subarray(4, 8)];
  // 4a: an address 0.0.0.x says that a name follows behind the user.
  if (address.slice(0, 3).some((byte) => byte !== 0) || address[3] === 0) {
    return { kind: "request", bytes: userEnd + 1, request: { version: 4, host: address.join("."), port } };
  }
  const nameEnd = buffer.indexOf(0, userEnd + 1);
  if (nameEnd < 0) return more;
  const host = hostOf(buffer.subarray(userEnd + 1, nameEnd));
  return host === undefined ? invalid : { kind: "request", bytes: nameEnd + 1, request: { version: 4, host, port } };
}

function hearFive(buffer: Buffer): Heard {
  const invalid = (code: number): Heard => ({
    kind: "invalid",
    answer: Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0),
  });
  const [, command, , type, first] = buffer;
  if (type === undefined || first === undefined) return more;
  // 7: the command is not supported; 8: the kind of address is not.
  if (command !== 1) return invalid(7);
  const length = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? 1 + first : undefined;
  if (length === undefined) return invalid(8);
  const bytes = 4 + length + 2;
  if (buffer.length < bytes) return more;
  const address = buffer.subarray(4, 4 + length);
  const host = type === 1 ? address.join(".") : type === 4 ? sixText(address) : hostOf(address.subarray(1));
  if (host === undefined) return invalid(1);
  return { kind: "request", bytes, request: { version: 5, host, port: buffer.readUInt16BE(4 + length) } };
}

/** A name as it may be asked for on the other side: what is in it was said by whoever may use the port. */
function hostOf(bytes: Buffer): string | undefined {
  const host = bytes.toString("latin1");
  return /^[A-Za-z0-9._-]{1,255}$/.test(host) || isIPv6(host) ? host : undefined;
}

function sixText(address: Buffer): string {
  return Array.from({ length: 8 }, (_, index) => address.readUInt16BE(2 * index).toString(16)).join(":");
}
