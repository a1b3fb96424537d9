import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import ssh2 from "ssh2";
import type { AuthContext, Connection, ParsedKey, ServerConfig } from "ssh2";
import { messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import { ciphers, compression, kexAlgorithms, macs } from "./algorithms.ts";
import { forwardConnections } from "./server/forward.ts";
import type { Service } from "./server/forward.ts";
import { serveSession } from "./server/session.ts";

/** What a server needs to know. */
export interface SshServerOptions {
  readonly world: Pick<World, "spawn" | "clock" | "platform">;
  /** Sends a signal to a process, or to a process group when `pid` is negative. */
  readonly kill: (pid: number, signal: NodeJS.Signals) => void;
  /** The host's private key in OpenSSH's form. */
  readonly hostKey: string;
  /** One-line public keys that may log in. */
  readonly authorizedKeys: readonly string[];
  /** The only user there is. */
  readonly user: string;
  /** `127.0.0.1` when left out. */
  readonly host?: string;
  /** Any free port when left out or 0. */
  readonly port?: number;
  /** Absolute path: where commands start and what relative SFTP paths are relative to. */
  readonly home: string;
  /** The user's shell, run as `shell -c command`. */
  readonly shell: string;
  /** The whole environment of what the server starts; a client's own variables are added, those here win. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Names that forwarding knows beside real addresses. */
  readonly services?: readonly Service[];
  readonly onLog?: (line: string) => void;
}

/** A running server; disposing of it ends its connections, not what they started. */
export interface SshServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

/** As many keys as a full SSH agent offers before the right one. */
const maxAttempts = 30;

/** Serves SSH for one user: exec, shell, PTY, SFTP, forwarding; public-key login only. */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const { host = "127.0.0.1", services = [], onLog: log = () => {} } = options;
  const keys = options.authorizedKeys.map(parsePublicKey);
  const ssh = new ssh2.Server(serverConfig(options.hostKey), (connection, { header }) => {
    const isLinkFirst = header.versions.software.startsWith("ssh2js");
    // What ends a connection is in the `close` that follows; a peer that vanishes is no news.
    connection.on("error", (error) => log(`connection: ${messageOf(error)}`));
    connection.setMaxListeners(0); // Each of its channels listens for its end.
    authenticate({ connection, keys, user: options.user, log });
    connection.on("ready", () => {
      connection.on("session", (accept) => serveSession({ session: accept(), connection, options, isLinkFirst, log }));
      forwardConnections({ connection, services, log });
    });
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    // Node's and ssh2's types of one and the same socket disagree on a detail.
    Reflect.apply(ssh.injectSocket, ssh, [socket]);
  });
  const port = await listen(server, { host, port: options.port ?? 0 });
  server.on("error", (error) => log(`server: ${error.message}`));
  return {
    host,
    port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function serverConfig(hostKey: string): ServerConfig {
  return {
    hostKeys: [hostKey],
    ident: "gpu",
    keepaliveInterval: 30_000,
    keepaliveCountMax: 4,
    algorithms: { kex: kexAlgorithms, cipher: ciphers, hmac: macs, compress: compression },
  };
}

interface Authentication {
  readonly connection: Connection;
  readonly keys: readonly ParsedKey[];
  readonly user: string;
  readonly log: (line: string) => void;
}

function authenticate({ connection, keys, user, log }: Authentication): void {
  let attempts = 0;
  connection.on("authentication", (request) => {
    const answer = judge({ request, keys, user });
    if (answer === "accept") return request.accept();
    if (request.method !== "none") log(`login refused: ${answer}`);
    if (++attempts > maxAttempts) connection.end();
    else request.reject(["publickey"]);
  });
}

/** `accept`, or why not. A request without a signature only asks whether the key would do. */
function judge({ request, keys, user }: { request: AuthContext; keys: readonly ParsedKey[]; user: string }): string {
  if (request.method !== "publickey") return `${request.method} is not offered`;
  // Every key is compared, and the user too, so that the time taken says nothing.
  const matching = keys.filter((key) => isSame(key.getPublicSSH(), request.key.data));
  const isUser = isSame(Buffer.from(user), Buffer.from(request.username));
  const [key] = matching;
  if (key === undefined || !isUser) return "key or user unknown";
  if (request.signature === undefined) return "accept";
  if (request.blob === undefined) return "a signature of nothing";
  return key.verify(request.blob, request.signature, request.hashAlgo) === true ? "accept" : "bad signature";
}

/** Compares digests, which have one length, in constant time. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function parsePublicKey(line: string): ParsedKey {
  const key = ssh2.utils.parseKey(line);
  if (key instanceof Error) throw new Error(`cannot read an authorized key: ${key.message}`, { cause: key });
  return key;
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("the SSH server has no port"));
      else resolve(address.port);
    });
  });
}
