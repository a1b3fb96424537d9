import { UsageError } from "../errors.ts";

const name = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Variables that a job must not be given: they would change what runs it, or how it is found. */
const kept = /^(GPU_CI_JOB|GPU_MACHINE|GPU_EXEC)$/;

/** Whether a job may be given a variable of that name. */
export function isJobVariable(key: string): boolean {
  return name.test(key) && !kept.test(key);
}

/**
 * Reads a file of variables: `NAME=value` a line, `export` before it or not; `#` begins a comment line. A value in
 * single quotes stands as it is, one in double quotes knows `\n`, `\"`, `\\` and `\$`; both may span lines. `file` is what
 * the file is called.
 */
export function parseEnvFile(text: string, file: string): Record<string, string> {
  const variables: Record<string, string> = {};
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const line = (lines[index] ?? "").trim();
    if (line === "" || line.startsWith("#")) continue;
    const at = line.indexOf("=");
    const key = line.slice(0, Math.max(0, at)).replace(/^export\s+/, "").trim();
    // The line itself may be a secret, so only its number is told.
    if (!name.test(key)) throw new UsageError(`line ${index + 1} of \`${file}\` is not \`NAME=value\``);
    if (kept.test(key)) throw new UsageError(`the variable \`${key}\` of \`${file}\` cannot be set for a job`);
    let value = line.slice(at + 1).trim();
    const quote = value[0];
    if (quote === '"' || quote === "'") {
      const begun = index + 1;
      value = value.slice(1);
      let end = endOfQuote(value, quote);
      while (end < 0) {
        if (++index >= lines.length) {
          throw new UsageError(`the quote of line ${begun} of \`${file}\` has no end`);
        }
        value += `\n${lines[index]}`;
        end = endOfQuote(value, quote);
      }
      value = quote === '"' ? unescaped(value.slice(0, end)) : value.slice(0, end);
    } else {
      value = value.replace(/\s+#.*$/, "");
    }
    variables[key] = value;
  }
  return variables;
}

function endOfQuote(text: string, quote: string): number {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\" && quote === '"') at++;
    else if (text[at] === quote) return at;
  }
  return -1;
}

function unescaped(text: string): string {
  return text.replace(/\\([nrt"\\$])/g, (_, char: string) => ({ n: "\n", r: "\r", t: "\t" })[char] ?? char);
}
