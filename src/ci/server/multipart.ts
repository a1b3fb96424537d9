/** What a submission holds, when all of it was read. */
export interface Upload {
  readonly hasFile: boolean;
  /** Other fields, as text. */
  readonly fields: ReadonlyMap<string, string>;
}

/** A body that is not the multipart form it says it is, or that breaks off. */
export class FormError extends Error {
  override name = "FormError";
}

const maxHeadBytes = 16 * 2 ** 10;
/** Of all fields but the file together: they are kept in memory. */
const maxFieldBytes = 4 * 2 ** 20;
const maxParts = 100;

/** Reads a multipart form as it comes: the part `file` goes to `write` piece by piece, other fields are kept as text. */
export async function readForm(
  body: AsyncIterable<Uint8Array>,
  { contentType, write }: { contentType: string; write: (piece: Uint8Array) => Promise<void> | void },
): Promise<Upload> {
  const boundary = /^multipart\/form-data\b.*?;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  const fields = new Map<string, string>();
  if (!boundary) return { hasFile: false, fields };
  const bytes = new Pieces(body);
  const mark = Buffer.from(`\r\n--${boundary[1] ?? boundary[2]}`);
  // A newline is put in front, so that the first boundary looks like the others.
  bytes.unread(Buffer.from("\r\n"));
  await bytes.until(mark, () => {});
  let hasFile = false;
  let length = 0;
  for (let count = 1; await isAnotherPart(bytes); count++) {
    if (count > maxParts) throw new FormError("it has too many parts");
    const named = /\bname=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(await headOf(bytes));
    const name = named?.[1] ?? named?.[2] ?? "";
    if (name === "file" && !hasFile) {
      hasFile = true;
      await bytes.until(mark, write);
      continue;
    }
    const parts: Uint8Array[] = [];
    await bytes.until(mark, (piece) => {
      length += piece.length;
      if (length > maxFieldBytes) throw new FormError("its fields are too long");
      parts.push(Uint8Array.from(piece));
    });
    fields.set(name, Buffer.concat(parts).toString("utf8"));
  }
  return { hasFile, fields };
}

/** After a boundary: `--` ends the form, a newline begins a part. */
async function isAnotherPart(bytes: Pieces): Promise<boolean> {
  const parts: Uint8Array[] = [];
  await bytes.take(2, parts);
  const next = Buffer.concat(parts).toString("latin1");
  if (next === "--") return false;
  if (next !== "\r\n") throw new FormError("the form's boundary is damaged");
  return true;
}

async function headOf(bytes: Pieces): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  await bytes.until(Buffer.from("\r\n\r\n"), (piece) => {
    length += piece.length;
    if (length > maxHeadBytes) throw new FormError("a part's head is too long");
    parts.push(Uint8Array.from(piece));
  });
  return Buffer.concat(parts).toString("utf8");
}

/** Bytes that come in pieces of any size, searched for marks that may lie across two of them. */
class Pieces {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  unread(bytes: Buffer): void {
    this.#rest = Buffer.concat([bytes, this.#rest]);
  }

  /** Hands over what comes before the mark, and moves behind it. */
  async until(mark: Buffer, write: (piece: Uint8Array) => Promise<void> | void): Promise<void> {
    for (;;) {
      const at = this.#rest.indexOf(mark);
      if (at >= 0) {
        if (at > 0) await write(this.#rest.subarray(0, at));
        this.#rest = this.#rest.subarray(at + mark.length);
        return;
      }
      // All but what may be the beginning of the mark is content.
      const certain = this.#rest.length - (mark.length - 1);
      if (certain > 0) {
        await write(this.#rest.subarray(0, certain));
        this.#rest = this.#rest.subarray(certain);
      }
      await this.#more();
    }
  }

  async take(count: number, into: Uint8Array[]): Promise<void> {
    while (this.#rest.length < count) await this.#more();
    into.push(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
  }

  async #more(): Promise<void> {
    const next = await this.#source.next();
    if (next.done) throw new FormError("the form was cut off");
    this.#rest = this.#rest.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#rest, next.value]);
  }
}
