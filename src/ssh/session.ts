import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import ssh2, { Client, type ConnectConfig } from "ssh2";
import { GpuError, messageOf } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { ciphers, compression, kexAlgorithms, macs } from "./algorithms.ts";
import { Deadline } from "./deadline.ts";
import type { ExecOptions, ExecResult } from "./exec.ts";
import { addressText, connectFailure, SshError } from "./failure.ts";
import { offerHostCertificates, useCertifiedKey } from "./host-certificates.ts";
import { exactTrust, hostKeyPreference, type HostTrust } from "./hostkeys.ts";
import { signAtOnce, signParsed } from "./login-packets.ts";
import { createSession } from "./multiplex.ts";
import type { Sftp } from "./sftp/client.ts";
import type { ListenRemotely } from "./remote-ports.ts";
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
  /** Binds a port of the remote until the session ends, and hands over the connections that are made to it. */
  readonly listen: ListenRemotely;
  upload(localPath: string, remotePath: string, options?: TransferOptions): Promise<void>;
  download(remotePath: string, localPath: string, options?: TransferOptions): Promise<void>;
  /** Opens a file transfer. Rejects with the reason `channel` where the server offers none. */
  sftp(): Promise<Sftp>;
  /** Milliseconds that one question to the SSH server takes. Rejects when the session is lost. */
  latency(): Promise<number>;
  /** Resolves when the session is over: `undefined` when it was closed from here. */
  readonly closed: Promise<Error | undefined>;
}

export interface ConnectOptions {
  readonly world: Pick<World, "clock" | "dial" | "random" | "trace">;
  readonly address: SshAddress;
  /** In OpenSSH's own format. */
  readonly privateKey: string;
  /** The public key that the server must show, in OpenSSH's one-line form. */
  readonly hostKey: string;
  readonly signal?: AbortSignal;
  /** Until the login is done; 20 s when left out. */
  readonly timeoutMs?: number;
  /** The socket of an SSH agent that the machine may use, for as long as the session lives. */
  readonly forwardAgent?: string;
}

/** Connects and logs in with one key. The host key is compared exactly, always. */
export async function connect(options: ConnectOptions): Promise<Session> {
  const { world, address, privateKey } = options;
  options.signal?.throwIfAborted();
  const trust = exactTrust(options.hostKey, address);
  checkPrivateKey(privateKey);
  return await openSession({
    ...options,
    trust,
    dial: ({ signal }) => world.dial({ host: address.host, port: address.port, signal }),
    // Only the key: ssh2 would ask for "none" first, a round trip and a line in the server's log.
    authenticate({ client }) {
      signAtOnce(client, signParsed);
      return { privateKey, authHandler: ["publickey"] };
    },
  });
}

export interface SessionOptions {
  readonly world: Pick<World, "clock" | "random" | "trace">;
  readonly address: SshAddress;
  readonly trust: HostTrust;
  readonly signal?: AbortSignal;
  /** Until the login is done; 20 s when left out. The time in which a person is asked does not count. */
  readonly timeoutMs?: number;
  /** The socket of an SSH agent that the machine may use, for as long as the session lives. */
  readonly forwardAgent?: string;
  /** Opens what the connection goes through. */
  dial(limits: Limits): Promise<Duplex>;
  /** How one logs in; called once the connection is there. */
  authenticate(login: Login): Pick<ConnectConfig, "privateKey" | "authHandler">;
}

/** How long an attempt to connect may take. */
export interface Limits {
  readonly signal: AbortSignal;
  /** Does what takes a person's time, which the attempt is given back. */
  unhurried<T>(work: () => Promise<T>): Promise<T>;
}

/** What a way to log in is handed. */
export interface Login extends Limits {
  readonly client: Client;
  /** Ends the login with this error. */
  fail(error: unknown): void;
}

/** Connects and logs in. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { world, address, signal, timeoutMs = 20_000 } = options;
  signal?.throwIfAborted();
  await using deadline = new Deadline(world.clock, timeoutMs, signal);
  const startedAt = world.clock.monotonic();
  const trace = (how: string) => {
    const ms = Math.round(world.clock.monotonic() - startedAt);
    world.trace?.(`SSH ${addressText(address)}: ${how}, ${ms} ms`);
  };
  try {
    const socket = await options.dial({
      signal: deadline.signal,
      unhurried: (work) => deadline.suspend(work),
    });
    const session = await handshake(socket, options, deadline);
    trace(`logged in, host key ${options.trust.types.join(" or ")}`);
    return session;
  } catch (error) {
    trace(`not logged in: ${messageOf(error)}`);
    signal?.throwIfAborted();
    if (deadline.isOver) {
      const text = `\`${addressText(address)}\` did not let us in within ${timeoutMs / 1000} s`;
      throw new SshError(text, { reason: "timeout", cause: error });
    }
    // What is not about the connection says so itself: a question that was left, a file that cannot be written.
    if (error instanceof GpuError) throw error;
    throw connectFailure(error, address);
  }
}

function handshake(socket: Duplex, options: SessionOptions, deadline: Deadline): Promise<Session> {
  const { address, trust, world } = options;
  const { signal } = deadline;
  const client = new Client();
  const { promise, resolve, reject } = Promise.withResolvers<Session>();
  const fail = (error: unknown) => {
    reject(error);
    socket.destroy();
  };
  const onError = (error: Error) => {
    // A key that an agent does not sign with is one that was not accepted; the next one is tried.
    if (!("level" in error && error.level === "agent")) fail(error);
  };
  const onAbort = () => fail(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  client.on("error", onError);
  client.on("close", () => fail(new Error("the connection was closed")));
  client.once("ready", () => {
    signal.removeEventListener("abort", onAbort);
    client.off("error", onError);
    resolve(createSession({ client, socket, address, world }));
  });
  const hostVerifier = (blob: Buffer, verify: (isBelieved: boolean) => void) => {
    judge(client, trust, blob).then(() => verify(true), fail);
  };
  client.connect({
    sock: socket,
    username: address.user,
    ...(options.forwardAgent === undefined ? {} : { agent: options.forwardAgent, agentForward: true }),
    ...options.authenticate({ client, signal, fail, unhurried: (work) => deadline.suspend(work) }),
    hostVerifier,
    readyTimeout: 0,
    keepaliveInterval: 15_000,
    keepaliveCountMax: 3,
    algorithms: {
      kex: kexAlgorithms,
      cipher: ciphers,
      hmac: macs,
      compress: compression,
      serverHostKey: hostKeyPreference(trust.types),
    },
  });
  if (trust.isVouchedFor) offerHostCertificates(client);
  return promise;
}

/** Whether a host key is believed: the answer may come later, but ssh2 verifies what was signed as soon as it can. */
async function judge(client: Client, trust: HostTrust, blob: Buffer): Promise<void> {
  const isUsable = useCertifiedKey(client, blob);
  await trust.judge(blob);
  if (!isUsable) throw new Error("its certificate cannot be used");
}

/** Before anybody is called: a key that cannot be read is not the server's fault. */
function checkPrivateKey(privateKey: string): void {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw new GpuError(`the private key cannot be read: ${key.message}`, { cause: key });
}
