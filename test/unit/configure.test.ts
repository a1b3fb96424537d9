import { describe, expect, test } from "bun:test";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { openJournal } from "../../src/rent/journal.ts";
import { readSecret } from "../../src/secrets.ts";
import { keys, typist } from "../fake/typist.ts";
import { piped, setUp } from "./configure-fixture.ts";

const { enter, down } = keys;

describe("a person is asked", () => {
  test("everything, and the key is checked before anything is written", async () => {
    await using home = await setUp();
    const person = typist([
      ["Which provider", enter],
      ["API key for lambda", `bad${enter}`],
      ["does not take this key", ""],
      ["API key for lambda", `good${enter}`],
      ["Which region", `us-west-1${enter}`],
      ["Which model", `${down.repeat(7)}${enter}`],
      ["Which instance type", `${down}${enter}`],
      ["in hours", `${keys.backspace}2.5${enter}`],
      ["SSH key", `~/.ssh/id_ed25519${enter}`],
      ["filesystem", enter],
      ["status daemon", `daemon-token${enter}`],
      ["Its port", enter],
    ]);
    const { exitCode, stderr } = await home.gpu("configure", person);
    expect(stderr).not.toContain("error:");
    expect(person.left()).toEqual([]);
    expect(exitCode).toBe(0);
    expect(home.tried).toEqual(["bad", "good"]);
    expect(await home.config()).toMatchObject({
      profile: "default",
      profiles: { default: { provider: "lambda" } },
      providers: { lambda: { region: "us-west-1", sshKey: "~/.ssh/id_ed25519" } },
      defaults: { model: "mistral-7b", type: ["gpu_1x_a10"], hours: 2.5 },
      statusDaemon: { port: 8080 },
    });
    expect(await readSecret(home.world, "lambda")).toBe("good");
    expect(await readSecret(home.world, "statusDaemon")).toBe("daemon-token");
    expect(person.screen()).not.toContain("good");
    expect(await home.read(".config/gpu/config.yaml")).not.toContain("good");
  });

  test("and one who leaves in the middle has changed nothing", async () => {
    await using home = await setUp();
    const person = typist([["Which provider", enter], ["API key", `good${enter}`], ["region", keys.ctrlC]]);
    const { exitCode } = await home.gpu("configure", person);
    expect(exitCode).toBe(130);
    expect(await home.read(".config/gpu/config.yaml")).toBeUndefined();
    expect(await home.read(".config/gpu/credentials.json")).toBeUndefined();
  });

  test("for the provider of this computer, only what it needs", async () => {
    await using home = await setUp();
    const person = typist([
      ["Which provider", `${down}${enter}`],
      ["in hours", enter],
    ]);
    expect((await home.gpu("configure", person)).exitCode).toBe(0);
    const { profiles, defaults } = await home.config();
    expect({ profiles, defaults }).toEqual({
      profiles: { default: { provider: "local" } },
      defaults: { hours: 4 },
    });
  });

  test("and keeps the key that is there with Enter", async () => {
    await using home = await setUp();
    await home.gpu("configure --provider lambda --api-key good");
    const person = typist([
      ["API key for lambda", enter],
      ["region", enter],
      ["model", enter],
      ["instance type", enter],
      ["in hours", enter],
      ["SSH key", enter],
      ["filesystem", enter],
      ["status daemon", enter],
    ]);
    expect((await home.gpu("configure --provider lambda", person)).exitCode).toBe(0);
    expect(person.left()).toEqual([]);
    expect(await readSecret(home.world, "lambda")).toBe("good");
  });

  test("whether to keep a key that cannot be checked now", async () => {
    await using home = await setUp();
    const person = typist([
      ["API key for lambda", `offline${enter}`],
      ["without a check", `y`],
      ["region", keys.escape],
    ]);
    const { exitCode, stderr } = await home.gpu("configure --provider lambda", person);
    expect(stderr).toContain("the network is down");
    expect(exitCode).toBe(130);
    expect(person.left()).toEqual([]);
  });

  test("for the value of `-` where stdin is the keyboard", async () => {
    await using home = await setUp();
    const person = typist([["The value of --api-key", `good${enter}`]]);
    expect((await home.gpu("configure --provider lambda --api-key -", person)).exitCode).toBe(0);
    expect(await readSecret(home.world, "lambda")).toBe("good");
  });
});

