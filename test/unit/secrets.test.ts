import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deleteSecret, listSecrets, readProviderKey, readSecret, writeSecret } from "../../src/secrets.ts";
import type { Keychain } from "../../src/world.ts";
import { FakeClock } from "../fake/clock.ts";

let root: string;
let path: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "gpu-secrets-"));
  path = join(root, "config", "credentials.json");
});
afterEach(() => rm(root, { recursive: true, force: true }));

function world(keychain?: Keychain) {
  const folders = { config: join(root, "config"), state: join(root, "state"), cache: join(root, "cache") };
  return { folders, clock: new FakeClock(), keychain };
}

/** A keychain in memory that counts how often it is asked. */
function memoryKeychain(trouble: Partial<Keychain> = {}) {
  const kept = new Map<string, string>();
  const asked: string[] = [];
  const keychain: Keychain = {
    get: async (name) => (asked.push(`get ${name}`), kept.get(name)),
    set: async (name, value) => void (asked.push(`set ${name}`), kept.set(name, value)),
    delete: async (name) => void (asked.push(`delete ${name}`), kept.delete(name)),
    ...trouble,
  };
  return { keychain, kept, asked };
}

const never = () => new Promise<never>(() => {});

describe("without a keychain", () => {
  test("a secret goes into a file for its owner alone, and comes back", async () => {
    expect(await writeSecret(world(), "lambda", "s3cret")).toBe("file");
    expect(await writeSecret(world(), "statusDaemon", "other")).toBe("file");
    expect(await readSecret(world(), "lambda")).toBe("s3cret");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(root, "config"))).mode & 0o777).toBe(0o700);
  });

  test("a file that others could read is closed with the next secret", async () => {
    await writeSecret(world(), "lambda", "one");
    await chmod(path, 0o644);
    await writeSecret(world(), "lambda", "two");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("a secret that was forgotten is gone, and the others are not", async () => {
    await writeSecret(world(), "lambda", "one");
    await writeSecret(world(), "ci:default", "two");
    expect(await deleteSecret(world(), "lambda")).toBe(true);
    expect(await deleteSecret(world(), "lambda")).toBe(false);
    expect(await readSecret(world(), "lambda")).toBeUndefined();
    expect(await readSecret(world(), "ci:default")).toBe("two");
  });

  test("several that are stored at once are all kept", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `secret${index}`);
    await Promise.all(names.map((name) => writeSecret(world(), name, name)));
    expect((await listSecrets(world())).map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });

  test.each(["not json s3cret", '{"lambda":"s3cret"}', '{"lambda":{"value":"s3cret","more":1}}', "[]"])(
    "a damaged file is an error that does not repeat it: %s",
    async (text) => {
      await mkdir(join(root, "config"));
      await writeFile(path, text);
      const error = await readSecret(world(), "lambda").catch((thrown) => thrown);
      expect(error.message).toContain("credentials.json");
      expect(`${error.message} ${error.hint} ${error.cause}`).not.toContain("s3cret");
      await expect(writeSecret(world(), "lambda", "new")).rejects.toThrow("credentials.json");
      expect(await readFile(path, "utf8")).toBe(text);
    },
  );

  test("names of an object's own methods are no secrets", async () => {
    expect(await readSecret(world(), "constructor")).toBeUndefined();
    expect(await readSecret(world(), "toString")).toBeUndefined();
  });
});

describe("with a keychain", () => {
  test("the secret is in it and not in the file", async () => {
    const { keychain, kept } = memoryKeychain();
    expect(await writeSecret(world(keychain), "lambda", "s3cret")).toBe("keychain");
    expect([...kept.values()]).toEqual(["s3cret"]);
    expect(await readFile(path, "utf8")).not.toContain("s3cret");
    expect(await readSecret(world(keychain), "lambda")).toBe("s3cret");
    expect(await listSecrets(world(keychain))).toEqual([{ name: "lambda", place: "keychain" }]);
    await deleteSecret(world(keychain), "lambda");
    expect(kept.size).toBe(0);
  });

  test("it is not asked for what was never put into it", async () => {
    const { keychain, asked } = memoryKeychain({ set: never });
    await writeSecret(world(), "lambda", "in the file");
    expect(await readSecret(world(keychain), "lambda")).toBe("in the file");
    expect(await readSecret(world(keychain), "dumont")).toBeUndefined();
    expect(await listSecrets(world(keychain))).toHaveLength(1);
    expect(asked).toEqual([]);
  });

  test.each([
    ["refuses", { set: () => Promise.reject(new Error("locked")) }],
    ["hangs", { set: never }],
    ["takes it and forgets it", { get: () => Promise.resolve(undefined) }],
    ["takes it and does not give it back", { get: never }],
  ])("one that %s leaves the secret to the file", async (_, trouble) => {
    const { keychain } = memoryKeychain(trouble);
    expect(await writeSecret(world(keychain), "lambda", "s3cret")).toBe("file");
    expect(await readSecret(world(keychain), "lambda")).toBe("s3cret");
  });

  test.each([
    ["hangs", { get: never }, "no answer in 10 s"],
    ["is locked", { get: () => Promise.reject(new Error("it is locked")) }, "it is locked"],
  ])("one that %s while reading is an error with what to do", async (_, trouble, why) => {
    const { keychain, kept } = memoryKeychain();
    await writeSecret(world(keychain), "lambda", "s3cret");
    const broken = { ...memoryKeychain(trouble).keychain };
    const error = await readSecret(world(broken), "lambda").catch((thrown) => thrown);
    expect(error).toMatchObject({ name: "LoginError", exitCode: 4 });
    expect(error.message).toContain(why);
    expect(kept.size).toBe(1);
  });

  test("a session without one says so", async () => {
    const { keychain } = memoryKeychain();
    await writeSecret(world(keychain), "lambda", "s3cret");
    await expect(readSecret(world(), "lambda")).rejects.toThrow("this session has none");
  });

  test("two configuration folders do not share their secrets", async () => {
    const { keychain } = memoryKeychain();
    const other = { ...world(keychain), folders: { config: join(root, "other"), state: root, cache: root } };
    await writeSecret(world(keychain), "lambda", "mine");
    await writeSecret(other, "lambda", "theirs");
    expect(await readSecret(world(keychain), "lambda")).toBe("mine");
  });
});

test("a profile's own key comes before the one that all share", async () => {
  await writeSecret(world(), "lambda", "shared");
  await writeSecret(world(), "lambda:work", "own");
  const keyOf = (profile: string | undefined) => readProviderKey(world(), { provider: "lambda", profile });
  expect(await keyOf("work")).toBe("own");
  expect(await keyOf("home")).toBe("shared");
  expect(await keyOf(undefined)).toBe("shared");
});
