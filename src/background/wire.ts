import { encodeFrame, type Frame, FrameReader, preface, type Send } from "./frames.ts";

/** A conversation in frames with the background process, from the side of who asks. */
export interface Wire extends Disposable {
  readonly send: Send;
  /** Resolves when it is over, however. */
  readonly closed: Promise<void>;
}

/**
 * Connects to the socket, or returns undefined where nobody listens. Made of what Bun has built in: `node:net` takes as
 * long to load as all the rest of a command that goes through here.
 */
export async function connectWire(path: string, onFrame: (frame: Frame) => void): Promise<Wire | undefined> {
  const reader = new FrameReader();
  const over = Promise.withResolvers<void>();
  let unsent: Uint8Array[] = [];
  const flush = (socket: Bun.Socket) => {
    while (unsent.length > 0) {
      const [next = new Uint8Array()] = unsent;
      const written = socket.write(next);
      // Less than zero: it is closed, and what was to be said is said to nobody.
      if (written < 0) unsent = [];
      else if (written < next.length) {
        unsent[0] = next.subarray(written);
        return;
      } else unsent.shift();
    }
  };
  try {
    const socket = await Bun.connect({
      unix: path,
      socket: {
        data(socket, chunk) {
          try {
            for (const frame of reader.push(chunk)) onFrame(frame);
          } catch {
            socket.terminate();
          }
        },
        drain: flush,
        close: () => over.resolve(),
        error: () => over.resolve(),
      },
    });
    const put = (bytes: Uint8Array) => {
      unsent.push(bytes);
      if (unsent.length === 1) flush(socket);
    };
    put(preface);
    return {
      send: (kind, ...payload) => put(encodeFrame(kind, ...payload)),
      closed: over.promise,
      [Symbol.dispose]: () => void socket.terminate(),
    };
  } catch {
    return undefined;
  }
}
