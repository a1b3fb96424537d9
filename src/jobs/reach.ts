import { existsSync } from "node:fs";
import type { Context } from "../command.ts";
import { readVariable } from "../env.ts";
import { GpuError } from "../errors.ts";
import { instanceTarget } from "../hosts/select.ts";
import type { HostLogin, Target } from "../hosts/target.ts";
import { onInstance } from "../instance/lost.ts";
import { oneLine } from "../safe-text.ts";
import { type ExecOptions, type ExecResult, readAhead, type Runner } from "../ssh/exec.ts";
import { SshError } from "../ssh/failure.ts";
import { type Machine, machineKey, machineOf } from "./kept.ts";

/** How one logs in; what opens it knows of connections that are shared. */
export type OpenRunner = (target: Target, signal: AbortSignal) => Promise<Runner>;

/** The rented instance that a job was on is not there any more. */
export class MachineGone extends GpuError {
  override name = "MachineGone";
}

interface RunOptions extends Omit<ExecOptions, "stdin"> {
  readonly ahead?: string;
  readonly signal: AbortSignal;
  onSend?(): void;
}

/** As ssh: what goes wrong with the connection is not taken for a job's own exit code. */
const unreachableExitCode = 255;
/** What is read of an answer at most, in bytes. */
const answerMax = 4 * 2 ** 20;

/** The machines of a command: each is logged in on once, and again where its connection was lost. */
export class Reach implements AsyncDisposable {
  readonly #context: Context;
  readonly #open: OpenRunner;
  readonly #runners = new Map<string, Promise<Runner>>();
  readonly #hosts = new Map<string, Target>();

  /** Its machines have answered somebody before. */
  readonly wasThere: boolean;

  constructor(context: Context, open: OpenRunner, { wasThere = false }: { wasThere?: boolean } = {}) {
    this.#context = context;
    this.#open = open;
    this.wasThere = wasThere;
  }

  /** The machine of a target. A host is logged in on as it was named: one that is not kept may be new. */
  machine(target: Target): Machine {
    const machine = machineOf(target);
    if (target.kind === "host") this.#hosts.set(machineKey(machine), target);
    return machine;
  }

  /** Does something there that no script of ours does. */
  async with<T>(machine: Machine, work: (runner: Runner) => Promise<T>): Promise<T> {
    return await work(await this.#runner(machine, this.#context.signal));
  }

  /** Runs a script in the `sh` there, which reads the rest of what it is sent from its stdin. Returns what it printed. */
  async ask(
    machine: Machine,
    script: string,
    { ahead = "", signal = this.#context.signal, endsWithUs = true, onSend }: {
      readonly ahead?: string;
      /** Called when the login is done: from here on it may have begun. */
      onSend?(): void;
      readonly signal?: AbortSignal;
      /** The script ends when this is told to end. */
      readonly endsWithUs?: boolean;
    } = {},
  ): Promise<string> {
    const said: Uint8Array[] = [];
    const failed: Uint8Array[] = [];
    let byteCount = 0;
    const { exitCode } = await this.run(machine, script, {
      ahead,
      signal,
      onSend,
      endsAll: endsWithUs ? undefined : false,
      onStdout: (chunk) => {
        byteCount += chunk.length;
        if (byteCount > answerMax) throw new GpuError("the machine says more of its jobs than is read");
        said.push(chunk);
      },
      onStderr: (chunk) => void (failed.length < 20 && failed.push(chunk)),
    });
    if (exitCode === 0) return Buffer.concat(said).toString("utf8");
    const why = oneLine(Buffer.concat(failed).toString("utf8"), 300) || `\`sh\` there ended with ${exitCode}`;
    throw new GpuError(`\`${machine.name}\`: ${why}`, { hint: "a job needs sh and the tools of POSIX on its machine" });
  }

  /** The same, with what it prints handed over as it comes. */
  async run(
    machine: Machine,
    script: string,
    { ahead = "", onSend, ...options }: RunOptions,
  ): Promise<ExecResult> {
    const key = machineKey(machine);
    // In braces, so that half of it is none. It comes on stdin: some login shells know no quoted newline.
    const text = `{\n${script}}\n`;
    const command = `exec sh -c 'eval "$(${readAhead(Buffer.byteLength(text))})"'`;
    try {
      const runner = await this.#runner(machine, options.signal);
      onSend?.();
      return await runner.exec(command, { ...options, stdin: text + ahead });
    } catch (error) {
      if (isPassing(error)) {
        const opened = await this.#runners.get(key)?.catch(() => undefined);
        this.#runners.delete(key);
        await opened?.[Symbol.asyncDispose]();
      }
      throw error;
    }
  }

  async [Symbol.asyncDispose]() {
    for (const opening of this.#runners.values()) {
      await (await opening.catch(() => undefined))?.[Symbol.asyncDispose]();
    }
  }

  async #runner(machine: Machine, signal: AbortSignal): Promise<Runner> {
    const key = machineKey(machine);
    const known = this.#runners.get(key);
    if (known) return await known;
    const target = Promise.resolve(this.#hosts.get(key) ?? targetOf(this.#context, machine));
    const opening = target.then((found) => this.#open(found, signal));
    this.#runners.set(key, opening);
    opening.catch(() => this.#runners.delete(key));
    return await opening;
  }
}

/** The machine as it is now. */
async function targetOf(context: Context, machine: Machine): Promise<Target> {
  if (machine.kind === "host") {
    return { kind: "host", name: machine.name, login: withAgentOfNow(machine.login, context) };
  }
  const launch = (await context.journal()).launch(machine.token);
  if (launch && launch.state !== "STOPPED" && launch.state !== "ABSENT") return instanceTarget(launch);
  throw new MachineGone(`\`${machine.name}\`, where the job was, is gone${launch?.endWhy ? `: ${launch.endWhy}` : ""}`);
}

/** The SSH agent of the shell in which a job was started may have ended with it. */
function withAgentOfNow(login: HostLogin, context: Context): HostLogin {
  const agent = login.agent === null || existsSync(login.agent)
    ? login.agent
    : readVariable(context.world.env, "SSH_AUTH_SOCK") ?? null;
  return { ...login, agent, jumps: login.jumps.map((jump) => withAgentOfNow(jump, context)) };
}

/** Errors of the connection say which machine it was, and end as ssh does. */
export async function onMachine<T>(context: Context, machine: Machine, work: () => Promise<T>): Promise<T> {
  if (machine.kind === "instance") {
    const launch = (await context.journal()).launch(machine.token);
    if (launch) return await onInstance(context, launch, work);
  }
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SshError) || context.signal.aborted) throw error;
    const { message, hint } = error;
    throw new GpuError(`\`${machine.name}\`: ${message}`, { hint, exitCode: unreachableExitCode, cause: error });
  }
}

const passing = ["unreachable", "refused", "timeout", "closed", "lost"];

/** Whether the machine may answer in a moment. */
export function isPassing(error: unknown): boolean {
  return error instanceof SshError && passing.includes(error.reason);
}
