/** What is run on an instance to put the agent there. POSIX `sh`, in the home of who logs in. */

/** Below the home. */
const folder = ".gpu-agent";

/** Prints the agent's folder, which it makes, `uname -sm`, `glibc` or `musl`, and what is in that folder. */
export const checkScript = `
umask 077
cd || exit 1
mkdir -p ${folder} && chmod 700 ${folder} || exit 1
echo "$PWD/${folder}"
uname -sm
if [ -e /lib64/ld-linux-x86-64.so.2 ] || [ -e /lib/ld-linux-aarch64.so.1 ]; then echo glibc
elif ls /lib/ld-musl-*.so.1 >/dev/null 2>&1; then echo musl
else echo glibc; fi
ls ${folder}
`;

/** Unpacks what was uploaded, and gives it its name only when it is whole and runs. Older ones go. */
export function unpackScript({ upload, hash }: { upload: string; hash: string }): string {
  return `
umask 077
cd && cd ${folder} || exit 1
new=./new-$$
trap 'rm -f "$new" ${upload}' EXIT
gzip -dc ${upload} >"$new" || exit 1
if command -v sha256sum >/dev/null; then sum=$(sha256sum "$new"); else sum=$(shasum -a 256 "$new"); fi
if [ "\${sum%% *}" != ${hash} ]; then echo 'the upload was damaged on its way' >&2; exit 1; fi
chmod 700 "$new"
if ! "$new" --version >/dev/null; then echo 'gpu does not run on this machine' >&2; exit 1; fi
for old in gpu-* upload-*; do [ "$old" = ${upload} ] || rm -f "$old"; done
mv "$new" gpu-${hash}
`;
}

/** Prints the last words of an agent that did not start. */
export const logScript = `cd && tail -n 2 ${folder}/log`;

/**
 * Starts the agent in a session of its own, so that it outlives this one. Its orders, one line, come on stdin and go
 * through a pipe: they stand in no command line, no file and no environment.
 */
export function startScript(hash: string): string {
  return `
unset GPU_EXEC
cd || exit 1
IFS= read -r orders || exit 1
file=$PWD/${folder}/gpu-${hash}
log=$PWD/${folder}/log
mask=$(umask); umask 077; : >>"$log"; umask "$mask"
set -- agent --orders
if [ -n "$GPU_AGENT_SOCKET" ]; then
  cd "$(dirname "$GPU_AGENT_SOCKET")" || exit 1
  set -- "$@" --socket "$(basename "$GPU_AGENT_SOCKET")"
fi
if command -v setsid >/dev/null; then set -- setsid "$file" "$@"; else set -- nohup "$file" "$@"; fi
printf '%s\\n' "$orders" | "$@" >>"$log" 2>&1 &
`;
}
