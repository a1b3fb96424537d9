import { globSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";

const filesMax = 200;

/**
 * Every file that `ssh` reads for a user, and the folders where one more would be found: whoever knows that none has
 * changed knows what `ssh -G` would say. Undefined where it also depends on something else (ssh_config(5): `Match`
 * with `exec` or `localnetwork`).
 */
export function sshConfigFiles(home: string): string[] | undefined {
  const own = join(home, ".ssh");
  const found = new Set<string>();
  const waiting = [
    { path: join(own, "config"), folder: own },
    { path: "/etc/ssh/ssh_config", folder: "/etc/ssh" },
  ];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { path, folder } = next;
    if (found.has(path)) continue;
    found.add(path);
    if (found.size > filesMax) return undefined;
    const text = readIfThere(path);
    if (/^\s*match\b.*\b(exec|localnetwork)\b/im.test(text)) return undefined;
    for (const [, patterns = ""] of text.matchAll(/^\s*include(?:\s*=\s*|\s+)(.+)$/gim)) {
      for (const [, quoted, bare = ""] of patterns.matchAll(/"([^"]*)"|(\S+)/g)) {
        const pattern = expand(quoted ?? bare, { home, folder });
        // What stands for something that only ssh knows (`%h`, `${NAME}`) is not followed.
        if (/[%$]/.test(pattern)) return undefined;
        found.add(dirname(pattern));
        for (const path of globSync(pattern)) waiting.push({ path, folder });
      }
    }
  }
  return [...found];
}

function expand(pattern: string, { home, folder }: { home: string; folder: string }): string {
  if (pattern.startsWith("~/")) return join(home, pattern.slice(2));
  return isAbsolute(pattern) ? pattern : join(folder, pattern);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
