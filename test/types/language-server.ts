/** A message of a language server, as it came. */
// deno-lint-ignore no-explicit-any
export type Message = any;

/** Reads `Content-Length` frames from a process and hands them to who waits for them. */
export class Frames {
  readonly #seen: Message[] = [];
  readonly #waiting: { readonly fits: (message: Message) => boolean; readonly resolve: (message: Message) => void }[] =
    [];

  constructor(process: { readonly stdout: ReadableStream<Uint8Array> }) {
    void this.#read(process.stdout);
  }

  /** The first message that fits, also one that came before. */
  next(fits: (message: Message) => boolean): Promise<Message> {
    const index = this.#seen.findIndex(fits);
    if (index >= 0) return Promise.resolve(this.#seen.splice(index, 1)[0]);
    return new Promise((resolve) => this.#waiting.push({ fits, resolve }));
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = Buffer.alloc(0);
    for await (const chunk of stream) {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const head = rest.indexOf("\r\n\r\n");
        const [, length] = /Content-Length: (\d+)/i.exec(rest.subarray(0, Math.max(0, head)).toString()) ?? [];
        if (head < 0 || length === undefined || rest.length < head + 4 + Number(length)) break;
        this.#give(JSON.parse(rest.subarray(head + 4, head + 4 + Number(length)).toString()));
        rest = rest.subarray(head + 4 + Number(length));
      }
    }
  }

  #give(message: Message): void {
    const index = this.#waiting.findIndex(({ fits }) => fits(message));
    if (index < 0) this.#seen.push(message);
    else this.#waiting.splice(index, 1)[0]?.resolve(message);
  }
}
