import { dirname } from "node:path";
import { quoteWord } from "../quote.ts";

/** What is wrong in a file, in TypeScript's words, and with what helps where they leave that out. */
export function withAdvice({ file, code, message }: { file: string; code: string; message: string }): string {
  const advice = adviceOn(file, code, message);
  return advice === undefined ? message : `${message}\n  ${advice}`;
}

function adviceOn(file: string, code: string, message: string): string | undefined {
  // TypeScript knows that an `await` is missing, and says so only to editors.
  if (code === "TS2339" && /does not exist on type 'Promise</.test(message)) return "Did you forget to use 'await'?";
  if (/ type 'Duration(?: \| undefined)?'\.$/.test(message)) return 'A span is text like "90s", "10m" or "1h30m".';
  if (/ type 'Size(?: \| undefined)?'\.$/.test(message)) return 'An amount is text like "500MB" or "16GiB".';
  const missing = /^Cannot find module '([^']+)'/.exec(message)?.[1];
  return code === "TS2307" && missing !== undefined ? adviceOnModule(missing, file) : undefined;
}

function adviceOnModule(name: string, file: string): string | undefined {
  if (/^(?:\.|\/|node:|bun:)/.test(name)) return undefined;
  const [, scheme, rest = name] = /^([a-z]+):(.*)$/.exec(name) ?? [];
  if (scheme !== undefined && scheme !== "npm") return "Recipes import files beside them and npm packages.";
  const found = /^((?:@[\w.-]+\/)?[\w.-]+)/.exec(rest)?.[1];
  if (found === undefined) return undefined;
  const folder = dirname(file);
  const add = `gpu recipe add ${found}${folder === "." ? "" : ` --dir ${quoteWord(folder)}`}`;
  return scheme === "npm" ? `\`${add}\` installs it; import it as "${found}".` : `\`${add}\` installs it.`;
}
