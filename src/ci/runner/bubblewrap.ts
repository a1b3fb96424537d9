import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { GpuError } from "../../errors.ts";
import { oneLine } from "../../safe-text.ts";
import type { World } from "../../world.ts";

/** Where a job is shut in. */
export interface Room {
  /** The project, the one folder that it may write beside its own /tmp and home. */
  readonly project: string;
  /** Folders that it must not see: the server's own. */
  readonly hidden: readonly string[];
  readonly home: string;
  readonly path: string;
  /** What stays visible wherever it is: a folder with a `bun`, and what that starts. */
  readonly tools: readonly string[];
  readonly hasNetwork: boolean;
}

/**
 * The words before a command that shut it in with bubblewrap (https://github.com/containers/bubblewrap): the system
 * read-only, /tmp, /run and the home empty and its own, no process of anybody else in sight. What of the home is on the
 * PATH stays visible. GPUs stay; the network too, unless the project wants none.
 */
export function bubblewrapWords({ project, hidden, home, path, tools, hasNetwork }: Room): string[] {
  const isHomeOwn = home !== "" && home !== "/" && existsSync(home);
  return [
    "bwrap",
    ...["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...(hasNetwork ? [] : ["--unshare-net"]),
    ...["--cap-drop", "ALL", "--hostname", "job"],
    ...["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"],
    ...devices().flatMap((device) => ["--dev-bind", device, device]),
    ...["--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--tmpfs", "/run", "--setenv", "TMPDIR", "/tmp"],
    // Where names are looked up; on many systems /etc/resolv.conf leads there.
    ...["--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve"],
    ...["--ro-bind-try", "/run/resolvconf", "/run/resolvconf"],
    ...(isHomeOwn ? ["--tmpfs", home, ...toolsIn(home, path).flatMap((folder) => ["--ro-bind", folder, folder])] : []),
    ...hidden.filter((folder) => existsSync(folder)).flatMap((folder) => ["--tmpfs", folder]),
    ...tools.flatMap((tool) => ["--ro-bind-try", tool, tool]),
    ...["--bind", project, project, "--chdir", project, "--"],
  ];
}

/** Throws where bubblewrap cannot be used, with what to do about it. */
export async function checkBubblewrap(
  { platform, spawn, env }: Pick<World, "platform" | "spawn" | "env">,
): Promise<void> {
  if (platform !== "linux") {
    throw new GpuError("`--isolation bubblewrap` needs Linux", { hint: "`--isolation process` works everywhere" });
  }
  if (Bun.which("bwrap", { PATH: env.PATH ?? "" }) === null) {
    throw new GpuError("`--isolation bubblewrap` needs the program `bwrap`, which is not installed here", {
      hint:
        "install the package `bubblewrap` (`apt-get install bubblewrap`), or use `--isolation process`, which needs none",
    });
  }
  const child = spawn(
    ["bwrap", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"],
    { cwd: "/", env: { PATH: env.PATH }, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  let said = "";
  child.stderr?.on(
    "data",
    (piece: Uint8Array) => void (said = (said + new TextDecoder().decode(piece)).slice(0, 2000)),
  );
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", (code) => resolve(code));
  });
  if (code === 0) return;
  const why = oneLine(said.trim().split("\n")[0] ?? "", 300) || "it could not be started";
  throw new GpuError(`bubblewrap cannot shut jobs in here: ${why}`, {
    hint: `${howToAllow.find(([pattern]) => pattern.test(said))?.[1] ?? "try \`bwrap --ro-bind / / true\`"}; ` +
      "`--isolation process` works without it",
  });
}

/** What bubblewrap says (https://github.com/containers/bubblewrap, bubblewrap.c), and what helps. */
const howToAllow: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [
    /namespace|user ns|uid map|loopback/i,
    "this system forbids user namespaces: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu) or " +
    "`kernel.unprivileged_userns_clone=1` (Debian) allows them, in a container `--privileged`",
  ],
  [/mount/i, "this container forbids mounts: `--privileged` allows them"],
];

/** The devices of GPUs. */
function devices(): string[] {
  const names = namesIn("/dev").filter((name) => /^(nvidia.*|kfd|dri|dxg|infiniband)$/.test(name));
  return names.map((name) => join("/dev", name));
}

/** The folders of the home that hold what is on the PATH: `~/.cargo`, but of shared ones only the part that is named. */
function toolsIn(home: string, path: string): string[] {
  const folders = path.split(delimiter).flatMap((entry) => {
    if (!entry.startsWith(`${home}/`)) return [];
    const parts = entry.slice(home.length + 1).split("/");
    const depth = [".local", ".config", ".cache"].includes(parts[0] ?? "") ? 2 : 1;
    return [join(home, ...parts.slice(0, depth))];
  });
  return [...new Set(folders)].filter((folder) => existsSync(folder));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
