import { UsageError } from "../errors.ts";

/** What a command may read: text, bytes, a file (`Bun.file("data.csv")`), or a stream of any of these. */
export type ShellInput =
  | string
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<string | Uint8Array>;

/** What a command reads, as bytes that come. */
export async function* inputBytes(input: ShellInput): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof input === "string") yield Buffer.from(input);
  else if (input instanceof Uint8Array) yield input;
  else {
    const chunks: AsyncIterable<string | Uint8Array> = input instanceof Blob ? input.stream() : input;
    for await (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
  }
}

/** It can be read once, so a command that reads it cannot be tried again. */
export function isReadOnce(input: ShellInput | undefined): boolean {
  return !(input === undefined || typeof input === "string" || input instanceof Uint8Array || input instanceof Blob);
}

/** Refuses what is no input: JavaScript does not. */
export function checkInput(input: unknown): void {
  const isStream = typeof input === "object" && input !== null && Symbol.asyncIterator in input;
  if (typeof input === "string" || input instanceof Uint8Array || input instanceof Blob || isStream) return;
  throw new UsageError(`a command cannot read a value of type ${input === null ? "null" : typeof input}`, {
    hint: "`.stdin(…)` takes text, bytes, a file (`Bun.file(…)`) or a stream",
  });
}
