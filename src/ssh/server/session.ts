import type { Connection, ServerChannel, Session } from "ssh2";
import { messageOf } from "../../errors.ts";
import type { SshServerOptions } from "../server.ts";
import { runCommand } from "./exec.ts";
import { runInTerminal } from "./pty.ts";
import { serveSftp } from "./sftp.ts";
import { signals } from "./signals.ts";

/** What a session runs, once the client has said all it wants to say about it. */
export interface Start {
  readonly channel: ServerChannel;
  /** The client's variables and ours; the whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `undefined`: the shell itself. */
  readonly command: string | undefined;
  readonly options: SshServerOptions;
  readonly log: (line: string) => void;
  /** Fires when the client is gone, or has closed this channel. */
  readonly gone: AbortSignal;
}

/** What the session's later requests reach. */
export interface Running {
  signal(name: NodeJS.Signals): void;
  resize(size: WindowSize): void;
}

export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

interface SessionRequest {
  readonly session: Session;
  readonly connection: Connection;
  readonly options: SshServerOptions;
  /** ssh2 as a client sends the two paths of a symbolic link the other way round to who is not OpenSSH. */
  readonly isLinkFirst: boolean;
  readonly log: (line: string) => void;
}

/** Answers the requests of one session channel: environment, PTY, then exec, shell or SFTP, then signals and resizes. */
export function serveSession({ session, connection, options, isLinkFirst, log }: SessionRequest): void {
  keepClassName(session);
  const client: Record<string, string> = {};
  let terminal: (WindowSize & { term: string }) | undefined;
  let running: Running | undefined;
  const gone = new AbortController();
  const leave = () => gone.abort();
  session.on("close", leave);
  connection.once("close", leave);
  gone.signal.addEventListener("abort", () => connection.off("close", leave), { once: true });

  const start = (channel: ServerChannel, command: string | undefined) => {
    const shared = { channel, command, options, log, gone: gone.signal };
    if (terminal === undefined) return runCommand({ ...shared, env: { ...client, ...options.environment } });
    const env = { ...client, ...options.environment, TERM: terminal.term };
    return runInTerminal({ ...shared, env, size: terminal });
  };

  session.on("env", (accept, reject, { key, val }) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) || val.includes("\0")) return reject?.();
    client[key] = val;
    accept?.();
  });
  session.on("pty", (accept, reject, info) => {
    if (options.world.platform === "win32") return reject?.();
    const term = "term" in info && typeof info.term === "string" ? info.term : "xterm-256color";
    terminal = { columns: info.cols || 80, rows: info.rows || 24, term };
    accept?.();
  });
  session.on("window-change", (accept, _reject, { cols, rows }) => {
    running?.resize({ columns: cols || 80, rows: rows || 24 });
    accept?.();
  });
  session.on("signal", (accept, reject, { name }) => {
    const signal = signals[name];
    if (signal === undefined) return reject?.();
    running?.signal(signal);
    accept?.();
  });
  const open = (accept: () => ServerChannel) => {
    const channel = accept();
    // A write that comes after the client has gone must not end the whole server.
    for (const stream of [channel, channel.stderr]) stream.on("error", (error) => log(`channel: ${messageOf(error)}`));
    return channel;
  };
  session.on("shell", (accept) => {
    running = start(open(accept), undefined);
  });
  session.on("exec", (accept, _reject, { command }) => {
    running = start(open(accept), command);
  });
  // Nobody listens for `sftp`, so ssh2 gives the bare channel: its own SFTP neither waits for a slow disk nor keeps
  // names that are not UTF-8.
  session.on("subsystem", (accept, reject, { name }) => {
    if (name !== "sftp") return reject?.();
    const { home, world: { clock } } = options;
    serveSftp({ channel: open(accept), home, isLinkFirst, now: () => clock.now(), gone: gone.signal, log });
  });
}

/** ssh2 asks for this name when a connection is lost, and minifying changes it. */
function keepClassName(session: Session): void {
  if (session.constructor.name !== "Session") Object.defineProperty(session.constructor, "name", { value: "Session" });
}
