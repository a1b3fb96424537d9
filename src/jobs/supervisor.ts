import { beganFunction, bornFunction, bytesFunction, napFunction } from "./shell-parts.ts";

/*
 * What stays on a machine with a job. Files in the job's folder, each its owner's alone:
 *   job         what it is, as one line of JSON; `name`, `command` for the scripts
 *   supervisor  this script
 *   pid         the supervisor: its number, when it began, of which start of the system, when the job began (seconds)
 *   child       the command: its number, when it began, and whether it leads a group of its own
 *   o.N, e.N    what it printed from byte N on, on stdout and stderr
 *   exit        exit code and time; there only once the job has ended and what it printed by then is on the disk
 *   stop        the signal with which somebody ended it; `dropped`: the disk was full, something is missing
 */

/** Bytes after which the next file of a stream begins; a file has up to twice as many. */
export const segmentBytes = 16 * 2 ** 20;

/** So many files of a stream are kept beside its first one and the one that is being written: 128 MiB as a rule. */
const keptSegments = 6;

/** `sh supervisor watch FOLDER UMASK`, which starts `sh supervisor run FOLDER UMASK`. */
export const supervisor =
  `# Keeps what a job of gpu prints, and its exit code. \`gpu job list\` shows it, \`gpu job stop\` ends it.
d=$2 mask=$3
umask 077
${beganFunction}${bornFunction}${bytesFunction}${napFunction}
# A session of its own, so that a signal reaches all of the command and nothing else.
apart() {
  if command -v setsid >/dev/null 2>&1; then exec setsid "$@"
  elif command -v perl >/dev/null 2>&1; then exec perl -e 'use POSIX; POSIX::setsid(); exec @ARGV; exit 127' "$@"
  elif command -v python3 >/dev/null 2>&1; then
    exec python3 -c 'import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
  else exec "$@"; fi
}

if [ "$1" = run ]; then
  lead=-
  [ "$(ps -o pgid= -p "$$" 2>/dev/null | tr -d ' ')" = "$$" ] && lead=group
  [ -r "/proc/$$/stat" ] && read -r line < "/proc/$$/stat" && set -- \${line##*) } && [ "$3" = "$$" ] && lead=group
  echo "$$ $(began "$$") $lead" > "$d/child"
  command=$(cat "$d/command")
  GPU_JOB=\${d##*/} GPU_JOB_FOLDER=$d
  export GPU_JOB GPU_JOB_FOLDER
  umask "$mask"
  cd "$HOME" 2>/dev/null || cd /
  exec "\${SHELL:-/bin/sh}" -c "$command"
fi

cd "$d" || exit 1
# Values of the environment, a script: here alone, and gone once the command has read them.
values=$(cat; echo .)
values=\${values%.}
exec </dev/null
# So much is there for the end, however full the disk is by then.
echo '- 0                                        ' > ending
echo "$$ $(began "$$") $(born) $(date +%s)" > pid.new && mv pid.new pid || exit 1

# Writes what comes on stdin into files, the middle of which are removed when it is too much.
keep() {
  stream=$1 at=0 recent=
  line='
'
  while :; do
    if said=$(LC_ALL=C dd bs=4096 count=${segmentBytes / 4096} 2>&1 >> "$stream.$at"); then
      case $line$said in *"$line"'0+0 '*) return ;; esac
    else
      # It cannot be written, and whoever prints it must not hang for that.
      : > dropped
      [ -n "$(dd bs=4096 count=256 | tail -c 1 | tr '\\000' .)" ] || return
    fi
    size=$(bytes "$stream.$at")
    if [ "$size" -ge ${segmentBytes} ]; then
      [ "$at" -gt 0 ] && recent="$recent $at"
      at=$((at + size))
      set -- $recent
      if [ "$#" -gt ${keptSegments} ]; then
        rm -f "$stream.$1"
        shift
        recent=$*
      fi
    fi
  done
} 2>/dev/null

{
  {
    # What this shell says of itself, as of a command that was killed, is not the job's.
    exec 4>&2 2>/dev/null
    if [ -n "$values" ]; then printf '%s' "$values" 4>&- | (apart sh "$0" run "$d" "$mask") 2>&4 4>&-
    else (apart sh "$0" run "$d" "$mask") </dev/null 2>&4 4>&-; fi
    echo "$? $(date +%s)" 1<> ending
    mv ending ended
    # What it left behind may print for ever: the job has ended all the same. A program, since a shell would keep pipes open.
    sh -c 'sleep 2; mv ended exit' </dev/null >/dev/null 4>&- &
  } 2>&1 >&3 3>&- | keep e 3>&-
} 3>&1 >/dev/null | keep o
mv ended exit 2>/dev/null
exit 0
`;
