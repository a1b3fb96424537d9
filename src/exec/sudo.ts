import type { Context } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";
import type { Elevation } from "./request.ts";
import type { Runner } from "./runner.ts";

/** The password for sudo: asked for once, when the first machine wants one, and then the same for all. */
export class SudoPassword {
  readonly #context: Context;
  #asked: Promise<string> | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  get(): Promise<string> {
    return this.#asked ??= this.#ask();
  }

  async #ask(): Promise<string> {
    const { world: { terminal }, signal } = this.#context;
    const { askInTurn, askSecret, canAsk } = await import("../terminal/ask.ts");
    if (!canAsk(terminal)) {
      throw new UsageError("sudo wants a password there, and nobody can be asked for it here", {
        hint: "run this in a terminal, or allow sudo without a password there",
      });
    }
    const question = { question: "Password for sudo", flag: "--sudo", signal };
    return await askInTurn(this.#context, () => askSecret(terminal, question));
  }
}

/** How to become root on this machine: without a password where that is allowed, undefined where we are root. */
export async function elevate(
  runner: Runner,
  password: SudoPassword,
  signal: AbortSignal,
): Promise<Elevation | undefined> {
  // Of the kind that will be run: rules of sudoers are about programs.
  let said = "";
  const onStderr = (chunk: Uint8Array) => void (said = (said + Buffer.from(chunk).toString()).slice(0, 300));
  const free = await runner.exec("sudo -n -- sh -c :", { signal, onStderr });
  if (free.exitCode === 0) return { sudo: "sudo -n --", ahead: "" };
  if (free.exitCode === 127) {
    if (await isRootWithoutSudo(runner, signal)) return undefined;
    throw new GpuError("there is no `sudo` there");
  }
  const ahead = `${await password.get()}\n`;
  // Tried alone first: with a wrong one sudo would take what follows for more of them.
  const tried = await runner.exec("sudo -k -S -p '' -v", { signal, stdin: ahead, onStderr: () => {} });
  if (tried.exitCode === 0) return { sudo: "sudo -k -S -p '' --", ahead };
  const [line = ""] = said.trim().split("\n");
  throw new GpuError(`sudo does not take the password there${line && !/password/i.test(line) ? `: ${line}` : ""}`);
}

/** The same on a terminal, where sudo asks by itself. */
export async function elevateOnTerminal(runner: Runner, signal: AbortSignal): Promise<Elevation | undefined> {
  return await isRootWithoutSudo(runner, signal) ? undefined : { sudo: "sudo --", ahead: "" };
}

/** Whether nothing is to be done for us to be root: in a container there often is no sudo. */
async function isRootWithoutSudo(runner: Runner, signal: AbortSignal): Promise<boolean> {
  const { exitCode } = await runner.exec(`sh -c 'test "$(id -u)" = 0 && ! command -v sudo'`, { signal });
  return exitCode === 0;
}
