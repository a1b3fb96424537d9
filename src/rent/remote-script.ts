import { GpuError } from "../errors.ts";
import { quoteWord } from "../quote.ts";
import { oneLine } from "../safe-text.ts";
import type { ExecOptions, Session } from "../ssh/session.ts";

/** Runs a script in the remote `sh`, whatever the login shell is; returns what it printed. */
export async function runScript(
  session: Session,
  script: string,
  { stdin, signal }: Pick<ExecOptions, "stdin"> & { signal: AbortSignal },
): Promise<string> {
  const said: Uint8Array[] = [];
  const failed: Uint8Array[] = [];
  const { exitCode } = await session.exec(`sh -c ${quoteWord(script)}`, {
    stdin,
    signal,
    onStdout: (chunk) => void said.push(chunk),
    onStderr: (chunk) => void failed.push(chunk),
  });
  if (exitCode === 0) return Buffer.concat(said).toString("utf8");
  const why = oneLine(Buffer.concat([...failed, ...said]).toString("utf8"), 300) || `exit ${exitCode}`;
  throw new GpuError(`a command to set it up failed: ${why}`);
}
