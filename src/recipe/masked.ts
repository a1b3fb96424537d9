import type { Mask } from "../mask.ts";
import type { Sink } from "../world.ts";

export { Mask, type MaskedStream, maskOf } from "../mask.ts";

/** What writes to an output without secrets. */
export interface MaskedWriter {
  write(chunk: string | Uint8Array): Promise<void>;
  /** Writes what was held back because it could be the beginning of a secret. */
  flush(): Promise<void>;
}

/** Writes to `sink` what is written here, for one stream: a secret may come in pieces. */
export function maskedWriter(sink: Pick<Sink, "write">, mask: Mask): MaskedWriter {
  const stream = mask.stream();
  const pass = async (masked: Uint8Array) => {
    if (masked.length > 0) await sink.write(masked);
  };
  return {
    write: (chunk) => pass(stream.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk)),
    flush: () => pass(stream.end()),
  };
}
