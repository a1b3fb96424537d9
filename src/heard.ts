type Write = NodeJS.WriteStream["write"];

const writes = new WeakMap<NodeJS.WriteStream, Write>();

/** Replaces the `write` of a stream for what a recipe prints, until disposed; `gpu` itself goes on with the stream's own. */
export function replaceWrite(stream: NodeJS.WriteStream, replacement: (own: Write) => Write): Disposable {
  const { write } = stream;
  writes.set(stream, write);
  stream.write = replacement(write);
  return {
    [Symbol.dispose]() {
      stream.write = write;
      writes.delete(stream);
    },
  };
}

/** Writes to a stream past whoever hears what a recipe prints. */
export function writeUnheard(
  stream: NodeJS.WriteStream,
  chunk: string | Uint8Array,
  onDone: (error?: Error | null) => void,
): void {
  Reflect.apply(writes.get(stream) ?? stream.write, stream, [chunk, onDone]);
}
