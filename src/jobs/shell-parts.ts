/*
 * Shell functions that the scripts of jobs share. They run in the `sh` of any system: dash, BusyBox, bash as `sh`, the
 * BSDs'; with what POSIX has, and `head -c`, `sleep 0.1` and /proc only where they are there.
 */

/** Where a user's jobs are kept on a machine, below the home there. A folder for each, by its id. */
export const jobsFolder = ".local/state/gpu/jobs";

/**
 * `began PID`: when a living process began, in words of the system's own; nothing where there is none. A number that is
 * used again began at another time. Field 22 of proc_pid_stat(5), behind the name in parentheses, in which anything may
 * stand; a zombie has ended.
 */
export const beganFunction = `began() {
  if [ -d /proc/self ]; then
    [ -r "/proc/$1/stat" ] && read -r line 2>/dev/null < "/proc/$1/stat" || return 1
    line=\${line##*) }
    set -- $line
    case $1 in Z | X) return 1 ;; esac
    printf '%s\\n' "\${20}"
  else
    ps -o stat= -o lstart= -p "$1" 2>/dev/null | sed -n '/^Z/d; s/^[^ ]* *//; s/ /_/g; p'
  fi
}
`;

/** `born`: which start of the system this is; \`-\` where nobody knows. */
export const bornFunction = `born() {
  cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.bootsessionuuid 2>/dev/null ||
    sysctl -n kern.boot_id 2>/dev/null || echo -
}
`;

/** `lives PID BEGAN`: whether that very process lives. */
export const livesFunction = `lives() {
  [ -n "$1" ] && kill -0 "$1" 2>/dev/null && [ "$(began "$1")" = "$2" ]
}
`;

/** `bytes FILE`: how many are in it. */
export const bytesFunction = `bytes() {
  set -- $(LC_ALL=C ls -ln "$1" 2>/dev/null)
  echo "\${5:-0}"
}
`;

/** `nap`: a tenth of a second, or the part of one that is given. */
export const napFunction = `nap() { sleep "\${1:-0.1}" 2>/dev/null || sleep 1; }
`;
