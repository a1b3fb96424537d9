/**
 * Every environment variable that `gpu` reads or sets, and what for.
 * A flag wins over its variable; a variable wins over the profile.
 */
export const environmentVariables = {
  GPU_PROVIDER: "provider to rent from, as `--provider`",
  GPU_PROFILE: "profile of the configuration, as `--profile`",
  GPU_LEASE_HOURS: "lease of a new instance in hours, as `--hours`",
  GPU_LOCAL_BOOT_MS: "milliseconds that a machine of the local provider takes to boot; 150 when not set",
  GPU_NO_SHARE: "when not empty: no connection is shared with other commands, as `--no-share`",
  LAMBDA_API_KEY: "key for Lambda Cloud; wins over the one that `gpu configure` stored",
  LAMBDA_API_URL: "address of Lambda's API, or of `gpu emulate lambda`; `https://cloud.lambda.ai` when not set",
  GPU_RELEASE_URL: "where `gpu upgrade` looks for releases, in the place of where this executable came from",
  GPU_AGENT_BINARY: "executable that is put on a rented instance as its agent, when this one does not run there",
  GPU_AGENT_SOCKET: "on an instance: Unix socket that the agent listens on instead of port 8080",
  GPU_AGENT_TOKEN: "on a local machine: what the agent asks callers for",
  GPU_TEST_SELF: "set for the tests of recipes: the command that starts this executable, as JSON",
  GPU_MACHINE: "set on a local machine: all that carries its value is ended with the machine",
  GPU_EXEC: "set for a command on an instance that may have to be stopped: it is found by the value",
  GPU_JOB: "set for a command that was detached: the id of the job that it is",
  GPU_JOB_FOLDER:
    "set for a command that was detached: where its output is kept; all that carries its value ends with the job",
  CI_API_KEY: "key for the CI server, as `--api-key`",
  CI_SERVER_URL: "address of the CI server, as `--server`",
  HTTPS_PROXY: "proxy for `https` addresses",
  HTTP_PROXY: "proxy for `http` addresses",
  NO_PROXY: "hosts that need no proxy, with commas between them",
  NODE_EXTRA_CA_CERTS: "file of certificates (PEM) that are trusted beside the system's",
  XDG_CONFIG_HOME: "where `gpu/config.yaml` is; `~/.config` when not set",
  XDG_STATE_HOME: "where the journal and local machines are; `~/.local/state` when not set",
  XDG_CACHE_HOME: "where what can be made again is; `~/.cache` when not set",
  SOURCE_DATE_EPOCH: "seconds since 1970: the date of a man page that `gpu help --man` prints; today when not set",
  NO_COLOR: "when not empty: no colour, as `--no-color`",
  SSH_AUTH_SOCK: "socket of your SSH agent: its keys log in on your own hosts",
} as const;

export type EnvironmentVariable = keyof typeof environmentVariables;

type Environment = Readonly<Record<string, string | undefined>>;

/** The value of a documented variable; an empty one counts as not set. */
export function readVariable(env: Environment, name: EnvironmentVariable): string | undefined {
  return env[name] || undefined;
}

/** Keys and switches of ours that no child process needs to see. */
const withheld = ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT", "CI_API_KEY", "LAMBDA_API_KEY", "GPU_AGENT_TOKEN"];

/** The environment for a child process: ours without secrets and without what would change how this executable runs. */
export function childEnvironment(env: Environment, extra: Environment = {}): Environment {
  return { ...Object.fromEntries(Object.entries(env).filter(([name]) => !withheld.includes(name))), ...extra };
}
