import type { Duplex } from "node:stream";
import { messageOf } from "../../errors.ts";
import { oneLine } from "../../safe-text.ts";
import { SshError } from "../failure.ts";
import { PacketSplitter } from "./packets.ts";
import { MalformedPacket, packet, PacketReader, replies, requests, uint32 } from "./wire.ts";

/** An answer: its type, and what follows the number of its request. */
export interface Answer {
  readonly type: number;
  readonly body: PacketReader;
}

/** Questions and answers over one channel, any number at once. */
export interface Exchange {
  /** What the server can do beside version 3, by name. */
  readonly extensions: ReadonlyMap<string, string>;
  /** `parts` are the request behind its number; the last may be long and is not copied. */
  ask(type: number, ...parts: readonly Buffer[]): Promise<Answer>;
  close(): void;
}

/** What is so long goes out by itself: one packet of SSH more is less than copying it. */
const longFromBytes = 4096;

/** A subsystem's channel: bytes both ways, and what the server says beside them. */
export type Channel = Duplex & { readonly stderr?: NodeJS.ReadableStream };

/** Says hello, and rejects when no SFTP server answers. */
export async function openExchange(channel: Channel, closed: Promise<Error | undefined>): Promise<Exchange> {
  const waiting = new Map<number, PromiseWithResolvers<Answer>>();
  const hello = Promise.withResolvers<ReadonlyMap<string, string>>();
  const splitter = new PacketSplitter();
  let over: unknown;
  let said = "";
  let lastId = 0;

  const end = (error: unknown) => {
    if (over !== undefined) return;
    over = error;
    hello.reject(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    channel.destroy();
  };
  const ended = () => {
    const what = said === "" ? "" : `: ${oneLine(said, 200)}`;
    end(new SshError(`the file transfer was ended by the remote${what}`, { reason: "channel" }));
  };
  channel.on("data", (chunk: Buffer) => {
    try {
      for (const bytes of splitter.push(chunk)) take(new PacketReader(bytes));
    } catch (error) {
      end(notSftp(error));
    }
  });
  channel.stderr?.on("data", (chunk: Buffer) => {
    if (said.length < 400) said += chunk.toString("utf8");
  });
  channel.on("error", end);
  channel.once("end", ended);
  channel.once("close", ended);
  closed.then((error) => end(error ?? new SshError("the SSH session was closed", { reason: "lost" })));

  function take(reader: PacketReader): void {
    const type = reader.byte();
    if (type === replies.version) return hello.resolve(extensionsIn(reader));
    const id = reader.uint32();
    const asked = waiting.get(id);
    if (asked === undefined) throw new MalformedPacket("an answer to nothing");
    waiting.delete(id);
    asked.resolve({ type, body: reader });
  }

  channel.write(packet(requests.init, uint32(3)));
  return {
    extensions: await hello.promise,
    ask(type, ...parts) {
      if (over !== undefined) return Promise.reject(over);
      lastId = (lastId + 1) >>> 0;
      const asked = Promise.withResolvers<Answer>();
      waiting.set(lastId, asked);
      const last = parts.at(-1);
      const length = parts.reduce((sum, part) => sum + part.length, 5);
      const head = [uint32(length), Buffer.of(type), uint32(lastId)];
      if (last === undefined || last.length < longFromBytes) {
        channel.write(Buffer.concat([...head, ...parts]));
      } else {
        channel.write(Buffer.concat([...head, ...parts.slice(0, -1)]));
        channel.write(last);
      }
      return asked.promise;
    },
    close: () => end(new SshError("the file transfer was closed", { reason: "channel" })),
  };
}

function extensionsIn(reader: PacketReader): Map<string, string> {
  const version = reader.uint32();
  if (version < 3) throw new MalformedPacket(`SFTP version ${version}`);
  const found = new Map<string, string>();
  while (reader.left > 0) found.set(reader.text(), reader.text());
  return found;
}

/** What a shell prints at a login comes before SFTP, and ends it. */
function notSftp(error: unknown): SshError {
  return new SshError(
    `the server does not speak SFTP as it should: ${error instanceof MalformedPacket ? error.what : messageOf(error)}`,
    {
      reason: "channel",
      hint: "does a start-up file of its shell print something? `gpu exec` shows it",
      cause: error,
    },
  );
}
