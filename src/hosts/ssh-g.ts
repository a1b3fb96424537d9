import { join } from "node:path";
import { childEnvironment } from "../env.ts";
import { GpuError, systemCode } from "../errors.ts";
import { readTextIfThere } from "../files.ts";
import { oneLine } from "../safe-text.ts";
import type { World } from "../world.ts";
import { type SshSettings, toSettings, usedKeywords } from "./ssh-settings.ts";

type AskingWorld = Pick<World, "cwd" | "env" | "home" | "spawn" | "clock">;

/** Whose settings are asked for: a name as it was typed, and what was said beside it. */
export interface SshQuestion {
  readonly name: string;
  readonly user: string | undefined;
  readonly port: number | undefined;
}

const patienceMs = 15_000;

/** What `ssh -G` says of a host; undefined where there is no `ssh`. Two dashes are before the name: it is no option. */
export async function askSsh(
  world: AskingWorld,
  { name, user, port }: SshQuestion,
  { homeOfSsh, signal }: { readonly homeOfSsh: string; readonly signal?: AbortSignal },
): Promise<SshSettings | undefined> {
  // It is told which file is meant, and then leaves out the system's own.
  const config = homeOfSsh === world.home ? [] : ["-F", join(world.home, ".ssh", "config")];
  const who = [...(user === undefined ? [] : ["-l", user]), ...(port === undefined ? [] : ["-p", String(port)])];
  const answer = await runSsh(world, ["-G", ...config, ...who, "--", name], signal);
  if (answer === undefined) return undefined;
  if (answer.exitCode !== 0) {
    const why = oneLine(answer.stderr.trim().split("\n")[0] ?? "", 300);
    throw new GpuError(`\`ssh -G\` cannot say how \`${name}\` is reached: ${why || `exit code ${answer.exitCode}`}`, {
      hint: "mend the ssh configuration, or `--no-ssh-config` does without it",
    });
  }
  return parseAnswer(answer.stdout.replaceAll(` ${homeOfSsh}/.ssh/`, ` ${world.home}/.ssh/`));
}

/** A keyword without capitals on each line, and its arguments as they were. */
export function parseAnswer(text: string): SshSettings {
  return toSettings(
    text.split("\n").flatMap((line) => {
      const space = line.indexOf(" ");
      const keyword = line.slice(0, space);
      if (space < 0 || !usedKeywords.has(keyword)) return [];
      const rest = line.slice(space + 1).trim();
      // Lists of files have spaces between them, and nothing tells a space in a name from one between two.
      const isList = keyword.endsWith("knownhostsfile");
      return [[keyword, isList ? rest.split(/\s+/) : [rest]] as const];
    }),
  );
}

/**
 * Whose home `ssh` looks into: that of the password database, whatever `HOME` says. Undefined where there is no `ssh`.
 */
export async function findHomeOfSsh(world: AskingWorld, signal?: AbortSignal): Promise<string | undefined> {
  const users = await readTextIfThere("/etc/passwd").catch(() => undefined);
  if (users?.split("\n").some((line) => line.split(":")[5] === world.home)) return world.home;
  const answer = await runSsh(world, ["-G", "-F", "none", "--", "x"], signal);
  return answer && (/^userknownhostsfile (.*?)\/\.ssh\/known_hosts /m.exec(answer.stdout)?.[1] ?? world.home);
}

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runSsh(
  world: AskingWorld,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const child = world.spawn(["ssh", ...args], {
      cwd: world.cwd,
      env: childEnvironment(world.env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const over = new AbortController();
    const stop = (reason: unknown) => {
      child.kill("SIGKILL");
      over.abort();
      reject(reason);
    };
    world.clock.sleep(patienceMs, over.signal).then(() => stop(new GpuError("`ssh -G` does not come back")), () => {});
    const onAbort = () => stop(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const said = { stdout: "", stderr: "" };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => said.stdout += text);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => said.stderr += text);
    const end = () => {
      over.abort();
      signal?.removeEventListener("abort", onAbort);
    };
    child.once("error", (error) => {
      end();
      if (systemCode(error) === "ENOENT") return resolve(undefined);
      reject(new GpuError(`\`ssh -G\` cannot be started: ${error.message}`, { cause: error }));
    });
    child.once("close", (code) => {
      end();
      resolve({ exitCode: code ?? 255, ...said });
    });
  });
}
