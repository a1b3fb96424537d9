import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { Client, type ClientChannel, type SFTPWrapper } from "ssh2";
import { GpuError, messageOf } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { ciphers, compression, kexAlgorithms, macs } from "./algorithms.ts";
import { ChannelGate } from "./channels.ts";
import { type Ask, type ExecOptions, type ExecResult, execute } from "./exec.ts";
import { addressText, connectFailure, SshError } from "./failure.ts";
import { fingerprint, hostKeyPreference, parsePublicKey, type PublicKey } from "./hostkeys.ts";
import { endedInOrder } from "./internals.ts";
import { download, type TransferOptions, upload } from "./transfer.ts";

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
  readonly world: Pick<World, "dial" | "clock">;
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
    resolve(createSession({ client, socket, address, clock: world.clock }));
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

interface Connection {
  readonly client: Client;
  readonly socket: Socket;
  readonly address: SshAddress;
  readonly clock: World["clock"];
}

function createSession({ client, socket, address, clock }: Connection): Session {
  const gate = new ChannelGate();
  const open = new Set<{ channel: object; cut: (error: Error) => void }>();
  const closed = Promise.withResolvers<Error | undefined>();
  let isClosing = false;
  let isOver = false;
  let cause: unknown;

  const lost = () => {
    const detail = cause === undefined ? "" : `: ${messageOf(cause)}`;
    return new SshError(`the SSH session with \`${addressText(address)}\` was lost${detail}`, {
      reason: "lost",
      cause,
    });
  };
  client.on("error", (error) => cause ??= error);
  client.on("end", () => socket.destroy());
  // ssh2 ends every channel after this event as if in order, so what is cut is told apart here.
  client.prependListener("close", () => {
    isOver = true;
    const error = lost();
    for (const { channel, cut } of open) if (!endedInOrder(channel)) cut(error);
    gate.close();
    closed.resolve(isClosing ? undefined : error);
  });

  const watch = (channel: object, cut: (error: Error) => void) => {
    const entry = { channel, cut };
    open.add(entry);
    return () => void open.delete(entry);
  };
  /** ssh2 throws where it is not connected any more. */
  const ask: Ask = (start) =>
    new Promise((resolve, reject) => {
      try {
        if (isOver) throw lost();
        start(resolve, (error) => reject(isOver ? lost() : error));
      } catch (error) {
        reject(isOver || !socket.writable ? lost() : error);
      }
    });

  const openSftp = () =>
    gate.open(
      () => ask<SFTPWrapper>((done, fail) => client.sftp((error, sftp) => error ? fail(error) : done(sftp))),
      (sftp) => sftp,
    );

  return {
    address,
    closed: closed.promise,
    exec: (command, options = {}) => execute({ client, address, clock, gate, watch, ask }, command, options),
    async openStream(host, port) {
      const channel = await ask<ClientChannel>((done, fail) =>
        client.forwardOut("127.0.0.1", 0, host, port, (error, channel) => error ? fail(error) : done(channel))
      );
      const forget = watch(channel, (error) => channel.emit("error", error));
      channel.once("close", forget);
      // Who has let go of the stream need not listen to how it ends.
      channel.on("error", () => {});
      return channel;
    },
    upload: (localPath, remotePath, options = {}) =>
      upload({ openSftp, closed: closed.promise, localPath, remotePath, ...options }),
    download: (remotePath, localPath, options = {}) =>
      download({ openSftp, closed: closed.promise, localPath, remotePath, ...options }),
    async latency() {
      const startedAt = performance.now();
      // Any server answers this with "no", in order: ssh2 has no ping of its own to wait for.
      await ask<void>((done, fail) => client.unforwardIn("localhost", 1, () => isOver ? fail(lost()) : done()));
      return performance.now() - startedAt;
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      if (isOver) return;
      client.end();
      await Promise.race([closed.promise, clock.sleep(500)]);
      socket.destroy();
      await closed.promise;
    },
  };
}
