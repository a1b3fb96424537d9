import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publicKeyOf, signChecksums, writeChecksums } from "../../scripts/releases/checksums.ts";

interface ReleaseServerOptions {
  /** For what it makes: keys and archives. */
  readonly folder: string;
  /** As in the names of its files. */
  readonly platform: string;
}

/** What the next answers are like. */
export type Trouble = "none" | "cut" | "changed" | "stranger" | "missing" | "silent" | "dripping" | "other";

/** A place with releases on a free port: each is a script that says its version, packed, summed up and signed. */
export class ReleaseServer implements Disposable {
  readonly #server: Bun.Server<undefined>;
  readonly #files = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #folder: string;
  readonly #platform: string;
  /** Public key of who signs the releases. */
  readonly key: string;
  trouble: Trouble = "none";
  /** Paths that were asked for. */
  readonly asked: string[] = [];

  constructor({ folder, platform }: ReleaseServerOptions) {
    this.#folder = folder;
    this.#platform = platform;
    mkdirSync(folder, { recursive: true });
    for (const name of ["maker", "stranger"]) {
      run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(folder, name));
    }
    this.key = publicKeyOf(join(folder, "maker"));
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => this.#answer(new URL(url).pathname),
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Makes a release, which is also the newest. `script`: what its executable is. */
  release(version: string, script = `#!/bin/sh\necho gpu ${version}\n`): void {
    const folder = join(this.#folder, version);
    mkdirSync(folder, { recursive: true });
    const [plain, packed] = [`gpu-${this.#platform}`, `gpu-${this.#platform}.tar.xz`];
    writeFileSync(join(folder, "gpu"), script, { mode: 0o755 });
    writeFileSync(join(folder, plain), script);
    run("tar", "-cJf", join(folder, packed), "-C", folder, "gpu");
    writeFileSync(join(folder, "release.json"), JSON.stringify({ version, date: "2026-01-02T03:04:05.000Z" }));
    const names = [plain, packed, "release.json"];
    writeChecksums(folder, names);
    signChecksums(folder, join(this.#folder, "stranger"));
    const stranger = Uint8Array.from(readFileSync(join(folder, "SHA256SUMS.sig")));
    signChecksums(folder, join(this.#folder, "maker"));
    for (const name of [...names, "SHA256SUMS", "SHA256SUMS.sig"]) {
      for (const at of ["latest", `v${version}`]) {
        this.#files.set(`/${at}/${name}`, Uint8Array.from(readFileSync(join(folder, name))));
      }
    }
    for (const at of ["latest", `v${version}`]) this.#files.set(`/${at}/stranger.sig`, stranger);
  }

  #answer(path: string): Response {
    this.asked.push(path);
    const isLarge = path.includes(`gpu-${this.#platform}`);
    const at = this.trouble === "stranger"
      ? path.replace("SHA256SUMS.sig", "stranger.sig")
      : this.trouble === "other"
      ? path.replace(/^\/v[\d.]+/, "/latest")
      : path;
    const content = this.#files.get(at);
    if (content === undefined || (this.trouble === "missing" && isLarge)) return new Response("", { status: 404 });
    if (!isLarge) return new Response(content);
    if (this.trouble === "cut") return new Response(content.slice(0, content.length / 2));
    if (this.trouble === "silent") {
      return new Response(new ReadableStream({ start: (body) => body.enqueue(content.slice(0, 10)) }));
    }
    if (this.trouble === "dripping") {
      return new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(Uint8Array.of(0));
            await Bun.sleep(5);
          },
        }),
      );
    }
    if (this.trouble === "changed") {
      return new Response(Uint8Array.from(content, (byte, index) => index === 99 ? ~byte : byte));
    }
    return new Response(content);
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }
}

function run(program: string, ...words: readonly string[]): void {
  const { status, stderr } = spawnSync(program, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
}
