import { PassThrough, Writable } from "node:stream";
import type { Terminal } from "../world.ts";

/** Asks yes or no on the terminal; no is the default. Only for a terminal: callers check `canAsk` first. */
export async function askYesNo(question: string, terminal: Terminal): Promise<boolean> {
  const { confirm } = await import("@clack/prompts");
  const ended = new AbortController();
  const input = new PassThrough();
  const keys = pump(terminal, input, ended.signal);
  const output = new Writable({
    write: (chunk: Uint8Array, _encoding, done) => void terminal.stderr.write(chunk).then(() => done(), done),
  });
  try {
    return (await confirm({ message: question, initialValue: false, input, output })) === true;
  } finally {
    ended.abort();
    await keys;
  }
}

/** Whether there is a person to ask. */
export function canAsk(terminal: Terminal): boolean {
  return terminal.stdin.isTTY && terminal.stderr.isTTY;
}

async function pump(terminal: Terminal, to: PassThrough, signal: AbortSignal): Promise<void> {
  for await (const chunk of terminal.stdin.read({ raw: true, signal })) to.write(chunk);
}
