import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sessionKey } from "../../src/background/session-key.ts";
import { Sessions } from "../../src/background/sessions.ts";
import { sshConfigFiles } from "../../src/background/ssh-config-files.ts";
import type { HostLogin } from "../../src/hosts/target.ts";
import type { Session } from "../../src/ssh/session.ts";
import { FakeClock } from "../fake/clock.ts";

const never = new AbortController().signal;

/** A session that answers, or does not. */
function fakeSession() {
  const closed = Promise.withResolvers<Error | undefined>();
  const session = {
    address: { host: "n1", port: 22, user: "me" },
    isFrozen: false,
    closed: closed.promise,
    latency: () => session.isFrozen ? new Promise<number>(() => {}) : Promise.resolve(1),
    lose: () => closed.resolve(new Error("lost")),
    [Symbol.asyncDispose]: () => Promise.resolve(closed.resolve(undefined)),
  };
  return session;
}

function pool(clock: FakeClock) {
  const made: ReturnType<typeof fakeSession>[] = [];
  const sessions = new Sessions({ clock, onChange() {}, log() {} });
  const lease = (key = "k", signal = never) =>
    sessions.lease(key, () => {
      const session = fakeSession();
      made.push(session);
      return Promise.resolve(session as unknown as Session);
    }, signal);
  return { made, sessions, lease };
}

test("a session is used again, ends a minute after its last use, and not before", async () => {
  const clock = new FakeClock({ mode: "manual" });
  const { made, sessions, lease } = pool(clock);
  const first = await lease();
  const second = await lease();
  expect([made.length, sessions.busyCount]).toEqual([1, 1]);
  first[Symbol.dispose]();
  await clock.advance(70_000);
  expect(sessions.heldCount).toBe(1);
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  expect([sessions.heldCount, sessions.busyCount]).toEqual([1, 0]);
  await clock.advance(59_000);
  expect(sessions.heldCount).toBe(1);
  await clock.advance(2_000);
  expect(sessions.heldCount).toBe(0);
});

test("two keys never share, and two at once log in once", async () => {
  const { made, lease } = pool(new FakeClock({ mode: "manual" }));
  await Promise.all([lease("a"), lease("a"), lease("b")]);
  expect(made).toHaveLength(2);
});

test("a full session is waited for a moment, and then there is another", async () => {
  const clock = new FakeClock({ mode: "manual" });
  const { made, lease } = pool(clock);
  const nine = await Promise.all(Array.from({ length: 9 }, () => lease()));
  const tenth = lease();
  await clock.advance(500);
  expect(made).toHaveLength(1);
  nine[0]?.[Symbol.dispose]();
  await tenth;
  expect(made).toHaveLength(1);
  const eleventh = lease();
  await clock.advance(1_100);
  await eleventh;
  expect(made).toHaveLength(2);
});

test("one that was lost, or does not answer any more, is not used again", async () => {
  const clock = new FakeClock({ mode: "manual" });
  const { made, lease } = pool(clock);
  (await lease())[Symbol.dispose]();
  made[0]?.lose();
  await Promise.resolve();
  (await lease())[Symbol.dispose]();
  expect(made).toHaveLength(2);
  await clock.advance(10_000);
  Object.assign(made[1] ?? {}, { isFrozen: true });
  const third = lease();
  await clock.advance(3_100);
  await third;
  expect(made).toHaveLength(3);
});

test("who waits for another's login hears of its own end", async () => {
  const sessions = new Sessions({ clock: new FakeClock({ mode: "manual" }), onChange() {}, log() {} });
  const first = Promise.withResolvers<Session>();
  const stop = new AbortController();
  const leader = sessions.lease("k", () => first.promise, never);
  const follower = sessions.lease("k", () => Promise.reject(new Error("its own")), stop.signal);
  stop.abort(new Error("enough"));
  await expect(follower).rejects.toThrow("enough");
  const another = sessions.lease("k", () => Promise.reject(new Error("its own")), never);
  another.catch(() => {});
  first.reject(new Error("refused"));
  await expect(leader).rejects.toThrow("refused");
  await expect(another).rejects.toThrow("its own");
  expect(sessions.heldCount).toBe(0);
});

const login: HostLogin = {
  address: { host: "n1", port: 22, user: "me" },
  identities: ["/k1"],
  identitiesOnly: false,
  certificates: [],
  agent: null,
  knownHosts: ["/kh"],
  hostKeyAlias: null,
  unknownHost: "refuse",
  jumps: [],
  proxyCommand: null,
  connectTimeoutMs: 20_000,
  mayAskPassword: true,
};
const world = { env: {}, folders: { config: "/c", state: "/s", cache: "/x" } };
const keyOf = (changes: Partial<HostLogin>, env = {}) =>
  sessionKey({ kind: "host", name: "n1", login: { ...login, ...changes } }, { ...world, env });

test.each<[string, Partial<HostLogin>]>([
  ["another address", { address: { host: "n2", port: 22, user: "me" } }],
  ["another port", { address: { host: "n1", port: 23, user: "me" } }],
  ["another user", { address: { host: "n1", port: 22, user: "root" } }],
  ["another key", { identities: ["/k2"] }],
  ["another order of keys", { identities: ["/k1", "/k2"] }],
  ["these keys only", { identitiesOnly: true }],
  ["a certificate", { certificates: ["/c"] }],
  ["an agent", { agent: "/a" }],
  ["another file of known hosts", { knownHosts: ["/other"] }],
  ["another name of its key", { hostKeyAlias: "x" }],
  ["believing unknown hosts", { unknownHost: "accept-new" }],
  ["a jump host", { jumps: [login] }],
  ["a command as its way", { proxyCommand: "nc n1 22" }],
])("%s is another login", (_what, changes) => {
  expect(keyOf(changes)).not.toBe(keyOf({}));
});

test("how long somebody waits is the same login; what a command's way depends on is not", () => {
  expect(keyOf({ connectTimeoutMs: 1 })).toBe(keyOf({}));
  const proxyCommand = "nc $GATE 22";
  expect(keyOf({ proxyCommand }, { GATE: "a" })).not.toBe(keyOf({ proxyCommand }, { GATE: "b" }));
});

test("a key that was replaced is another login", () => {
  const folder = mkdtempSync(join(tmpdir(), "gpu-key-"));
  try {
    const path = join(folder, "k");
    writeFileSync(path, "one");
    const before = keyOf({ identities: [path] });
    writeFileSync(path, "two2");
    expect(keyOf({ identities: [path] })).not.toBe(before);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("all that ssh reads is watched, and what depends on more is not remembered", () => {
  const home = mkdtempSync(join(tmpdir(), "gpu-home-"));
  try {
    Bun.spawnSync(["mkdir", "-p", join(home, ".ssh/conf.d")]);
    writeFileSync(join(home, ".ssh/conf.d/a.conf"), "Host x\n");
    writeFileSync(join(home, ".ssh/config"), "Include conf.d/*.conf\n");
    const files = sshConfigFiles(home);
    expect(files).toContain(join(home, ".ssh/conf.d/a.conf"));
    expect(files).toContain(join(home, ".ssh/conf.d"));
    writeFileSync(join(home, ".ssh/conf.d/a.conf"), 'Match host x exec "test -f y"\n');
    expect(sshConfigFiles(home)).toBeUndefined();
  } finally {
    rmSync(home, { recursive: true });
  }
});
