/** What an ssh configuration says of a host, as far as it is of use here; what it does not say is missing. */
export interface SshSettings {
  readonly hostName?: string;
  readonly user?: string;
  readonly port?: number;
  /** As they are written, in their order: with `~` and tokens. */
  readonly identityFiles: readonly string[];
  readonly certificateFiles: readonly string[];
  readonly identitiesOnly: boolean;
  readonly identityAgent?: string;
  readonly userKnownHosts?: readonly string[];
  readonly globalKnownHosts?: readonly string[];
  readonly hostKeyAlias?: string;
  readonly connectTimeoutS?: number;
  /** As ProxyJump: hosts with commas between. */
  readonly proxyJump?: string;
  readonly proxyCommand?: string;
  readonly forwardAgent: boolean;
  /** Hosts that are not known yet are believed and written down: `StrictHostKeyChecking accept-new`. */
  readonly acceptNew: boolean;
}

/** Of a host of which nothing is said. */
export const noSettings: SshSettings = {
  identityFiles: [],
  certificateFiles: [],
  identitiesOnly: false,
  forwardAgent: false,
  acceptNew: false,
};

/** Keywords of ssh_config(5) that matter here, without capitals; of the others nothing follows. */
export const usedKeywords: ReadonlySet<string> = new Set([
  "hostname",
  "user",
  "port",
  "identityfile",
  "certificatefile",
  "identitiesonly",
  "identityagent",
  "userknownhostsfile",
  "globalknownhostsfile",
  "hostkeyalias",
  "connecttimeout",
  "proxyjump",
  "proxycommand",
  "forwardagent",
  "stricthostkeychecking",
]);

/** Settings from keywords without capitals, each with its arguments: the first of each counts, but of those that add up. */
export function toSettings(said: readonly (readonly [keyword: string, args: readonly string[]])[]): SshSettings {
  const all = (keyword: string) => said.filter(([one]) => one === keyword).map(([, args]) => args);
  const first = (keyword: string) => all(keyword)[0];
  const word = (keyword: string) => first(keyword)?.[0];
  const files = (keyword: string) => all(keyword).flat().filter((file) => file !== "none");
  const isYes = (keyword: string) => ["yes", "true"].includes(word(keyword)?.toLowerCase() ?? "");
  const jump = said.find(([keyword]) => keyword === "proxyjump" || keyword === "proxycommand");
  const through = jump === undefined || /^none$/i.test(jump[1][0] ?? "") ? undefined : jump[1].join(" ");
  const forward = word("forwardagent")?.toLowerCase();
  return {
    hostName: word("hostname"),
    user: word("user"),
    port: numberOf(word("port")),
    identityFiles: files("identityfile"),
    certificateFiles: files("certificatefile"),
    identitiesOnly: isYes("identitiesonly"),
    identityAgent: word("identityagent"),
    userKnownHosts: listOf(first("userknownhostsfile")),
    globalKnownHosts: listOf(first("globalknownhostsfile")),
    hostKeyAlias: word("hostkeyalias"),
    connectTimeoutS: numberOf(word("connecttimeout")),
    proxyJump: jump?.[0] === "proxyjump" ? through : undefined,
    proxyCommand: jump?.[0] === "proxycommand" ? through : undefined,
    forwardAgent: forward !== undefined && forward !== "no" && forward !== "false",
    acceptNew: word("stricthostkeychecking")?.toLowerCase() === "accept-new",
  };
}

function listOf(files: readonly string[] | undefined): readonly string[] | undefined {
  return files?.filter((file) => !/^none$/i.test(file));
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}
