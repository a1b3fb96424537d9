import type { Readable, Writable } from "node:stream";
import type { ServerChannel } from "ssh2";
import { messageOf } from "../../errors.ts";
import { signalExitCode } from "../../processes.ts";
import { signals } from "./signals.ts";
import type { Running, Start } from "./session.ts";

/** Runs a command, or a shell without a terminal, with the channel as its stdin, stdout and stderr. */
export function runCommand({ channel, env, command, options, log, gone }: Start): Running {
  const { world, shell, home, kill } = options;
  const child = world.spawn(command === undefined ? [shell] : [shell, "-c", command], {
    cwd: home,
    env,
    // A group of its own, so that a signal reaches all of a pipeline.
    detached: true,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { stdin, stdout, stderr, pid } = child;
  const out = channelWriter(channel, gone);
  const failed = (error: Error) => {
    log(`exec: ${error.message}`);
    void out.write(channel.stderr, Buffer.from(`cannot start ${shell}: ${error.message}\n`)).then(() => {
      exit(channel, { code: 255, signal: null });
      channel.end();
    });
  };
  child.once("error", failed);
  if (stdin === null || stdout === null || stderr === null) return { signal() {}, resize() {} };

  // A command that does not read its stdin to the end is no error; the rest is thrown away.
  stdin.on("error", () => {
    channel.unpipe(stdin);
    channel.resume();
  });
  channel.pipe(stdin);
  gone.addEventListener("abort", () => {
    // What runs on finds its pipes closed, as under sshd; it is not killed.
    stdin.destroy();
    stdout.destroy();
    stderr.destroy();
  }, { once: true });

  const ended = Promise.all([copy(stdout, channel), copy(stderr, channel.stderr)]);
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      // Said at once: a client learns it even while something left behind holds the pipes open.
      void out.idle().then(() => exit(channel, { code, signal })).then(resolve);
    });
  });
  void Promise.all([ended, exited]).then(() => channel.end());

  return {
    signal: (name) => {
      if (pid !== undefined) kill(-pid, name);
    },
    resize() {},
  };

  async function copy(from: Readable, to: Writable): Promise<void> {
    try {
      for await (const chunk of from) await out.write(to, chunk);
    } catch (error) {
      if (!gone.aborted) log(`exec: ${messageOf(error)}`);
    }
  }
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Tells the client how it ended, if the client is still there to hear it. */
export function exit(channel: ServerChannel, { code, signal }: Ending): void {
  if (signal === null) channel.exit(code ?? 255);
  else if (Object.values(signals).includes(signal)) channel.exit(signal.replace(/^SIG/, ""), false, "");
  else channel.exit(signalExitCode(signal)); // SSH has no name for it, and ssh2 throws.
}

interface ChannelWriter {
  /** Resolves when the client's window has taken the bytes, or the client is gone. */
  write(to: Writable, bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was written is on its way. */
  idle(): Promise<void>;
}

/** Writes stdout and stderr of one channel, one at a time. */
function channelWriter(channel: ServerChannel, gone: AbortSignal): ChannelWriter {
  let last = Promise.resolve();
  let release = () => {};
  gone.addEventListener("abort", () => release(), { once: true });
  const writeNow = (to: Writable, bytes: Uint8Array) =>
    new Promise<void>((resolve) => {
      if (gone.aborted) return resolve();
      release = resolve;
      to.write(bytes, () => {
        // ssh2 keeps a chunk that had to wait and sends it again when the *other* stream waits.
        Object.assign(channel, {
          _chunk: undefined,
          _chunkcb: undefined,
          _chunkErr: undefined,
          _chunkcbErr: undefined,
        });
        resolve();
      });
    });
  return {
    write: (to, bytes) => last = last.then(() => writeNow(to, bytes)),
    idle: () => last,
  };
}
