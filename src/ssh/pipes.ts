import type { Readable } from "node:stream";
import type { ClientChannel } from "ssh2";
import { collector } from "./collect.ts";
import type { ExecOptions } from "./exec.ts";

/** What the output goes to. */
export interface Sinks {
  /** Output that comes now is dropped. */
  isClosed: boolean;
  readonly broken: PromiseWithResolvers<never>;
}

/**
 * Reads both streams in one loop, so that a sink that takes its time holds back both, and the remote with them.
 * A sink that throws gets nothing more, and the rest is read all the same: a channel ends only when it is read.
 */
export async function drain(channel: ClientChannel, { onStdout, onStderr }: ExecOptions, sinks: Sinks): Promise<void> {
  const deliver = async (chunk: Uint8Array, sink: ExecOptions["onStdout"]) => {
    if (sinks.isClosed) return;
    try {
      await sink?.(chunk);
    } catch (error) {
      sinks.isClosed = true;
      sinks.broken.reject(error);
    }
  };
  const sources: { stream: Readable; sink: ExecOptions["onStdout"] }[] = [
    { stream: channel, sink: onStdout },
    { stream: channel.stderr, sink: onStderr },
  ];
  const open = new Set(sources);
  let wake = () => {};
  const collect = collector();
  for (const source of sources) {
    source.stream.on("readable", () => wake());
    source.stream.once("end", () => {
      open.delete(source);
      wake();
    });
  }
  while (open.size > 0) {
    let isIdle = true;
    for (const { stream, sink } of open) {
      const chunk: Uint8Array | null = stream.read();
      if (chunk === null) continue;
      isIdle = false;
      await deliver(chunk, sink);
      collect(chunk.length);
    }
    if (isIdle && open.size > 0) await new Promise<void>((resolve) => wake = resolve);
  }
}

/** Writes stdin until it ends or the channel does: ssh2 never answers a write to a channel that is closed. */
export async function feed(
  channel: ClientChannel,
  closed: Promise<void>,
  ahead: string,
  stdin: ExecOptions["stdin"],
): Promise<void> {
  let isClosed = false;
  closed.then(() => isClosed = true);
  const write = (chunk: Uint8Array | string) =>
    Promise.race([new Promise<void>((resolve) => channel.write(chunk, () => resolve())), closed]);
  if (ahead) await write(ahead);
  if (typeof stdin === "string" || stdin instanceof Uint8Array) await write(stdin);
  else if (stdin) {
    for await (const chunk of stdin) {
      if (isClosed) return;
      await write(chunk);
    }
  }
  if (!isClosed) channel.end();
}
