import { messageOf } from "../../errors.ts";
import { exit } from "./exec.ts";
import type { Running, Start, WindowSize } from "./session.ts";

/** The terminal's input flag that makes its driver obey Ctrl-S and Ctrl-Q. */
const ixon = { linux: 0o2000, darwin: 0x200 } as const;

/** How long a terminal may stay open after its shell has ended: a server left behind can hold it for ever. */
const lingerMs = 100;

/** Runs a command or the shell in a terminal of its own. */
export function runInTerminal(start: Start & { size: WindowSize }): Running {
  const { channel, options, log, gone } = start;
  const closed = Promise.withResolvers<void>();
  const hold = holder(start);
  const child = spawnInTerminal(start, {
    // Bun reuses its buffer.
    data: (terminal, bytes) => {
      if (!gone.aborted && !channel.write(Buffer.from(bytes))) hold(terminal);
    },
    exit: () => closed.resolve(),
  });
  const terminal = child instanceof Error ? undefined : child.terminal;
  if (child instanceof Error || terminal === undefined) {
    log(`pty: ${messageOf(child)}`);
    channel.stderr.write(`cannot start ${options.shell}: ${messageOf(child)}\n`);
    exit(channel, { code: 255, signal: null });
    channel.end();
    return { signal() {}, resize() {} };
  }

  channel.on("data", (bytes: Uint8Array) => {
    if (!terminal.closed) terminal.write(bytes);
  });
  gone.addEventListener("abort", () => terminal.close(), { once: true });
  void finish();

  return {
    signal: (name) => options.kill(-child.pid, name),
    resize: ({ columns, rows }) => {
      if (!terminal.closed) terminal.resize(columns, rows);
    },
  };

  async function finish(): Promise<void> {
    if (child instanceof Error || terminal === undefined) return;
    await child.exited;
    await Promise.race([closed.promise, options.world.clock.sleep(lingerMs)]);
    if (!terminal.closed) terminal.close();
    const { exitCode, signalCode } = child;
    exit(channel, { code: exitCode, signal: typeof signalCode === "number" ? null : signalCode });
    channel.end();
  }
}

/** A terminal made with the process becomes its controlling terminal; one that exists already does not. */
function spawnInTerminal(
  { env, command, options: { shell, home }, size }: Start & { size: WindowSize },
  listeners: Pick<Bun.TerminalOptions, "data" | "exit">,
): Bun.Subprocess | Error {
  try {
    return Bun.spawn(command === undefined ? [shell] : [shell, "-c", command], {
      cwd: home,
      env,
      terminal: { cols: size.columns, rows: size.rows, ...listeners },
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** A terminal's output cannot be left unread, so its driver is told to hold it, as a person would with Ctrl-S. */
function holder({ channel, options: { world } }: Start): (terminal: Bun.Terminal) => void {
  const flag = world.platform === "darwin" ? ixon.darwin : ixon.linux;
  let isHeld = false;
  return (terminal) => {
    if (isHeld) return;
    isHeld = true;
    const before = terminal.inputFlags;
    terminal.inputFlags = before | flag;
    terminal.write("\x13");
    channel.once("drain", () => {
      isHeld = false;
      if (terminal.closed) return;
      terminal.write("\x11");
      if ((before & flag) === 0) terminal.inputFlags &= ~flag;
    });
  };
}
