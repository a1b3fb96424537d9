import { isObject, propertyOf } from "./internals.ts";

// What ssh2 does not let its users do by itself, checked as `internals.ts` does it.

/** Says what the server answers to each attempt to log in: ssh2 keeps it to itself where it tries keys. */
export function onLoginAnswer(
  client: object,
  listener: (answer: { readonly methods: readonly string[]; readonly isPartial: boolean }) => void,
): void {
  const begin = () => {
    const protocol = propertyOf(client, "_protocol");
    const handlers = isObject(protocol) ? propertyOf(protocol, "_handlers") : undefined;
    const usual = isObject(handlers) ? propertyOf(handlers, "USERAUTH_FAILURE") : undefined;
    if (!isObject(handlers) || typeof usual !== "function") return;
    Reflect.set(handlers, "USERAUTH_FAILURE", (from: unknown, methods: unknown, isPartial: unknown) => {
      const names = Array.isArray(methods) ? methods.filter((method) => typeof method === "string") : [];
      listener({ methods: names, isPartial: isPartial === true });
      Reflect.apply(usual, undefined, [from, methods, isPartial]);
    });
  };
  // The protocol is made while it connects.
  queueMicrotask(begin);
}

/** Signs a request to log in; undefined where that takes asking somebody, or the server first. */
export type SignAtOnce = (key: object, data: Buffer) => Promise<Buffer> | undefined;

/**
 * Sends the signature with the first request (RFC 4252, section 7), where ssh2 would first ask whether the key would do:
 * a round trip less.
 */
export function signAtOnce(client: object, sign: SignAtOnce): void {
  const begin = () => {
    const protocol = propertyOf(client, "_protocol");
    const usual = isObject(protocol) ? propertyOf(protocol, "authPK") : undefined;
    if (!isObject(protocol) || typeof usual !== "function") return;
    Reflect.set(protocol, "authPK", (...request: unknown[]) => {
      const [username, key, algorithm, signer] = request;
      const ask = () => Reflect.apply(usual, protocol, request);
      if (signer !== undefined || !isObject(key)) return ask();
      const withSignature = (data: unknown, done: unknown) => {
        const signing = Buffer.isBuffer(data) && typeof done === "function" ? sign(key, data) : undefined;
        if (signing === undefined || typeof done !== "function") return ask();
        signing.then((signature) => void done(signature), () => void ask());
      };
      Reflect.apply(usual, protocol, [username, key, algorithm, withSignature]);
    });
  };
  // The protocol is made while it connects.
  queueMicrotask(begin);
}

/** With a key that ssh2 itself has read. RSA is not among them: its algorithm takes an answer of the server. */
export function signParsed(key: object, data: Buffer): Promise<Buffer> | undefined {
  const sign = propertyOf(key, "sign");
  if (typeof sign !== "function" || propertyOf(key, "type") !== "ssh-ed25519") return undefined;
  const signature: unknown = Reflect.apply(sign, key, [data]);
  return signature instanceof Buffer ? Promise.resolve(signature) : undefined;
}

/** Sends a request to log in that ssh2 could not write itself. False: this version of it does not let us. */
export function sendLoginRequest(client: object, payload: Buffer): boolean {
  const protocol = propertyOf(client, "_protocol");
  const packets = isObject(protocol) ? propertyOf(protocol, "_packetRW") : undefined;
  const writer = isObject(packets) ? propertyOf(packets, "write") : undefined;
  const cipher = isObject(protocol) ? propertyOf(protocol, "_cipher") : undefined;
  const waiting = isObject(protocol) ? propertyOf(protocol, "_authsQueue") : undefined;
  if (!isObject(protocol) || !isObject(writer) || !isObject(cipher) || !Array.isArray(waiting)) return false;
  const [alloc, finalize, start] = ["alloc", "finalize", "allocStart"].map((name) => propertyOf(writer, name));
  const encrypt = propertyOf(cipher, "encrypt");
  if (typeof alloc !== "function" || typeof finalize !== "function" || typeof encrypt !== "function") return false;
  // Keys are not exchanged anew before anybody is logged in; were they, this packet would come at the wrong time.
  if (typeof start !== "number" || propertyOf(protocol, "_kexinit") !== undefined) return false;
  const packet: unknown = Reflect.apply(alloc, writer, [payload.length]);
  if (!(packet instanceof Uint8Array)) return false;
  packet.set(payload, start);
  waiting.push("publickey");
  Reflect.apply(encrypt, cipher, [Reflect.apply(finalize, writer, [packet])]);
  return true;
}
