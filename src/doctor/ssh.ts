import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { childEnvironment, readVariable } from "../env.ts";
import { clientKey } from "../rent/key.ts";
import type { World } from "../world.ts";
import type { Check, Finding } from "./check.ts";

/** OpenSSH is there; `gpu` itself needs none, but `gpu ssh` and editors use it. */
export const sshCheck: Check = {
  name: "ssh",
  async run({ world }, signal): Promise<Finding> {
    const answer = await outputOf(world, ["ssh", "-V"], signal);
    if (answer?.text) return { status: "ok", detail: answer.text.split(/[,\n]/)[0] ?? "" };
    return {
      status: "warn",
      detail: "there is no `ssh` on the PATH; gpu has its own, other programs do not",
      fix: "install OpenSSH's client",
    };
  },
};

/** The SSH agent, where one is named, answers. */
export const agentCheck: Check = {
  name: "ssh-agent",
  async run({ world }, signal): Promise<Finding> {
    if (readVariable(world.env, "SSH_AUTH_SOCK") === undefined) {
      return { status: "ok", detail: "none, and none is needed" };
    }
    const answer = await outputOf(world, ["ssh-add", "-l"], signal);
    if (answer === undefined) return { status: "ok", detail: "not asked: there is no `ssh-add`" };
    // ssh-add(1): 0 it has keys, 1 it has none, 2 it cannot be reached.
    if (answer.code === 0) return { status: "ok", detail: `keys it has: ${answer.text.split("\n").length}` };
    if (answer.code === 1) return { status: "ok", detail: "it answers, and has no key" };
    return {
      status: "warn",
      detail: "`SSH_AUTH_SOCK` is set and nothing answers there",
      fix: "start an agent, or unset `SSH_AUTH_SOCK`",
    };
  },
};

/** The key that logs in on everything rented from here can be read, and by nobody else. */
export const ownKeyCheck: Check = {
  name: "ssh-key",
  async run({ world }): Promise<Finding> {
    const path = join(world.folders.state, "id_ed25519");
    if (!existsSync(path)) return { status: "ok", detail: "made when the first instance is rented" };
    await clientKey(world);
    if (world.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
      return { status: "fail", detail: `others may read ${path}`, fix: `chmod 600 ${path}` };
    }
    return { status: "ok", detail: path };
  },
};

/** What a program prints, and its exit code; undefined where there is no such program. */
function outputOf(
  world: World,
  command: readonly string[],
  signal: AbortSignal,
): Promise<{ code: number | null; text: string } | undefined> {
  return new Promise((resolve) => {
    const child = world.spawn(command, {
      cwd: world.cwd,
      env: childEnvironment(world.env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    let text = "";
    const stop = () => void child.kill("SIGKILL");
    signal.addEventListener("abort", stop, { once: true });
    child.stdout?.on("data", (chunk) => text += chunk);
    child.stderr?.on("data", (chunk) => text += chunk);
    child.once("error", () => resolve(undefined));
    child.once("close", (code) => {
      signal.removeEventListener("abort", stop);
      resolve({ code, text: text.trim() });
    });
  });
}
