import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { acknowledge } from "./internals.ts";

/** What went through. */
export interface Traffic {
  bytesIn: number;
  bytesOut: number;
}

interface Joined {
  readonly socket: Socket;
  readonly stream: Duplex;
  readonly traffic: Traffic;
  /** Called for whatever comes from the remote: it lives. */
  readonly onHeard: () => void;
  /** Whether something else is being opened over the same session. */
  readonly isMoreExpected: () => boolean;
}

/** Copies both ways, each direction ending by itself. What was cut is reset here too, so that nobody takes it for the end. */
export function relay({ socket, stream, traffic, onHeard, isMoreExpected }: Joined): void {
  if (socket.destroyed) {
    stream.destroy();
    stream.resume();
    return;
  }
  stream.on("error", () => socket.resetAndDestroy());
  // Bytes that arrived before this are still inside of the paused socket, so nothing is missed.
  socket.on("data", (chunk: Uint8Array) => void (traffic.bytesOut += chunk.length));
  let isDue = false;
  const acknowledgeSoon = () => {
    if (isDue) return;
    isDue = true;
    // Once for all that arrives together.
    setImmediate(() => {
      isDue = false;
      acknowledge(stream);
    });
  };
  stream.on("data", (chunk: Uint8Array) => {
    traffic.bytesIn += chunk.length;
    onHeard();
    if (chunk.length < smallBytes) acknowledgeSoon();
  });
  // What the other side says first waits for this, where nothing is said from here.
  if (socket.readableLength === 0) acknowledgeSoon();
  // What is being opened waits for this.
  stream.once("close", () => void (isMoreExpected() && acknowledge(stream)));
  socket.pipe(stream);
  stream.pipe(socket);
  socket.once("close", () => {
    stream.destroy();
    // A channel is over only when it was read to its end.
    stream.unpipe(socket);
    stream.resume();
  });
  // Closed both ways on the remote: what is still written here has nobody to read it.
  stream.once("close", () => socket.destroySoon());
}

/** Chunks below this are somebody's question or answer, and no part of a bulk. */
const smallBytes = 8 * 1024;
