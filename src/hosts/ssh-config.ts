import { join } from "node:path";
import { UsageError } from "../errors.ts";
import type { World } from "../world.ts";
import { appliesTo, type Directive, readSshConfig } from "./ssh-config-file.ts";
import { askSsh, findHomeOfSsh, type SshQuestion } from "./ssh-g.ts";
import { noSettings, type SshSettings, toSettings, usedKeywords } from "./ssh-settings.ts";

/** Many `ssh` at once, and not one for each of a thousand hosts. */
const atOnce = 8;

/**
 * What the user's and the system's ssh configuration say. `ssh` itself is asked where there is one: it alone knows all
 * of its language. It is not asked about a host of which nothing is said, and once for hosts of which the same is said.
 */
export class SshConfig {
  readonly #world: World;
  readonly #signal: AbortSignal;
  readonly #answers = new Map<string, Promise<SshSettings>>();
  #read: Promise<readonly Directive[]> | undefined;
  #homeOfSsh: Promise<string | undefined> | undefined;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(world: World, signal: AbortSignal) {
    this.#world = world;
    this.#signal = signal;
  }

  /** What is said of a host. */
  async settingsFor(question: SshQuestion): Promise<SshSettings> {
    const { name, user, port } = question;
    const directives = (await this.#directives()).filter((one) => appliesTo(one, name));
    const used = directives.filter(({ keyword }) => matters.has(keyword));
    if (used.length === 0) return noSettings;
    const isSame = used.every(({ keyword, args, isMatch }) =>
      !isMatch && keyword !== "canonicalizehostname" && !args.some((arg) => arg.includes("%"))
    );
    const key = JSON.stringify([isSame ? used.map(({ place }) => place) : name, user, port]);
    const answer = this.#answers.get(key) ?? this.#ask(question, directives);
    this.#answers.set(key, answer);
    const settings = await answer;
    // One answer for all of them, but for the name, where none is said.
    return used.some(({ keyword }) => keyword === "hostname") || !isSame
      ? settings
      : { ...settings, hostName: undefined };
  }

  async #ask(question: SshQuestion, directives: readonly Directive[]): Promise<SshSettings> {
    if (this.#running >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      const homeOfSsh = await (this.#homeOfSsh ??= findHomeOfSsh(this.#world, this.#signal));
      const answer = homeOfSsh === undefined
        ? undefined
        : await askSsh(this.#world, question, { homeOfSsh, signal: this.#signal });
      return answer ?? readOurselves(directives);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  #directives(): Promise<readonly Directive[]> {
    const files = [join(this.#world.home, ".ssh", "config"), "/etc/ssh/ssh_config"];
    return this.#read ??= Promise.all(files.map((file) => readSshConfig(file, this.#world))).then((all) => all.flat());
  }
}

/** From these something follows, if only that `ssh` has to be asked. */
const matters: ReadonlySet<string> = new Set([...usedKeywords, "match", "canonicalizehostname"]);

/** Without an `ssh`: what needs no more than the names of hosts. */
function readOurselves(directives: readonly Directive[]): SshSettings {
  const match = directives.find(({ isMatch }) => isMatch);
  if (match) {
    throw new UsageError(`\`Match\` is understood by \`ssh\` alone, and none is installed (${match.place})`, {
      hint: "`--no-ssh-config` does without the ssh configuration",
    });
  }
  return toSettings(directives.map(({ keyword, args }) => [keyword, args] as const));
}
