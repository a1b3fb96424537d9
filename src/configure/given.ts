import { UsageError } from "../errors.ts";
import { askSecret, canAsk } from "../terminal/ask.ts";
import type { Context } from "../command.ts";
import type { Terminal } from "../world.ts";

/** A secret that a flag gives: itself, or `-` for the next line of stdin. */
export interface SecretFlag {
  readonly flag: string;
  readonly value: string | undefined;
}

/** The secrets that flags give. Those written `-` are read from stdin, a line each, in this order; a person is asked. */
export async function readSecretFlags(
  flags: readonly SecretFlag[],
  { world: { terminal }, signal }: Context,
): Promise<(string | undefined)[]> {
  const lines = flags.some(({ value }) => value === "-") && !canAsk(terminal) ? await stdinLines(terminal, signal) : [];
  const secrets: (string | undefined)[] = [];
  for (const { flag, value } of flags) {
    const isAsked = value === "-" && canAsk(terminal);
    const secret = isAsked
      ? await askSecret(terminal, { question: `The value of ${flag}`, flag, signal })
      : value === "-"
      ? lines.shift()
      : value;
    if (value !== undefined) checkSecret(flag, secret);
    secrets.push(secret);
  }
  return secrets;
}

function checkSecret(flag: string, secret: string | undefined): void {
  if (secret === undefined || secret === "") {
    throw new UsageError(`\`${flag}\` is empty`, { hint: `\`${flag} -\` reads one line from stdin` });
  }
  if (/^[\x21-\x7e]+$/.test(secret)) return;
  throw new UsageError(`\`${flag}\` has a space or another character that no key has`, {
    hint: "copy it again, without what stands around it",
  });
}

const longestInput = 64 * 1024;

async function stdinLines(terminal: Terminal, signal: AbortSignal): Promise<string[]> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of terminal.stdin.read({ signal })) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > longestInput) throw new UsageError("what comes from stdin is too long for a key");
  }
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
