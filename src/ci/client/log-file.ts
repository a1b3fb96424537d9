import { CiError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { openWhole } from "../whole-file.ts";
import type { CiEventLots } from "./client.ts";
import { LogText } from "../../terminal/log-text.ts";

/** Writes a log to a file, whole or not at all, and returns how many lines it has. */
export async function saveLog(lots: CiEventLots, path: string, { isRaw }: { isRaw: boolean }): Promise<number> {
  // Somebody may read it with `cat`, so it is as harmless as on the terminal.
  const text = isRaw ? undefined : new LogText({ isColored: true });
  const failing = (error: unknown): never => {
    throw cannotWrite(path, error);
  };
  const whole = await openWhole(path).catch(failing);
  let lines = 0;
  try {
    let isMidLine = false;
    const write = async (said: string) => {
      if (said === "") return;
      for (let at = said.indexOf("\n"); at >= 0; at = said.indexOf("\n", at + 1)) lines++;
      isMidLine = !said.endsWith("\n");
      await whole.file.writeFile(said).catch(failing);
    };
    for await (const lot of lots) {
      const said = lot.flatMap((event) => (event.type === "log" ? [event.data] : [])).join("");
      await write(text === undefined ? said : text.write(said));
    }
    await write(text?.end() ?? "");
    await whole.keep().catch(failing);
    return lines + (isMidLine ? 1 : 0);
  } catch (error) {
    await whole.drop().catch(() => {});
    throw error;
  }
}

function cannotWrite(path: string, error: unknown): CiError {
  return new CiError(`cannot write the log to \`${path}\`: ${reasonOf(error)}`, {
    hint: "`--output` names another file",
    cause: error,
  });
}
