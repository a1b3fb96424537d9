import { UsageError } from "../errors.ts";
import { askSecret } from "../terminal/ask.ts";
import type { World } from "../world.ts";

/** So long a secret may be: a key in PEM is a few KB. */
const longestBytes = 64 * 2 ** 10;

/** A secret that somebody types, or that is piped in: then without the newline at its end. */
export async function readNewSecret(
  { terminal }: Pick<World, "terminal">,
  { name, signal }: { name: string; signal: AbortSignal },
): Promise<string> {
  const secret = terminal.stdin.isTTY
    ? await askSecret(terminal, { question: `Secret ${name}`, flag: "stdin", signal, complain })
    : await readAll(terminal.stdin.read({ signal }));
  if (secret === "") {
    throw new UsageError(`nothing was given as \`${name}\``, { hint: `pipe it in: \`… | gpu secret set ${name}\`` });
  }
  return secret;
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of chunks) {
    read.push(chunk);
    byteCount += chunk.length;
    if (byteCount > longestBytes) throw new UsageError(`a secret has at most ${longestBytes / 2 ** 10} KiB`);
  }
  return new TextDecoder().decode(Buffer.concat(read)).replace(/\r?\n$/, "");
}

function complain(answer: string): string | undefined {
  return answer === "" ? "It cannot be empty" : undefined;
}
