import { isAbsolute, join, resolve } from "node:path";
import { NotFoundError, UsageError } from "../errors.ts";
import { readTextIfThere } from "../files.ts";
import type { World } from "../world.ts";
import { parsePublicKey } from "./hostkeys.ts";

/** The one line of a public key file. A private key is refused: it must not leave this computer. */
export async function readPublicKey(file: string, { cwd, home }: Pick<World, "cwd" | "home">): Promise<string> {
  const path = file.startsWith("~/") ? join(home, file.slice(2)) : isAbsolute(file) ? file : resolve(cwd, file);
  const text = await readTextIfThere(path);
  if (text === undefined) {
    const hint = file.endsWith(".pub") ? "`ssh-keygen -t ed25519` makes a key pair" : "public keys end in `.pub`";
    throw new NotFoundError(`there is no file \`${file}\``, { hint });
  }
  if (text.includes("PRIVATE KEY")) {
    throw new UsageError(`\`${file}\` is a private key, and it stays here`, {
      hint: `the public half is \`${file}.pub\``,
    });
  }
  parsePublicKey(text);
  return text.trim();
}
