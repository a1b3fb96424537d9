import type { Bindings } from "./journal-sql.ts";
import type { Adopted, Intent } from "./rows.ts";

/** A row that begins, as SQL and its values. */
export interface Insert {
  readonly sql: string;
  readonly bindings: Bindings;
}

/** A launch before anything is sent. `now` is milliseconds since 1970. */
export function intentRow(intent: Intent, now: number): Insert {
  return {
    sql:
      `INSERT INTO launches (token, run, owner, provider, account, profile, request, name, type, region, pricePerHour,
        state, hostPublicKey, agentToken, createdAt, leaseEndsAt)
      VALUES (@token, @run, 'run', @provider, @account, @profile, @request, @name, @type, @region, @pricePerHour,
        'INTENDED', @hostPublicKey, @agentToken, @now, @leaseEndsAt)`,
    bindings: { ...intent, ...nullable(intent), now },
  };
}

/** A machine that runs already: its lease owns it. `now` is milliseconds since 1970. */
export function adoptedRow({ at, ...machine }: Adopted, now: number): Insert {
  return {
    sql:
      `INSERT INTO launches (token, run, owner, provider, account, profile, request, name, type, region, pricePerHour,
        state, instanceId, host, port, user, hostPublicKey, createdAt, sentAt, launchedAt, seenAt, readyAt,
        leaseEndsAt, keepWhy)
      VALUES (@token, @run, 'lease', @provider, @account, @profile, @request, @name, @type, @region, @pricePerHour,
        'LAUNCHED', @instanceId, @host, @port, @user, @hostPublicKey, @now, @now, @now, @now, @readyAt,
        @leaseEndsAt, 'adopted')`,
    bindings: {
      ...machine,
      ...nullable(machine),
      host: at?.host ?? null,
      port: at?.port ?? null,
      user: at?.user ?? null,
      readyAt: machine.hostPublicKey === "" ? null : now,
      now,
    },
  };
}

function nullable({ account, profile, name, request }: Pick<Intent, "account" | "profile" | "name" | "request">) {
  return {
    account: account ?? null,
    profile: profile ?? null,
    name: name ?? null,
    request: JSON.stringify(request),
  };
}
