import { quoteWord } from "../quote.ts";
import { beganFunction, bornFunction, jobsFolder, livesFunction, napFunction } from "./shell-parts.ts";

/** Shell text that says of a folder `$d` how the job in it is: lines of words, the record in JSON last. */
const reportFunction = `report() {
  [ -f "$d/job" ] || return 1
  state=- code=- ended=- pid= began= boot= started=
  # \`ended\`: what it printed may not be on the disk yet; that somebody ended the supervisor then changes nothing.
  read -r pid began boot started 2>/dev/null < "$d/pid"
  if [ -f "$d/exit" ]; then state=ended
  elif lives "$pid" "$began"; then state=running
  elif [ -f "$d/exit" ] || [ -f "$d/ended" ]; then state=ended
  elif [ -n "$boot" ] && [ "$boot" != "$(born)" ]; then state=rebooted
  elif read -r pid began lead 2>/dev/null < "$d/child" && lives "$pid" "$began"; then state=orphaned
  else state=lost
  fi
  if [ "$state" = ended ]; then read -r code ended 2>/dev/null < "$d/exit" || read -r code ended < "$d/ended"; fi
  stop=-
  read -r stop 2>/dev/null < "$d/stop"
  dropped=whole
  [ ! -f "$d/dropped" ] || dropped=dropped
  echo "job \${d##*/} $state $code \${ended%% *} \${started:--} \${stop:--} $dropped"
  LC_ALL=C ls -ln "$d" | while read -r mode links user group size rest; do
    case $rest in *' 'o.[0-9]* | *' 'e.[0-9]*) echo "part \${rest##* } $size" ;; esac
  done
  printf 'record '
  cat "$d/job"
}
`;

const prelude = `${beganFunction}${bornFunction}${livesFunction}${napFunction}${reportFunction}
umask 077
j=$HOME/${jobsFolder}
`;

/** Says how these jobs are, or all that are there. */
export function reportScript(ids: readonly string[] | undefined): string {
  const folders = ids === undefined ? '"$j"/j-*' : ids.map((id) => `"$j"/${quoteWord(id)}`).join(" ");
  return `${prelude}for d in ${folders}; do report; done\nexit 0\n`;
}

/** A command on a machine lasts no longer, so that one which nobody listens to any more does not stay; in seconds. */
export const patienceSeconds = 50;

/** Waits until the job has ended, but not for ever, and says how it is. */
export function waitScript(id: string, seconds: number): string {
  // Whole seconds are too coarse for a short time.
  const isShort = seconds <= 5;
  return `${prelude}d=$j/${quoteWord(id)}
naps=0
until=$(($(date +%s) + ${Math.ceil(seconds)}))
more() { ${isShort ? `[ "$naps" -lt ${Math.ceil(seconds * 10)} ]` : '[ "$(date +%s)" -lt "$until" ]'}; }
while [ ! -f "$d/exit" ] && read -r pid began rest 2>/dev/null < "$d/pid" && lives "$pid" "$began" && more
do
  naps=$((naps + 1))
  nap
done
report
exit 0
`;
}

export interface StopOrder {
  /** Without \`SIG\`: \`TERM\`. */
  readonly signal: string;
  /** After so many seconds what has not ended is killed. */
  readonly graceSeconds: number;
}

/** Ends a job with all it started, and says how it is then. */
export function stopScript(id: string, { signal, graceSeconds }: StopOrder): string {
  return `${prelude}d=$j/${quoteWord(id)}
send() {
  pid= began= lead=
  if read -r pid began lead 2>/dev/null < "$d/child" && lives "$pid" "$began"; then
    if [ "$lead" = group ]; then set -- "$1" "-$pid"; else set -- "$1" "$pid"; fi
    kill "-$1" -- "$2" 2>/dev/null || sudo -n kill "-$1" -- "$2" 2>/dev/null
  fi
  # What went into a session of its own carries the job's mark.
  for file in $(grep -lasF "GPU_JOB_FOLDER=$d" /proc/[0-9]*/environ 2>/dev/null); do
    file=\${file#/proc/}
    kill "-$1" "\${file%%/*}" 2>/dev/null
  done
}
over() {
  naps=0
  until=$(($(date +%s) + $1 + 1))
  # Whole seconds are too coarse for a short time.
  while if [ "$1" -le 5 ]; then [ "$naps" -lt "$1"0 ]; else [ "$(date +%s)" -lt "$until" ]; fi; do
    [ ! -f "$d/exit" ] || return 0
    lives "$watch" "$watchbegan" || { [ -n "$child" ] && lives "$child" "$childbegan"; } || return 0
    naps=$((naps + 1))
    nap
  done
  [ -f "$d/exit" ]
}
watch= watchbegan= child= childbegan=
read -r watch watchbegan rest 2>/dev/null < "$d/pid"
read -r child childbegan rest 2>/dev/null < "$d/child"
if [ -f "$d/job" ] && [ ! -f "$d/exit" ] && { lives "$watch" "$watchbegan" || lives "$child" "$childbegan"; }; then
  echo ${quoteWord(signal)} > "$d/stop"
  # It may be about to begin.
  n=0
  while [ ! -s "$d/child" ] && [ "$n" -lt 20 ] && lives "$watch" "$watchbegan"; do n=$((n + 1)); nap; done
  read -r child childbegan rest 2>/dev/null < "$d/child"
  send ${quoteWord(signal)}
  over ${Math.ceil(graceSeconds)} || { send KILL; over 5; }
fi
report
exit 0
`;
}

