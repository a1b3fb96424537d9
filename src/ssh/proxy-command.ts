import type { ChildProcess } from "node:child_process";
import { Duplex } from "node:stream";
import { childEnvironment } from "../env.ts";
import { GpuError, messageOf } from "../errors.ts";
import { oneLine } from "../safe-text.ts";
import { SshError } from "./failure.ts";
import type { World } from "../world.ts";

/** A connection that is the stdin and stdout of a command, as ProxyCommand of ssh_config(5). */
export function openProxyCommand(world: Pick<World, "spawn" | "cwd" | "env" | "platform">, command: string): Duplex {
  if (world.platform === "win32") {
    throw new GpuError("`ProxyCommand` needs a shell, which Windows does not have", {
      hint: "`ProxyJump` works everywhere",
    });
  }
  const child = world.spawn(["/bin/sh", "-c", `exec ${command}`], {
    cwd: world.cwd,
    env: childEnvironment(world.env),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  return new ProxyConnection(child, command);
}

/** Tokens that may stand in a ProxyCommand: `%%`, `%h`, `%n`, `%p`, `%r`. */
export function expandProxyCommand(
  command: string,
  { host, port, user, name }: { host: string; port: number; user: string; name: string },
): string {
  const values: Readonly<Record<string, string>> = { "%": "%", h: host, n: name, p: String(port), r: user };
  return command.replace(/%(.)/g, (token, letter: string) => values[letter] ?? token);
}

class ProxyConnection extends Duplex {
  readonly #child: ChildProcess;
  #said = "";
  #hasSpoken = false;

  constructor(child: ChildProcess, command: string) {
    super({ allowHalfOpen: false });
    this.#child = child;
    child.stdout?.on("data", (chunk: Uint8Array) => {
      this.#hasSpoken = true;
      if (!this.push(chunk)) child.stdout?.pause();
    });
    child.stdin?.on("error", () => {});
    child.stderr?.on("data", (chunk: Uint8Array) => {
      this.#said = (this.#said + Buffer.from(chunk).toString()).slice(-2000);
    });
    child.once("error", (error) => this.destroy(this.#failure(command, messageOf(error))));
    child.once("close", (code, signal) => {
      if (this.destroyed || (code === 0 && this.#hasSpoken)) return void this.push(null);
      this.destroy(this.#failure(command, signal ?? `exit code ${code}`));
    });
  }

  override _read(): void {
    this.#child.stdout?.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    const { stdin } = this.#child;
    if (stdin === null || stdin.destroyed) return done(new Error("the command of the connection has ended"));
    stdin.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#child.stdin?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill("SIGTERM");
    done(error);
  }

  #failure(command: string, why: string): Error {
    const said = oneLine(this.#said.trim().split("\n").at(-1) ?? "", 200);
    return new SshError(`the ProxyCommand \`${oneLine(command, 200)}\` failed: ${said || why}`, {
      reason: "unreachable",
    });
  }
}
