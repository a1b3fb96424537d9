import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyAccess, openAccess } from "../../src/ci/server/access.ts";
import { Keys } from "../../src/ci/server/keys.ts";
import { listen, type Listener } from "../../src/ci/server/listen.ts";
import { ciHandler } from "../../src/ci/server/server.ts";
import { CiService } from "../../src/ci/server/service.ts";
import { Users } from "../../src/ci/server/users.ts";
import { realClock } from "../../src/outside.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { projectOf, readJob, submit, until } from "./ci-serve.ts";

let home: string;
let now: number;
let service: CiService;
let users: Users;
let keys: Keys;
let server: Listener;
/** Ada's, Bo's, and the admin's. */
let ada: string;
let bo: string;
let root: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "ci-users-"));
  now = Date.UTC(2026, 0, 1);
  const world = ciWorld({ home, clock: { ...realClock, sleep: realClock.sleep, now: () => now } });
  service = new CiService({ world, dataFolder: join(home, "data"), environment: { PATH: process.env.PATH } });
  users = new Users(service.database, world);
  keys = new Keys(service.database, world);
  const makeKey = (name: string, isAdmin = false) => {
    const { id } = users.create({ name, email: `${name}@example.com`, isAdmin });
    return keys.create({ id }, { name: "test", lifetimeMs: 86_400_000 }).key;
  };
  [ada, bo, root] = [makeKey("ada"), makeKey("bo"), makeKey("root", true)];
  const handler = ciHandler({ world, service, access: keyAccess(keys), accounts: { users, keys } });
  server = await listen({ hostname: "127.0.0.1", port: 0 }, { handler, clock: realClock });
});
afterEach(async () => {
  await service.stopJobs();
  await server[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

async function ask(key: string, path: string, init: RequestInit = {}) {
  const answer = await fetch(`${server.address}${path}`, { ...init, headers: { authorization: `Bearer ${key}` } });
  return { status: answer.status, headers: answer.headers, body: await answer.json() as unknown };
}

const post = (key: string, path: string, body: object = {}) =>
  ask(key, path, { method: "POST", body: JSON.stringify(body) });

test("another user's job is refused at every address of it, and not listed", async () => {
  const id = await submit(server.address, projectOf("echo secret"), { key: ada });
  await readJob(server.address, id, ada);
  const addresses = [
    "",
    "/stream",
    "/stream?from_beginning=true",
    "/log",
    "/results",
    "/artifacts",
    "/artifacts/a.txt",
  ];
  for (const path of addresses) {
    expect(await ask(bo, `/jobs/${id}${path}`)).toMatchObject({ status: 403, body: { detail: "Access denied" } });
    expect(await ask(root, `/jobs/${id}${path}`)).toMatchObject({ status: 403 });
  }
  expect(await post(bo, `/jobs/${id}/cancel`)).toMatchObject({ status: 403, body: { detail: "Access denied" } });
  expect((await ask(bo, "/jobs")).body).toEqual([]);
  expect((await ask(ada, "/jobs")).body).toMatchObject([{ job_id: id, status: "completed", success: true }]);
  expect(await ask(ada, "/jobs/nothing")).toMatchObject({ status: 404, body: { detail: "Job not found" } });
});

test("an idempotency key is its user's own", async () => {
  const zip = projectOf("true");
  const send = (key: string) => submit(server.address, zip, { key, headers: { "idempotency-key": "k" } });
  const first = await send(ada);
  expect([await send(ada) === first, await send(bo) === first]).toEqual([true, false]);
});

test("jobs of users run in turn, each user's in order", async () => {
  const gate = join(home, "gate");
  const order = join(home, "order");
  const send = (key: string, name: string) =>
    submit(server.address, projectOf(`while ! test -e ${gate}; do sleep 0.01; done; echo ${name} >> ${order}`), {
      key,
    });
  for (const name of ["a1", "a2", "a3"]) await send(ada, name);
  const second = await send(bo, "b1");
  await Bun.write(gate, "");
  await readJob(server.address, second, bo);
  expect(await Bun.file(order).text()).toBe("a1\nb1\n");
}, 15_000);

describe("keys", () => {
  test("are told by every answer how old they are and when they end", async () => {
    for (const path of ["/jobs", "/jobs/nothing", "/admin/users"]) {
      const { headers } = await ask(ada, path);
      expect([headers.get("x-gpu-key-created"), headers.get("x-gpu-key-expires")]).toEqual([
        "2026-01-01T00:00:00.000Z",
        "2026-01-02T00:00:00.000Z",
      ]);
    }
    const { key } = keys.create({ email: "ada@example.com" }, { name: "for ever" });
    expect((await ask(key, "/jobs")).headers.get("x-gpu-key-expires")).toBeNull();
  });

  test("are refused when they are wrong, revoked or over, or their user is not active", async () => {
    const refused = { status: 401, body: { detail: "Invalid or revoked API key" } };
    expect(await ask("ci_wrong", "/jobs")).toMatchObject(refused);
    const [first] = keys.list({ email: "ada@example.com" });
    expect((await ask(ada, "/jobs")).status).toBe(200);
    expect(keys.get(first?.id ?? "").last_used_at).toBe("2026-01-01T00:00:00.000Z");
    keys.revoke(first?.id ?? "");
    expect(await ask(ada, "/jobs")).toMatchObject(refused);
    users.setActive({ email: "bo@example.com" }, { isActive: false });
    expect(await ask(bo, "/jobs")).toMatchObject({ status: 401, body: { detail: "User not found or inactive" } });
    users.setActive({ email: "bo@example.com" }, { isActive: true });
    expect((await ask(bo, "/jobs")).status).toBe(200);
    now += 86_400_000;
    expect(await ask(bo, "/jobs")).toMatchObject(refused);
  });

  test("that are taken away end what was opened with them, also the upload that still comes", async () => {
    const [adasKey] = keys.list({ email: "ada@example.com" });
    const takeAway = [
      () => keys.revoke(adasKey?.id ?? ""),
      () => users.setActive({ email: "bo@example.com" }, { isActive: false }),
    ];
    for (const [index, key] of [ada, bo].entries()) {
      const authorization = `Bearer ${key}`;
      const id = await submit(server.address, projectOf("echo up; exec sleep 600"), { key });
      const path = `/jobs/${id}/stream?from_beginning=true`;
      const stream = await fetch(server.address + path, { headers: { authorization } });
      await until(() => readFileSync(service.places.log(id), "utf8") === "up\n");
      const takenAway = Promise.withResolvers<void>();
      const uploading = fetch(`${server.address}/submit-async`, {
        method: "POST",
        headers: { authorization, "content-type": "multipart/form-data; boundary=b" },
        body: ReadableStream.from((async function* () {
          yield Buffer.from('--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n');
          await takenAway.promise;
          yield Buffer.concat([projectOf("echo late"), Buffer.from("\r\n--b--\r\n")]);
        })()),
      });
      await until(() => readdirSync(join(home, "data/uploads")).length === 1);
      takeAway[index]?.();
      takenAway.resolve();
      expect((await uploading).status).toBe(401);
      const said = await stream.text();
      expect(said).toContain('"up\\n"');
      expect(said).not.toContain("complete");
      expect(service.find(id)).toMatchObject({ status: "running" });
      expect(service.queuedCount).toBe(0);
      await service.cancel(id);
    }
  }, 20_000);

  test("have a form, and stand nowhere in the data folder", () => {
    expect(ada).toMatch(/^ci_[A-Za-z0-9_-]{40}$/);
    for (const name of readdirSync(join(home, "data")).filter((name) => name.startsWith("jobs.db"))) {
      expect(readFileSync(join(home, "data", name), "latin1")).not.toContain(ada.slice(8));
    }
  });
});

describe("administration over HTTP", () => {
  test("is an admin's alone", async () => {
    for (const path of ["/admin/users", "/admin/keys"]) {
      expect(await ask(ada, path)).toMatchObject({ status: 403, body: { detail: "Admin access required" } });
      expect(await post(ada, path, { name: "x", email: "x@example.com" })).toMatchObject({ status: 403 });
    }
    expect((await fetch(`${server.address}/admin/users`)).status).toBe(403);
  });

  test("makes users and keys, and takes them away", async () => {
    const { body: user } = await post(root, "/admin/users", { name: "Cy", email: "cy@example.com" });
    const { id } = user as { id: string };
    expect(user).toMatchObject({ name: "Cy", active: true, admin: false });
    expect((await ask(root, "/admin/users")).body).toHaveLength(4);
    expect((await ask(root, `/admin/users/${id}`)).body).toEqual(user);
    const made = (await post(root, "/admin/keys", { user_id: id, name: "laptop", expires_in: "2d" })).body;
    const { key, id: keyId } = made as { key: string; id: string };
    expect((await ask(key, "/jobs")).status).toBe(200);
    expect((await ask(root, `/admin/keys?user_id=${id}`)).body).toMatchObject([{ id: keyId, name: "laptop" }]);
    expect(JSON.stringify((await ask(root, "/admin/keys")).body)).not.toContain(key.slice(8));
    const rotated = (await post(root, `/admin/keys/${keyId}/rotate`)).body as { key: string; id: string };
    expect([(await ask(key, "/jobs")).status, (await ask(rotated.key, "/jobs")).status]).toEqual([401, 200]);
    await post(root, `/admin/keys/${rotated.id}/revoke`);
    expect((await ask(rotated.key, "/jobs")).status).toBe(401);
    expect((await post(root, `/admin/users/${id}/deactivate`)).body).toMatchObject({ active: false });
  });

  test("says what does not fit", async () => {
    expect((await post(root, "/admin/users", { name: "Ada", email: "ADA@example.com" })).status).toBe(409);
    expect((await post(root, "/admin/users", { name: "" })).status).toBe(422);
    expect((await post(root, "/admin/users", { name: "a\nb", email: "c@example.com" })).status).toBe(422);
    expect((await post(root, "/admin/users", { name: "x".repeat(100_000) })).status).toBe(413);
    expect((await ask(root, "/admin/users", { method: "POST", body: "{" })).status).toBe(422);
    expect((await post(root, "/admin/keys/none/revoke")).status).toBe(404);
    expect((await ask(root, "/admin/users/none")).status).toBe(404);
    expect((await ask(root, "/admin/keys?user_id=none")).status).toBe(404);
    expect((await ask(root, "/admin/other")).status).toBe(404);
  });
});

test("an open server takes no requests of web pages, nor by a foreign name", async () => {
  await using open = await listen({ hostname: "127.0.0.1", port: 0 }, {
    handler: ciHandler({ world: ciWorld({ home }), service, access: openAccess }),
    clock: realClock,
  });
  const status = async (headers: Record<string, string>) => (await fetch(`${open.address}/jobs`, { headers })).status;
  expect(await status({})).toBe(200);
  expect(await status({ host: "localhost:8000" })).toBe(200);
  expect(await status({ origin: "https://evil.example" })).toBe(403);
  expect(await status({ origin: "null" })).toBe(403);
  expect(await status({ host: "evil.example" })).toBe(403);
});