describe("the key", () => {
  test("comes from stdin, one line for each `-`, and never onto the screen", async () => {
    await using home = await setUp();
    const flags = "--provider lambda --api-key - --status-token - --ci-key -";
    const { exitCode, stdout, stderr } = await home.gpu(`configure ${flags} --json`, {
      terminal: piped("good\r\ndaemon-token\nci_key\n"),
    });
    expect(exitCode).toBe(0);
    expect(stdout + stderr).not.toMatch(/good\b|daemon-token|ci_key/);
    expect(await readSecret(home.world, "lambda")).toBe("good");
    expect(await readSecret(home.world, "statusDaemon")).toBe("daemon-token");
    expect(await readSecret(home.world, "ci:default")).toBe("ci_key");
    expect((await stat(join(home.world.folders.config, "credentials.json"))).mode & 0o777).toBe(0o600);
  });

  test("comes from the provider's variable when no flag gives it", async () => {
    await using home = await setUp({ env: { LAMBDA_API_KEY: "good" } });
    const { exitCode, json } = await home.gpu("configure --provider lambda --json");
    expect(exitCode).toBe(0);
    expect(json().secrets).toEqual([{ name: "lambda", place: "file", from: "LAMBDA_API_KEY" }]);
    expect(json().account).toBe("account-4");
  });

  test("that is not accepted is not stored, and nothing else is", async () => {
    await using home = await setUp();
    const { exitCode, stderr } = await home.gpu("configure --provider lambda --api-key bad --lease-hours 2");
    expect(exitCode).toBe(4);
    expect(stderr).toContain("lambda does not take this key");
    expect(stderr).not.toContain("bad");
    expect(await home.read(".config/gpu/config.yaml")).toBeUndefined();
    expect(await home.read(".config/gpu/credentials.json")).toBeUndefined();
  });

  test("that cannot be checked is stored only when told to", async () => {
    await using home = await setUp();
    const { exitCode, stderr } = await home.gpu("configure --provider lambda --api-key offline");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("--no-check")]);
    expect((await home.gpu("configure --provider lambda --api-key offline --no-check")).exitCode).toBe(0);
    expect(await readSecret(home.world, "lambda")).toBe("offline");
  });

  test("of a named profile is its own, and a later change goes to the one in force", async () => {
    await using home = await setUp();
    await home.gpu("configure --provider lambda --api-key good");
    await home.gpu("configure --profile work --provider lambda --api-key other");
    expect(await readSecret(home.world, "lambda")).toBe("good");
    expect(await readSecret(home.world, "lambda:work")).toBe("other");
    await home.gpu("config set profile work");
    await home.gpu("configure --api-key good");
    expect(await readSecret(home.world, "lambda:work")).toBe("good");
  });

  test("that does not see what is rented with the one before is refused", async () => {
    await using home = await setUp();
    await home.gpu("configure --provider lambda --api-key good");
    using journal = await openJournal(home.world);
    const launch = { token: "aa".repeat(10), run: "1", provider: "lambda", account: "1", profile: undefined };
    journal.startRun({ id: "1", recipe: undefined });
    const rest = { request: {}, name: undefined, type: "t", region: "r", pricePerHour: 1, hostPublicKey: "" };
    journal.intend({ ...launch, ...rest, leaseEndsAt: home.world.clock.now() + 1000, agentToken: "" });
    journal.markSent(launch.token);
    journal.markLaunched(launch.token, "i-77");
    const { exitCode, stderr } = await home.gpu("configure --api-key other");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("does not see `i-77`")]);
    expect(await readSecret(home.world, "lambda")).toBe("good");
  });
});

describe("what is configured", () => {
  test("keeps comments and what else is in the file, and the same again changes nothing", async () => {
    await using home = await setUp();
    await home.write(".config/gpu/config.yaml", "# mine\nbudget: { day: 5 } # a day\ndefaults:\n  hours: 4 # long\n");
    await home.gpu("configure --provider lambda --api-key good --lease-hours 2 --default-region us-west-1");
    const text = await home.read(".config/gpu/config.yaml");
    expect(text).toContain("# mine\nbudget: { day: 5 } # a day\ndefaults:\n  hours: 2 # long\n");
    const again = await home.gpu("configure --provider lambda --lease-hours 2 --json");
    expect(again.json().changes).toEqual([]);
    expect(await home.read(".config/gpu/config.yaml")).toBe(text);
  });

  test("is only shown with --dry-run", async () => {
    await using home = await setUp();
    const { json } = await home.gpu("configure --provider lambda --api-key good --dry-run --json");
    expect(json()).toMatchObject({ isWritten: false, secrets: [{ name: "lambda", place: null }] });
    expect(await home.read(".config/gpu/config.yaml")).toBeUndefined();
    expect(await home.read(".config/gpu/credentials.json")).toBeUndefined();
  });

  test("takes an address only where it is one", async () => {
    await using home = await setUp();
    const { exitCode, stderr } = await home.gpu("configure --ci-server nowhere");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("profiles.default.ci.server")]);
  });

  test.each(["../up", "a.b", "a:b", "-x"])("has no profile called %s", async (name) => {
    await using home = await setUp();
    const { exitCode } = await home.gpu(`configure --profile=${name} --provider lambda --api-key good`);
    expect(exitCode).toBe(2);
  });
});
