const newline = 0x0d;
const lineFeed = 0x0a;
const tilde = 0x7e;
const dot = 0x2e;
const question = 0x3f;

/** What the escapes of a shell do. */
export interface Escapes {
  /** `~.` was typed. */
  disconnect(): void;
  /** Shows text on this side; it is not sent. */
  show(text: string): void | Promise<void>;
}

const help = `Supported escape sequences:
 ~.   - terminate connection
 ~?   - this message
 ~~   - send the escape character by typing it twice
(Note that escapes are only recognized immediately after newline.)
`.replaceAll("\n", "\r\n");

/**
 * What is typed, without the escapes of ssh(1): a `~` that follows a line's end, and the character behind it. Any other
 * character behind `~` is sent with it.
 */
export async function* withoutEscapes(
  typed: AsyncIterable<Uint8Array>,
  { disconnect, show }: Escapes,
): AsyncGenerator<Uint8Array> {
  let isLineStart = true;
  let isEscape = false;
  for await (const bytes of typed) {
    const sent: number[] = [];
    for (const byte of bytes) {
      if (isEscape) {
        isEscape = false;
        if (byte === dot) {
          if (sent.length > 0) yield Uint8Array.from(sent);
          return disconnect();
        }
        if (byte === question) {
          await show(help);
          isLineStart = true;
          continue;
        }
        if (byte !== tilde) sent.push(tilde);
      } else if (byte === tilde && isLineStart) {
        isEscape = true;
        continue;
      }
      sent.push(byte);
      isLineStart = byte === newline || byte === lineFeed;
    }
    if (sent.length > 0) yield Uint8Array.from(sent);
  }
  if (isEscape) yield Uint8Array.of(tilde);
}
