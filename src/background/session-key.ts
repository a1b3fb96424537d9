import { statSync } from "node:fs";
import { join } from "node:path";
import type { HostLogin, Target } from "../hosts/target.ts";
import type { World } from "../world.ts";

/**
 * What decides who logs in where, as text: two logins that differ in any of it share no session. Files of keys are in
 * it with what tells a changed one, so a key that was replaced logs in anew. Holds no secret.
 */
export function sessionKey(target: Target, { env, folders }: Pick<World, "env" | "folders">): string {
  if (target.kind === "host") return inOrder({ login: target.login, facts: factsOf(target.login, env) });
  const { token, host, port, user, hostPublicKey, request } = target.launch;
  // Which key it was launched with stands in the request.
  const key = /"sshKey":("(?:[^"\\]|\\.)*")/.exec(request)?.[1];
  const keyPath = key === undefined ? join(folders.state, "id_ed25519") : String(JSON.parse(key));
  return inOrder({ token, host, port, user, hostPublicKey, key: fileFact(keyPath) });
}

function factsOf(login: HostLogin, env: World["env"]): unknown[] {
  const files = [...login.identities, ...login.certificates, ...(login.agent === null ? [] : [login.agent])];
  const named = login.proxyCommand?.matchAll(/\$\{?([A-Za-z_][A-Za-z0-9_]*)/g) ?? [];
  return [
    ...files.map(fileFact),
    ...[...named].map(([, name = ""]) => [name, env[name]]),
    ...login.jumps.map((jump) => factsOf(jump, env)),
  ];
}

/** Another file, or another content of it, is another fact. */
export function fileFact(path: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${path} ${ino} ${size} ${mtimeNs}`;
  } catch {
    return `${path} is not there`;
  }
}

/** JSON that does not depend on the order in which properties were set, nor on how long somebody waits. */
function inOrder(value: unknown): string {
  return JSON.stringify(
    value,
    (name, inner: unknown) =>
      name === "connectTimeoutMs"
        ? undefined
        : typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
  );
}
