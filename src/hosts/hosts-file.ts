import { createReadStream } from "node:fs";
import { join, resolve } from "node:path";
import { NotFoundError, systemCode, UsageError } from "../errors.ts";
import { reasonOf } from "../files.ts";
import type { World } from "../world.ts";

/** A line of a hosts file, and where it stands. */
export interface HostLine {
  readonly text: string;
  /** `hosts.txt:3` */
  readonly place: string;
}

const largest = 16 * 1024 * 1024;

/** The hosts in a file, one a line; `-` is stdin. `#` begins a comment. */
export async function readHostsFile(
  file: string,
  { cwd, home, terminal }: Pick<World, "cwd" | "home" | "terminal">,
): Promise<HostLine[]> {
  const isStdin = file === "-";
  if (isStdin && terminal.stdin.isTTY) {
    throw new UsageError("the list of hosts is to come from a pipe, and there is none", {
      hint: "`--hosts-file <file>` reads a file",
    });
  }
  const name = isStdin ? "stdin" : file;
  const text = isStdin ? await readAll(terminal.stdin.read()) : await readText(file, { cwd, home });
  const lines = text.split("\n").flatMap((line, index) => {
    const spec = line.replace(/(^|\s)#.*$/, "").trim();
    return spec === "" ? [] : [{ text: spec, place: `${name}:${index + 1}` }];
  });
  if (lines.length === 0) {
    throw new UsageError(`there is no host in \`${name}\``, { hint: "it takes one on each line" });
  }
  return lines;
}

async function readText(file: string, { cwd, home }: Pick<World, "cwd" | "home">): Promise<string> {
  const path = file.startsWith("~/") ? join(home, file.slice(2)) : resolve(cwd, file);
  try {
    return await readAll(createReadStream(path)); // A pipe, as `<(…)` makes, and a device that never ends.
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (systemCode(error) === "ENOENT") throw new NotFoundError(`there is no file \`${file}\``);
    throw new UsageError(`the hosts in \`${file}\` cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > largest) throw new UsageError("that is far too long for a list of hosts");
    read.push(chunk);
  }
  return Buffer.concat(read).toString("utf8");
}
