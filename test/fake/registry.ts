import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/** An npm registry: a package whose scripts would leave a file behind, one without types, and the types for that. */
export interface FakeRegistry extends Disposable {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
}

const scripts = { preinstall: "touch RAN", install: "touch RAN", postinstall: "touch RAN" };

const packages = [
  {
    manifest: { name: "asciichart", version: "1.5.25", main: "index.js", types: "index.d.ts", scripts },
    files: {
      "index.js": "exports.plot = (numbers) => numbers.join(' ');",
      "index.d.ts": "export function plot(numbers: readonly number[]): string;",
    },
  },
  {
    manifest: { name: "untyped", version: "2.0.0", main: "index.js" },
    files: { "index.js": "exports.double = (number) => number * 2;" },
  },
  {
    manifest: { name: "@types/untyped", version: "2.0.1", types: "index.d.ts" },
    files: { "index.d.ts": "export function double(number: number): number;" },
  },
  {
    manifest: { name: "nobody-typed-it", version: "1.0.0", main: "index.js" },
    files: { "index.js": "exports.half = (number) => number / 2;" },
  },
] as const;

export function fakeRegistry(): FakeRegistry {
  const served = packages.map(({ manifest, files }) => {
    const content = Object.entries(files).map(([name, text]) => [`package/${name}`, text]);
    const archive = gzipSync(
      tar({ "package/package.json": JSON.stringify(manifest), ...Object.fromEntries(content) }),
    );
    return { manifest, archive, integrity: `sha512-${createHash("sha512").update(archive).digest("base64")}` };
  });
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request): Response => {
      const { pathname, origin } = new URL(request.url);
      asked.push(pathname);
      const path = decodeURIComponent(pathname).slice(1);
      const found = served.find(({ manifest: { name } }) => path === name || path === `${name}.tgz`);
      if (found === undefined) return Response.json({ error: "not found" }, { status: 404 });
      const { manifest, archive, integrity } = found;
      if (path.endsWith(".tgz")) return new Response(archive);
      const dist = { tarball: `${origin}/${manifest.name}.tgz`, integrity };
      const versions = { [manifest.version]: { ...manifest, dist } };
      return Response.json({ name: manifest.name, "dist-tags": { latest: manifest.version }, versions });
    },
  });
  return { url: server.url.href, asked, [Symbol.dispose]: () => void server.stop(true) };
}

/** A tar archive of small files. */
function tar(files: Readonly<Record<string, string>>): Uint8Array {
  const blocks = Object.entries(files).flatMap(([name, text]) => {
    const body = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(["0000644", "0000000", "0000000", ""].join("\0"), 100);
    header.write(`${body.length.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0        0`, 124);
    header.write("ustar\x00\x30\x30", 257);
    const sum = header.reduce((before, byte) => before + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, body, Buffer.alloc((512 - body.length % 512) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
