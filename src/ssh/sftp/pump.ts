import { GpuError } from "../../errors.ts";
import { collector } from "../collect.ts";

/** Where bytes come from. */
export interface Source {
  /** What is there, which may be less than was asked for; undefined at the end. */
  read(position: number, length: number): Promise<Buffer | undefined>;
}

/** Where bytes go. `data` must not change before it is resolved. */
export interface Sink {
  write(position: number, data: Buffer): Promise<void>;
}

interface Pump {
  readonly source: Source;
  readonly sink: Sink;
  /** The first byte that is copied. */
  readonly from?: number;
  /** The end of what is copied: less than that is an error. Undefined: all there is. */
  readonly to: number | undefined;
  /** Bytes of one read, of which many are under way at once. */
  readonly blockBytes: number;
  readonly signal?: AbortSignal;
  /** So many more bytes have arrived. */
  readonly onBytes?: (bytes: number) => void;
}

/** As much as an SSH channel's window holds, twice: more under way would only wait. */
export const underWayBytes = 4 * 2 ** 20;

/** Copies in order, with many reads and many writes under way. Returns where it ended. */
export async function pump({ source, sink, from = 0, to, blockBytes, signal, onBytes }: Pump): Promise<number> {
  const reads: { readonly position: number; readonly length: number; readonly data: Promise<Buffer | undefined> }[] =
    [];
  const writes = new Set<Promise<void>>();
  const depth = Math.max(2, Math.ceil(underWayBytes / blockBytes));
  const failures: unknown[] = [];
  let next = from;
  let written = from;
  const collect = collector();

  const readMore = () => {
    // A source whose length is not known is read one block at a time beyond its first.
    const most = to === undefined ? 2 : depth;
    while (reads.length < most && (to === undefined || next < to)) {
      const length = to === undefined ? blockBytes : Math.min(blockBytes, to - next);
      const data = source.read(next, length);
      data.catch(() => {});
      reads.push({ position: next, length, data });
      next += length;
    }
  };
  const write = async (position: number, data: Buffer) => {
    while (writes.size >= depth) await Promise.race(writes);
    if (failures.length > 0) throw failures[0];
    const writing = sink.write(position, data).then(
      () => onBytes?.(data.length),
      (error) => void failures.push(error),
    ).then(() => void writes.delete(writing));
    writes.add(writing);
    written = position + data.length;
    collect(data.length);
  };

  try {
    for (;;) {
      signal?.throwIfAborted();
      readMore();
      const read = reads.shift();
      if (read === undefined) break;
      let { position } = read;
      const end = position + read.length;
      let data = await read.data;
      while (data !== undefined && data.length > 0) {
        await write(position, data);
        position += data.length;
        if (position >= end) break;
        data = await source.read(position, end - position);
      }
      if (position < end) {
        if (to !== undefined) throw new GpuError("it became shorter while it was copied", { hint: "try again" });
        break;
      }
    }
  } finally {
    await Promise.all(writes);
  }
  if (failures.length > 0) throw failures[0];
  return written;
}
