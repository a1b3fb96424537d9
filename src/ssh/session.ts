import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { Client } from "ssh2";
import { GpuError } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { ciphers, compression, kexAlgorithms, macs } from "./algorithms.ts";
import type { ExecOptions, ExecResult } from "./exec.ts";
import { addressText, connectFailure, SshError } from "./failure.ts";
import { fingerprint, hostKeyPreference, parsePublicKey, type PublicKey } from "./hostkeys.ts";
import { createSession } from "./multiplex.ts";
import type { TransferOptions } from "./transfer.ts";

export type { ExecOptions, ExecResult } from "./exec.ts";
export { SshError } from "./failure.ts";

/** One SSH connection; any number of commands, streams and transfers share it. */
export interface Session extends AsyncDisposable {
  readonly address: SshAddress;
  /** Runs a command in the remote login shell. Rejects when the session is lost before its end: never a false exit 0. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Opens a connection from the remote to `host:port`, as the remote sees it. It emits `error` when it is cut. */
  openStream(host: string, port: number): Promise<Duplex>;
  upload(localPath: string, remotePath: string, options?: TransferOptions): Promise<void>;
  download(remotePath: string, localPath: string, options?: TransferOptions): Promise<void>;
  /** Milliseconds that one question to the SSH server takes. Rejects when the session is lost. */
  latency(): Promise<number>;
  /** Resolves when the session is over: `undefined` when it was closed from here. */
  readonly closed: Promise<Error | undefined>;
}

export interface ConnectOptions {
  readonly world: Pick<World, "clock" | "dial" | "random">;
  readonly address: SshAddress;
  /** In OpenSSH's own format. */
  readonly privateKey: string;
  /** The public key that the server must show, in OpenSSH's one-line form. */
  readonly hostKey: string;
  readonly signal?: AbortSignal;
  /** Until the login is done; 20 s when left out. */
  readonly timeoutMs?: number;
}

/** Connects and logs in. The host key is compared exactly, always. */
export async function connect(options: ConnectOptions): Promise<Session> {
  const { world, address, signal, timeoutMs = 20_000 } = options;
  signal?.throwIfAborted();
  const hostKey = parsePublicKey(options.hostKey);
  checkPrivateKey(options.privateKey);
  const over = new AbortController();
  const limit = AbortSignal.any([over.signal, ...(signal ? [signal] : [])]);
  let isLate = false;
  const deadline = world.clock.sleep(timeoutMs, limit).then(() => {
    isLate = true;
    over.abort(new Error("too late"));
  }).catch(() => {});
  try {
    const socket = await world.dial({ host: address.host, port: address.port, signal: limit });
    return await handshake(socket, { ...options, hostKey, signal: limit });
  } catch (error) {
    signal?.throwIfAborted();
    if (isLate) {
      const text = `\`${addressText(address)}\` did not let us in within ${timeoutMs / 1000} s`;
      throw new SshError(text, { reason: "timeout", cause: error });
    }
    throw connectFailure(error, address);
  } finally {
    over.abort();
    await deadline;
  }
}

interface Handshake extends Pick<ConnectOptions, "world" | "address" | "privateKey"> {
  readonly hostKey: PublicKey;
  readonly signal: AbortSignal;
}

function handshake(socket: Socket, options: Handshake): Promise<Session> {
  const { address, privateKey, hostKey: expected, world, signal } = options;
  const client = new Client();
  const { promise, resolve, reject } = Promise.withResolvers<Session>();
  const fail = (error: unknown) => {
    reject(error);
    socket.destroy();
  };
  const onAbort = () => fail(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  client.on("error", fail);
  client.on("close", () => fail(new Error("the connection was closed")));
  client.once("ready", () => {
    signal.removeEventListener("abort", onAbort);
    client.off("error", fail);
    resolve(createSession({ client, socket, address, world }));
  });
  const hostVerifier = (blob: Buffer) => {
    if (blob.equals(expected.blob)) return true;
    fail(hostKeyMismatch({ address, expected: expected.blob, shown: blob }));
    return false;
  };
  client.connect({
    sock: socket,
    username: address.user,
    privateKey,
    hostVerifier,
    // Only the key: ssh2 would ask for "none" first, a round trip and a line in the server's log.
    authHandler: ["publickey"],
    readyTimeout: 0,
    keepaliveInterval: 15_000,
    keepaliveCountMax: 3,
    algorithms: {
      kex: kexAlgorithms,
      cipher: ciphers,
      hmac: macs,
      compress: compression,
      serverHostKey: hostKeyPreference(expected),
    },
  });
  return promise;
}

/** Before anybody is called: a key that cannot be read is not the server's fault. */
function checkPrivateKey(privateKey: string): void {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw new GpuError(`the private key cannot be read: ${key.message}`, { cause: key });
}

function hostKeyMismatch(
  { address, expected, shown }: { address: SshAddress; expected: Buffer; shown: Buffer },
): SshError {
  return new SshError(
    `the host key of \`${addressText(address)}\` is not the one that is known: expected ${fingerprint(expected)}, got ${
      fingerprint(shown)
    }`,
    {
      reason: "host-key",
      hint: "somebody may be in between, or another machine has this address now: do not log in until you know which",
    },
  );
}
