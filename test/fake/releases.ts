import { createHash } from "node:crypto";
import project from "../../package.json" with { type: "json" };

const newest = "9.9.0";
const versions = [newest, project.version, "0.0.9"];

/** What the place of the releases answers that the pages know: descriptions and checksums, and nothing to download. */
export function releaseAnswer({ pathname }: URL): Response {
  const [, folder = "", name = ""] = pathname.split("/");
  const version = folder === "latest" ? newest : folder.slice(1);
  if (!versions.includes(version)) return new Response("", { status: 404 });
  const description = JSON.stringify({ version, date: "2026-01-02T03:04:05.000Z" });
  const sum = createHash("sha256").update(description).digest("hex");
  const files: Readonly<Record<string, string>> = {
    "release.json": description,
    "SHA256SUMS": `${sum}  release.json\n`,
  };
  const text = Object.hasOwn(files, name) ? files[name] : undefined;
  return text === undefined ? new Response("", { status: 404 }) : new Response(text);
}
