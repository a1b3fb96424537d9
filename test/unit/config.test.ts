import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { activeProfile, defaultProvider, loadConfig } from "../../src/config.ts";
import { setConfig } from "../../src/configure/write.ts";
import { FakeClock } from "../fake/clock.ts";

let root: string;
let folders: { config: string; state: string; cache: string };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "gpu-config-"));
  folders = { config: join(root, "config"), state: join(root, "state"), cache: join(root, "cache") };
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(text: string) {
  await mkdir(folders.config, { recursive: true });
  await writeFile(join(folders.config, "config.yaml"), text);
}

test("no file is an empty configuration", async () => {
  expect((await loadConfig({ folders })).profiles).toEqual({});
});

test("a value of the wrong kind is refused with line and column", async () => {
  await write("defaults:\n  hours: soon\n");
  await expect(loadConfig({ folders })).rejects.toThrow(/`defaults\.hours` is wrong: .*config\.yaml:2:10\)/);
});

test("an unknown key is named, with its place", async () => {
  await write("defaults:\n  huors: 3\n");
  await expect(loadConfig({ folders })).rejects.toThrow(/unknown key `defaults\.huors` \(.*config\.yaml:2:3\)/);
});

test("text that is not YAML is refused with its place", async () => {
  await write("defaults: {\n");
  await expect(loadConfig({ folders })).rejects.toThrow(/not valid YAML.*config\.yaml:\d+:\d+/);
});

test("a key that stands twice is refused", async () => {
  await write("profile: a\nprofile: b\n");
  await expect(loadConfig({ folders })).rejects.toThrow(/not valid YAML/);
});

test("changing a value keeps the comments, and the file is for its owner alone", async () => {
  await write("# mine\nprofile: work # at the office\n");
  await setConfig({ folders, clock: new FakeClock() }, [{ keys: ["defaults", "hours"], value: 2 }]);
  const path = join(folders.config, "config.yaml");
  expect(await readFile(path, "utf8")).toBe("# mine\nprofile: work # at the office\ndefaults:\n  hours: 2\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a value that would make the file invalid is not written", async () => {
  await write("profile: work\n");
  await expect(setConfig({ folders, clock: new FakeClock() }, [{ keys: ["defaults", "hours"], value: -2 }])).rejects
    .toThrow(/defaults\.hours/);
  expect(await readFile(join(folders.config, "config.yaml"), "utf8")).toBe("profile: work\n");
});

test("environment wins over the profile, the profile over local", async () => {
  await write("profile: work\nprofiles: { work: { provider: lambda } }\n");
  const config = await loadConfig({ folders });
  expect(defaultProvider(config, { env: {} }, undefined)).toBe("lambda");
  expect(defaultProvider(config, { env: { GPU_PROVIDER: "local" } }, undefined)).toBe("local");
  expect(() => activeProfile(config, "home")).toThrow("there is no profile `home`");
});

test("the profile `default` is in force without being named, as `gpu ci login` leaves it", async () => {
  await write("profiles: { default: { provider: lambda, ci: { server: 'http://ci.example:8000' } } }\n");
  const config = await loadConfig({ folders });
  expect(activeProfile(config, undefined).ci?.server).toBe("http://ci.example:8000");
  expect(defaultProvider(config, { env: {} }, undefined)).toBe("lambda");
  await write("profiles: { work: { provider: lambda } }\n");
  expect(activeProfile(await loadConfig({ folders }), undefined)).toEqual({});
});
