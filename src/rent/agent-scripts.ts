/** What is run on an instance to put the agent there. POSIX `sh`, in the home of who logs in. */

/** Below the home. */
const folder = ".gpu-agent";

/** Where an agent's executable is, below the home. `hash`: its SHA-256 in hexadecimal. */
export function agentFile(hash: string): string {
  return `${folder}/gpu-${hash}`;
}

/** What can unpack there, the fastest first. */
export const packers = ["zstd", "gzip"] as const;
export type Packer = (typeof packers)[number];

/** Prints where the agent's folder is to be, `uname -sm`, `glibc` or `musl`, a packer, and what is in that folder. */
export const checkScript = `
cd || exit 1
echo "$PWD/${folder}"
uname -sm
if [ -e /lib64/ld-linux-x86-64.so.2 ] || [ -e /lib/ld-linux-aarch64.so.1 ]; then echo glibc
elif ls /lib/ld-musl-*.so.1 >/dev/null 2>&1; then echo musl
else echo glibc; fi
if command -v zstd >/dev/null; then echo zstd; else echo gzip; fi
ls ${folder} 2>/dev/null || :
`;

/**
 * Unpacks what comes on stdin while it comes, and gives it its name only when it is whole and runs. Older ones go.
 * coreutils' `b2sum` takes a third of the time of its `sha256sum`.
 */
export function unpackScript({ packer, hash, blake2b }: { packer: Packer; hash: string; blake2b: string }): string {
  return `
umask 077
cd && mkdir -p ${folder} && chmod 700 ${folder} && cd ${folder} || exit 1
new=./new-$$
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
${packer} -dc >"$new" || exit 1
if command -v b2sum >/dev/null; then sum=$(b2sum "$new"); right=${blake2b}
elif command -v sha256sum >/dev/null; then sum=$(sha256sum "$new"); right=${hash}
else sum=$(shasum -a 256 "$new"); right=${hash}; fi
if [ "\${sum%% *}" != $right ]; then echo 'the upload was damaged on its way' >&2; exit 1; fi
chmod 700 "$new"
if ! "$new" --version >/dev/null; then echo 'gpu does not run on this machine' >&2; exit 1; fi
rm -f gpu-*
find . -name 'new-*' -mmin +60 -exec rm -f {} +
mv "$new" gpu-${hash}
`;
}

/** Prints the last words of an agent that did not start. */
export const logScript = `cd && tail -n 2 ${folder}/log`;

/** How the table of cron names the agent, whose line is replaced and no other. */
const reboot = `@reboot sh ${folder}/boot <${folder}/orders`;

/**
 * Starts the agent in a session of its own, so that it outlives this one; one that runs is ended first. Its orders come
 * as one line on stdin and go through a pipe: they stand in no command line and no environment. A second line, without
 * a provider's key, is kept for the day the machine boots again: cron, where there is one, starts the agent with it.
 * On an emulated machine only the table of that machine is written, never that of the computer it is on.
 */
export function startScript(hash: string): string {
  return `
cd && cd ${folder} || exit 1
IFS= read -r orders || exit 1
IFS= read -r again || exit 1
mask=$(umask); umask 077
: >>log
printf '%s\\n' "$again" >orders
cat >boot <<'END'
${bootScript(hash)}END
umask "$mask"
if [ -z "$GPU_MACHINE" ] || [ -x "\${GPU_AGENT_SOCKET%/*}/bin/crontab" ]; then
  if command -v crontab >/dev/null; then
    { crontab -l 2>/dev/null | grep -vF ${folder}/boot; echo '${reboot}'; } | crontab - >/dev/null 2>&1
  fi
fi
old=$(cat pid 2>/dev/null)
case $(tr '\\0' ' ' 2>/dev/null </proc/"\${old:-none}"/cmdline) in
  *${folder}/gpu-*)
    kill "$old"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do kill -0 "$old" 2>/dev/null || break; sleep 0.2; done ;;
esac
printf '%s\\n' "$orders" | sh boot
`;
}

/** Starts the agent with the orders on its stdin. */
function bootScript(hash: string): string {
  return `unset GPU_EXEC
cd "$(dirname "$0")" || exit 1
IFS= read -r orders || exit 1
here=$PWD
set -- "$here/gpu-${hash}" agent --orders
cd ..
if [ -n "$GPU_AGENT_SOCKET" ]; then
  cd "$(dirname "$GPU_AGENT_SOCKET")" || exit 1
  set -- "$@" --socket "$(basename "$GPU_AGENT_SOCKET")"
fi
if command -v setsid >/dev/null; then set -- setsid "$@"; else set -- nohup "$@"; fi
printf '%s\\n' "$orders" | "$@" >>"$here/log" 2>&1 &
echo $! >"$here/pid"
`;
}
