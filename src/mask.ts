import type { Sink, Terminal } from "./world.ts";

/** What stands where a secret was. */
const stars = "********";

/** A shorter value is not hidden: it would be found in every word. */
const shortestSecret = 6;

/** Finds secrets in what is printed, also as JSON, addresses and base64 write them, and puts stars in their place. */
export class Mask {
  /** As Latin-1, so that one character is one byte. */
  #words = new Set<string>();
  #pattern: RegExp | undefined;

  add(secret: string): void {
    const words = formsOf(secret).filter((word) => word.length >= shortestSecret);
    for (const word of words) this.#words.add(bytesText(Buffer.from(word)));
    const longestFirst = [...this.#words].toSorted((one, other) => other.length - one.length);
    this.#pattern = longestFirst.length === 0 ? undefined : new RegExp(longestFirst.map(RegExp.escape).join("|"), "g");
  }

  /** Nothing is hidden. */
  get isEmpty(): boolean {
    return this.#words.size === 0;
  }

  /** Whether a secret is in the text. */
  isIn(text: string): boolean {
    return this.text(text) !== text;
  }

  /** The text without secrets. */
  text(text: string): string {
    if (this.#pattern === undefined) return text;
    const masked = bytesText(Buffer.from(text)).replace(this.#pattern, stars);
    return Buffer.from(masked, "latin1").toString();
  }

  /** For what comes in pieces, as one stream each: a secret may be cut anywhere. */
  stream(): MaskedStream {
    let held = "";
    return {
      push: (chunk) => {
        if (this.#pattern === undefined && held === "") return chunk;
        const text = held + bytesText(chunk);
        const { done, rest } = this.#split(text);
        held = rest;
        return Buffer.from(done, "latin1");
      },
      end: () => {
        const rest = Buffer.from(this.#pattern ? held.replace(this.#pattern, stars) : held, "latin1");
        held = "";
        return rest;
      },
    };
  }

  /** What can be told of a text that goes on, and its end, which may be the beginning of a secret. */
  #split(text: string): { done: string; rest: string } {
    let done = "";
    let from = 0;
    let holdFrom = this.#beginningAt(text, 0);
    for (const { 0: found, index } of this.#pattern ? text.matchAll(this.#pattern) : []) {
      // What begins earlier may be the longer secret; where it is not, this one is found with the next piece.
      if (index >= holdFrom) break;
      done += text.slice(from, index) + stars;
      from = index + found.length;
      if (from > holdFrom) holdFrom = this.#beginningAt(text, from);
    }
    return { done: done + text.slice(from, holdFrom), rest: text.slice(holdFrom) };
  }

  /** Where the end of the text begins that may be the beginning of a secret; its length where there is none. */
  #beginningAt(text: string, from: number): number {
    const longest = Math.max(0, ...[...this.#words].map((word) => word.length));
    for (let at = Math.max(from, text.length - longest + 1); at < text.length; at++) {
      const end = text.slice(at);
      for (const word of this.#words) if (word.length > end.length && word.startsWith(end)) return at;
    }
    return text.length;
  }
}

/** One stream without secrets. What may be the beginning of one is held back until it is known. */
export interface MaskedStream {
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back. */
  end(): Uint8Array;
}

const masks = new WeakMap<Sink, Mask>();

/** What must not be seen on a terminal: all that prints there shares it. */
export function maskOf({ stderr }: Pick<Terminal, "stderr">): Mask {
  const mask = masks.get(stderr) ?? new Mask();
  masks.set(stderr, mask);
  return mask;
}

/** How a secret may be written by programs. */
function formsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).filter((line) => line.length >= 2 * shortestSecret);
  return [...new Set([secret, secret.trim(), ...lines])].flatMap((text) => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text),
    ...base64Of(Buffer.from(text)),
  ]);
}

/** Base64 of bytes wherever they begin in what is encoded, without the characters that what is beside them changes. */
function base64Of(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    const whole = padded.length - (padded.length % 3);
    const text = padded.toString("base64").slice(Math.ceil((before * 4) / 3), (whole / 3) * 4);
    return [text, text.replaceAll("+", "-").replaceAll("/", "_")];
  }).filter((text) => text.length >= 2 * shortestSecret);
}

function bytesText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
