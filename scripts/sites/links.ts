import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Links of a site in a folder that lead nowhere, and anything that is asked for from elsewhere. */
export function brokenLinks(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".html"));
  const anchors = new Map<string, Set<string>>();
  const anchorsOf = (path: string) => {
    const known = anchors.get(path) ??
      new Set([...readFileSync(path, "utf8").matchAll(/ id="([^"]+)"/g)].map(([, id = ""]) => id));
    anchors.set(path, known);
    return known;
  };
  return files.flatMap((file) => {
    const html = readFileSync(join(folder, file), "utf8");
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    const twice = ids.filter((id, index) => ids.indexOf(id) !== index).map((id) =>
      `${file}: the id ${id} is there twice`
    );
    const links = [...html.matchAll(/ (href|src)="([^"]*)"/g)].flatMap(([, kind = "", to = ""]) => {
      if (to.startsWith("data:")) return [];
      if (/^[a-z]+:/.test(to)) return [`${file}: ${kind} leads outside: ${to}`];
      const [path = "", anchor] = to.split("#");
      const target = path === "" ? join(folder, file) : join(folder, dirname(file), path);
      if (relative(folder, target).startsWith("..") || !existsSync(target)) return [`${file}: there is no ${to}`];
      return anchor && !anchorsOf(target).has(anchor) ? [`${file}: there is no ${to}`] : [];
    });
    return [...twice, ...links];
  });
}
