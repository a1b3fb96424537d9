import type { World } from "../world.ts";

/*
 * OpenSSH ignores signals for a command when one logs in as root, as on many rented machines. So a command that may
 * have to be stopped carries a mark, by which a second command finds it: in its environment, or in the command line
 * of the shell that has set it.
 */

const variable = "GPU_EXEC";

/** A mark that nothing else on the remote has. */
export function createMark({ random }: Pick<World, "random">): string {
  return Buffer.from(random(16)).toString("hex");
}

/** Shell text to put before a command. */
export function marking(mark: string): string {
  return `export ${variable}=${mark}; `;
}

/** A command that sends a signal to whatever carries the mark, with its process group. It fails where nothing does. */
export function killMarked(mark: string, signal: "TERM" | "KILL"): string {
  // The brackets keep this command from finding itself.
  const pattern = `${variable}=[${mark.slice(0, 1)}]${mark.slice(1)}`;
  return [
    "if [ -r /proc/self/environ ]",
    `then all=$(grep -la '${pattern}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null)`,
    // Without Linux's /proc: `e` shows the environment of one's own processes, on macOS and the BSDs too.
    `else all=$(ps axeww -o pid= -o command= 2>/dev/null | sed -n '/${pattern}/s/^ *\\([0-9][0-9]*\\).*/\\1/p')`,
    "fi",
    "for p in $all",
    "do p=${p#/proc/}; p=${p%/*}",
    `kill -${signal} -- -$p 2>/dev/null || kill -${signal} $p 2>/dev/null`,
    "done",
    '[ -n "$all" ]',
  ].join("\n");
}
