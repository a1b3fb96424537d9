import { quoteWord } from "../quote.ts";
import type { Session } from "../ssh/session.ts";
import type { Executor } from "./pipeline.ts";

/** Runs commands with the login shell of a machine, over a connection that is asked for when one is needed. */
export function remoteExecutor(session: () => Promise<Session>): Executor {
  return async (command, { signal, output, input, environment = {}, folder }) => {
    const taken = Object.entries(environment).filter(([, value]) => value === undefined).map(([name]) => name);
    const ahead = [
      ...(folder === undefined ? [] : [`cd -- ${folderWord(folder)} || exit`]),
      ...(taken.length === 0 ? [] : [`unset ${taken.map(quoteWord).join(" ")}`]),
    ];
    const given = Object.entries(environment).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]);
    const opened = await session();
    return await opened.exec([...ahead, command].join("\n"), {
      signal,
      ...(input === undefined ? {} : { stdin: input }),
      environment: Object.fromEntries(given),
      onStdout: (chunk) => output(chunk, "stdout"),
      onStderr: (chunk) => output(chunk, "stderr"),
    });
  };
}

/** A folder there: what begins with `~/` is below the home. */
function folderWord(folder: string): string {
  if (folder === "~") return '"$HOME"';
  return folder.startsWith("~/") ? `"$HOME"/${quoteWord(folder.slice(2))}` : quoteWord(folder);
}
