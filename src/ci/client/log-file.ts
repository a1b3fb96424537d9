import { open, rename, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { CiError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { CiEventLots } from "./client.ts";
import { LogText } from "./log-text.ts";

/** Writes a log to a file, whole or not at all, and returns how many lines it has. */
export async function saveLog(lots: CiEventLots, path: string, { isRaw }: { isRaw: boolean }): Promise<number> {
  const draft = `${path}.${randomUUID()}.new`;
  // Somebody may read it with `cat`, so it is as harmless as on the terminal.
  const text = isRaw ? undefined : new LogText({ isColored: true });
  const file = await open(draft, "wx", 0o600).catch((error) => {
    throw cannotWrite(path, error);
  });
  let lines = 0;
  try {
    let isMidLine = false;
    const write = async (said: string) => {
      if (said === "") return;
      for (let at = said.indexOf("\n"); at >= 0; at = said.indexOf("\n", at + 1)) lines++;
      isMidLine = !said.endsWith("\n");
      await file.writeFile(said).catch((error) => {
        throw cannotWrite(path, error);
      });
    };
    for await (const lot of lots) {
      const said = lot.flatMap((event) => (event.type === "log" ? [event.data] : [])).join("");
      await write(text === undefined ? said : text.write(said));
    }
    await write(text?.end() ?? "");
    await file.close();
    await rename(draft, path).catch((error) => {
      throw cannotWrite(path, error);
    });
    return lines + (isMidLine ? 1 : 0);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(draft, { force: true });
    throw error;
  }
}

function cannotWrite(path: string, error: unknown): CiError {
  return new CiError(`cannot write the log to \`${path}\`: ${reasonOf(error)}`, {
    hint: "`--output` names another file",
    cause: error,
  });
}
