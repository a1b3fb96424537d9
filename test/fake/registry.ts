import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/** An npm registry with one package, whose scripts would leave a file behind. */
export interface FakeRegistry extends Disposable {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
}

const manifest = {
  name: "asciichart",
  version: "1.5.25",
  main: "index.js",
  types: "index.d.ts",
  scripts: { preinstall: "touch RAN", install: "touch RAN", postinstall: "touch RAN" },
};

export function fakeRegistry(): FakeRegistry {
  const archive = gzipSync(tar({
    "package/package.json": JSON.stringify(manifest),
    "package/index.js": "exports.plot = (numbers) => numbers.join(' ');",
    "package/index.d.ts": "export function plot(numbers: readonly number[]): string;",
  }));
  const integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request): Response => {
      const { pathname, origin } = new URL(request.url);
      asked.push(pathname);
      if (pathname.endsWith(".tgz")) return new Response(archive);
      if (pathname !== "/asciichart") return Response.json({ error: "not found" }, { status: 404 });
      const dist = { tarball: `${origin}/asciichart.tgz`, integrity };
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