/** Removes what is kept of a job, unless it runs: says how it is then, and nothing where it is gone. */
export function deleteScript(id: string): string {
  return `${prelude}d=$j/${quoteWord(id)}
said=$(report) || exit 0
case $said in
  'job '*' running '* | 'job '*' orphaned '*) printf '%s\\n' "$said" ;;
  *) rm -rf "$d" && [ ! -e "$d" ] ;;
esac
`;
}

/** One file of a stream, and how many of its bytes are known already. */
export interface Part {
  readonly start: number;
  readonly skip: number;
}

export interface ReadOrder {
  readonly id: string;
  /** Printed at the beginning of both streams: what a login shell said before is not the job's. */
  readonly mark: string;
  readonly stdout: Part | undefined;
  readonly stderr: Part | undefined;
  /** Goes on with what is added, until the job ends, a next file begins, or the time is over. */
  readonly follows: boolean;
}

/** Prints a job's stdout on stdout and its stderr on stderr, from given bytes on. */
export function readScript({ id, mark, stdout, stderr, follows }: ReadOrder): string {
  const open = ([fd, letter, part]: readonly [number, string, Part | undefined]) =>
    part === undefined
      ? ""
      : `[ -r "$d/${letter}.${part.start}" ] || exit 0\nexec ${fd}< "$d/${letter}.${part.start}"\nskip ${part.skip} <&${fd}\n`;
  const next = (letter: string, part: Part | undefined) => part === undefined ? "" : ` ${letter}.${part.start}`;
  return `${prelude}d=$j/${quoteWord(id)}
skip() {
  [ "$1" -lt 65536 ] || dd bs=65536 count=$(($1 / 65536)) >/dev/null 2>&1
  [ $(($1 % 65536)) -eq 0 ] || dd bs=1 count=$(($1 % 65536)) >/dev/null 2>&1
}
# Whether a file follows on the one that is read: then this one is complete.
next() {
  for o in "$d/\${1%%.*}".*; do [ "\${o##*.}" -le "\${1#*.}" ] || return 0; done
  return 1
}
n=0
printf '%s\\n' ${quoteWord(mark)}
printf '%s\\n' ${quoteWord(mark)} >&2
${([[3, "o", stdout], [4, "e", stderr]] as const).map(open).join("")}until=$(($(date +%s) + ${patienceSeconds}))
read -r pid began rest 2>/dev/null < "$d/pid"
while :; do
  last=${follows ? "" : "yes"}
  [ ! -f "$d/exit" ] || last=yes
  if [ $((n % 20)) -eq 0 ]; then lives "$pid" "$began" && [ "$(date +%s)" -lt "$until" ] || last=yes; fi
  n=$((n + 1))
  for part in${next("o", stdout)}${next("e", stderr)}; do next "$part" && last=yes; done
  ${stdout === undefined ? ":" : "cat <&3 2>/dev/null || exit 0"}
  ${stderr === undefined ? ":" : "cat <&4 >&2 2>/dev/null || exit 0"}
  [ -z "$last" ] || exit 0
  nap
done
`;
}

/** Says how many bytes before \`end\` the last lines of these files begin. Files that follow on each other, in their order. */
export function tailScript(
  { id, letter, starts, bytes, lines }: {
    readonly id: string;
    readonly letter: "o" | "e";
    readonly starts: readonly number[];
    /** Of these files, to what was written when they were looked at. */
    readonly bytes: number;
    readonly lines: number;
  },
): string {
  const files = starts.map((start) => quoteWord(`${letter}.${start}`)).join(" ");
  return `cd "$HOME/${jobsFolder}/${id}" && cat ${files} | head -c ${bytes} | tail -n ${lines} | wc -c\n`;
}
