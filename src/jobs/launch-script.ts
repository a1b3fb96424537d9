import { quoteWord } from "../quote.ts";
import { beganFunction, jobsFolder, livesFunction, napFunction } from "./shell-parts.ts";
import { supervisor } from "./supervisor.ts";

export interface LaunchOrder {
  readonly id: string;
  readonly name: string | undefined;
  /** What is written down of it, as one line of JSON. */
  readonly record: string;
  /** A line for the login shell. */
  readonly command: string;
  /** Bytes of what follows the script on stdin: what the command reads first. */
  readonly aheadBytes: number;
}

/** Jobs that ended so many days ago are removed when the next one starts. */
export const keptDays = 7;

/** What the script says. `started` also where the same job was there already: it is asked again when an answer was lost. */
export type LaunchAnswer =
  | { readonly kind: "started"; readonly endsWithLogin: boolean }
  | { readonly kind: "name-taken"; readonly by: string };

/** Starts a job, in a way that it has nothing to do with the connection. */
export function launchScript({ id, name, record, command, aheadBytes }: LaunchOrder): string {
  return `${beganFunction}${livesFunction}${napFunction}
mask=$(umask)
umask 077
values=$(cat; echo .)
values=\${values%.}
if [ "$(printf '%s' "$values" | wc -c)" -ne ${aheadBytes} ]; then
  echo 'the connection was lost before all had arrived' >&2
  exit 1
fi
j=$HOME/${jobsFolder}
d=$j/${id}
name=${quoteWord(name ?? "")}
if ! { mkdir -p "$j" && chmod 700 "$j"; } 2>/dev/null; then
  echo "$j cannot be written there" >&2
  exit 1
fi
for o in "$j"/*; do
  [ "$o" != "$d" ] && [ -f "$o/job" ] || continue
  read -r pid began rest 2>/dev/null < "$o/pid" || pid=
  if [ ! -f "$o/exit" ] && lives "$pid" "$began"; then
    [ -z "$name" ] || [ "$(cat "$o/name")" != "$name" ] || { echo "taken \${o##*/}"; exit 0; }
  elif [ -z "$(find "$o" -type f ! -mtime +${keptDays - 1} 2>/dev/null)" ]; then rm -rf "$o"
  fi
done
if mkdir "$d" 2>/dev/null; then
  printf '%s\\n' ${quoteWord(record)} > "$d/job" && printf '%s' "$name" > "$d/name" &&
    printf '%s' ${quoteWord(command)} > "$d/command" && printf '%s' ${quoteWord(supervisor)} > "$d/supervisor" || {
    rm -rf "$d"
    echo 'its files cannot be written there: is the disk full?' >&2
    exit 1
  }
  # setsid(1) forks only where its process leads a group, and the one that forks is not waited for. With \`&\` the job
  # would ignore SIGINT, and nobody could change that.
  if command -v setsid >/dev/null 2>&1; then set -- setsid sh -c 'exec setsid "$@"' sh
  elif command -v perl >/dev/null 2>&1; then set -- perl -e 'use POSIX; fork and exit; POSIX::setsid(); exec @ARGV; exit 127'
  elif command -v python3 >/dev/null 2>&1; then
    set -- python3 -c 'import os, sys; os.fork() and os._exit(0); os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])'
  else set --; fi
  if [ "$#" -gt 0 ]; then printf '%s' "$values" | "$@" sh "$d/supervisor" watch "$d" "$mask" >/dev/null 2>&1
  else
    trap '' HUP
    { printf '%s' "$values" | sh "$d/supervisor" watch "$d" "$mask"; } >/dev/null 2>&1 &
  fi
elif [ ! -d "$d" ]; then
  echo 'its folder cannot be made there: is the disk full?' >&2
  exit 1
fi
n=0
while [ ! -s "$d/pid" ] || [ ! -s "$d/child" ] && [ ! -f "$d/exit" ]; do
  n=$((n + 1))
  if [ "$n" -gt 400 ]; then
    echo 'its supervisor did not start' >&2
    exit 1
  fi
  nap 0.02
done
if grep -Eqs '^ *KillUserProcesses *= *(yes|true|on|1)' /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf
then echo 'started until-logout'
else echo 'started'; fi
`;
}
