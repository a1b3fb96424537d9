import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { bunScript } from "../../agent/bun-folder.ts";
import type { World } from "../../world.ts";
import { fakeNvidiaSmi } from "./fake-gpu.ts";
import { agentSocket, user } from "./folder.ts";
import type { Machine } from "./folder.ts";
import { markVariable } from "./hunt.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** All that comes into a machine from the environment of who launched it. */
const inherited = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/** Without these, programs do not start on Windows. */
const inheritedOnWindows = ["SystemRoot", "SystemDrive", "ComSpec", "PATHEXT", "TEMP", "TMP", "NUMBER_OF_PROCESSORS"];
const plainPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The environment of a machine and of all it starts: clean, marked, at home in its own folder. */
export function machineEnvironment(
  world: World,
  { folder, machine: { token, bare } }: { folder: string; machine: Pick<Machine, "token" | "bare"> },
): Environment {
  const home = join(folder, "home");
  const isWindows = world.platform === "win32";
  const names = isWindows ? [...inherited, ...inheritedOnWindows] : inherited;
  const kept = Object.fromEntries(names.map((name) => [name, world.env[name]]).filter(([, value]) => value));
  return {
    LANG: "C.UTF-8",
    ...kept,
    HOME: home,
    ...(isWindows ? { USERPROFILE: home } : {}),
    USER: bare?.user ?? user,
    LOGNAME: bare?.user ?? user,
    SHELL: shellOf(world),
    TERM: "dumb",
    PATH: searchPath(join(folder, "bin"), world.env.PATH || plainPath),
    [markVariable]: token,
    // All machines here share one loopback: an agent that is started on it listens here instead of on a port.
    ...(bare === undefined ? {} : { GPU_AGENT_SOCKET: join(folder, agentSocket) }),
  };
}

/** The machine's own programs first, once: its process asks for its environment too, and already has them. */
function searchPath(bin: string, path: string): string {
  return [bin, ...path.split(delimiter).filter((folder) => folder !== bin)].join(delimiter);
}

/** What runs commands as `shell -c command`. */
export function shellOf({ platform }: World): string {
  if (platform === "win32") return "powershell.exe";
  return ["/bin/bash", "/usr/bin/bash"].find((path) => existsSync(path)) ?? "/bin/sh";
}

/** Makes the machine's home, and the programs that it has beside those of this computer. */
export async function furnish(
  world: World,
  { folder, machine: { fakeGpu, bare } }: { folder: string; machine: Pick<Machine, "fakeGpu" | "bare"> },
): Promise<void> {
  await mkdir(join(folder, "home"), { mode: 0o700 });
  await mkdir(join(folder, "bin"), { mode: 0o700 });
  const gpu = { count: bare?.gpuCount, eccErrors: bare?.eccErrors };
  const tools = {
    ...(bare === undefined ? bunShim(world) : bareShims),
    ...(fakeGpu === undefined ? {} : { "nvidia-smi": fakeNvidiaSmi(fakeGpu, gpu) }),
  };
  for (const [name, content] of Object.entries(tools)) {
    const path = join(folder, "bin", name);
    await writeFile(path, content, { mode: 0o700, flag: "wx" });
    await chmod(path, 0o700);
  }
}

const refuse = `#!/bin/sh\necho "$(basename "$0"): this machine is emulated, and the computer is yours" >&2\nexit 1\n`;

/** The table of a bare machine, in its folder. Its machine obeys the `@reboot` lines in it, and no others. */
export const crontabFile = "crontab";

const emulatedCrontab = `#!/bin/sh
table="$(dirname "$0")/../${crontabFile}"
case \${1:--} in
  -l) [ -e "$table" ] || { echo "no crontab for $LOGNAME" >&2; exit 1; }; exec cat "$table" ;;
  -) umask 077; cat >"$table.new.$$" && exec mv "$table.new.$$" "$table" ;;
  *) echo 'crontab: this machine is emulated: -l and - are all it knows' >&2; exit 1 ;;
esac
`;

/** What would read or end the computer itself, on a machine whose owner believes it to be one of its own. */
const bareShims: Readonly<Record<string, string>> = {
  "dmesg": "#!/bin/sh\nexit 0\n",
  "shutdown": refuse,
  "poweroff": refuse,
  "reboot": refuse,
  "halt": refuse,
  "crontab": emulatedCrontab,
};

/** `bun` on the machine: this executable, which contains it, or the one that runs us. */
function bunShim(world: World): Record<string, string> {
  if (world.platform !== "win32") return { bun: bunScript(world) };
  const [executable = "", ...script] = world.self;
  return { "bun.cmd": `@echo off\r\n${script.length === 0 ? "set BUN_BE_BUN=1\r\n" : ""}"${executable}" %*\r\n` };
}
