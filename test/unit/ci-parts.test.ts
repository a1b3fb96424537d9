import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { viewEvent } from "../../src/ci/client/command.ts";
import { endOf } from "../../src/ci/job.ts";
import { readVariables } from "../../src/ci/client/variables.ts";
import { openWhole } from "../../src/ci/whole-file.ts";
import { readForm } from "../../src/ci/server/multipart.ts";
import { readProject } from "../../src/ci/runner/project.ts";
import { ciSettings } from "../../src/ci/client/settings.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-parts-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a form", () => {
  const read = async (text: string, pieceLength: number, boundary = "B") => {
    const bytes = Buffer.from(text, "latin1");
    const pieces = Array.from(
      { length: Math.ceil(bytes.length / pieceLength) },
      (_, i) => bytes.subarray(i * pieceLength, (i + 1) * pieceLength),
    );
    let file = "";
    const upload = await readForm(ReadableStream.from(pieces), {
      contentType: `multipart/form-data; boundary=${boundary}`,
      write: (piece) => void (file += Buffer.from(piece).toString("latin1")),
    });
    return { file, hasFile: upload.hasFile, fields: Object.fromEntries(upload.fields) };
  };
  const content = "PK\r\n--\r\n--Bx is not the end? \r\n-";
  const form = `--B\r\nContent-Disposition: form-data; name="args"\r\n\r\n["a"]\r\n--B\r\n` +
    `content-disposition: form-data; name="file"; filename="project.zip"\r\nContent-Type: application/zip\r\n\r\nPK\r\n--\r\n-\r\n--B--\r\n`;

  test.each([1, 2, 3, 7, 1000])("is the same in pieces of %d bytes", async (pieceLength) => {
    expect(await read(form, pieceLength)).toEqual({ file: "PK\r\n--\r\n-", hasFile: true, fields: { args: '["a"]' } });
  });

  test("that breaks off, or whose boundary is damaged, is refused", async () => {
    await expect(read(form.slice(0, -10), 5)).rejects.toThrow("cut off");
    await expect(read(`--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n${content}\r\n--B--`, 9)).rejects
      .toThrow("damaged");
  });

  test("of another type holds no file", async () => {
    expect(await readForm(ReadableStream.from([Buffer.from("{}")]), { contentType: "application/json", write() {} }))
      .toMatchObject({ hasFile: false });
  });
});

describe("a project", () => {
  const plan = async (files: Record<string, string>, args: string[] = []) => {
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    const { because, setup, test } = await readProject(folder, args);
    return { because, setup, test };
  };
  test.each([["90s", 90_000], ["1h30m", 5_400_000], ["0.5h", 1_800_000]])("has a timeout: %s", async (timeout, ms) => {
    await writeFile(join(folder, "gpu-ci.yaml"), JSON.stringify({ test: "true", timeout }));
    expect((await readProject(folder, [])).timeoutMs).toBe(ms);
  });

  const scripts = '{"scripts":{"test":"node --test"}}';

  test.each([
    [{ "bun.lock": "", "package.json": scripts }, {
      because: "bun.lock",
      setup: ["bun install --frozen-lockfile"],
      test: "bun test",
    }],
    [{ "package.json": scripts }, { because: "package.json", setup: ["npm install"], test: "npm test" }],
    [{ "package.json": scripts, "package-lock.json": "{}" }, {
      because: "package.json",
      setup: ["npm ci"],
      test: "npm test",
    }],
    [{ "package.json": "{}", "Makefile": "test: all\n" }, { because: "Makefile", setup: [], test: "make test" }],
    [{ "deno.json": '{ // why\n "tasks": { "test": "deno test" } }' }, {
      because: "deno.json",
      setup: [],
      test: "deno task test",
    }],
    [{ "Cargo.toml": "", "go.mod": "" }, { because: "Cargo.toml", setup: [], test: "cargo test" }],
    [{ "go.mod": "", "Makefile": "test:\n" }, { because: "go.mod", setup: [], test: "go test ./..." }],
  ])("%j", async (files, expected) => expect(await plan(files as never)).toEqual(expected));

  test("Python's are set up in a venv", async () => {
    const { setup, test: line } = await plan({ "pyproject.toml": "" }, ["-k", "a b"]);
    expect(setup).toEqual([
      "python3 -m venv .venv",
      ".venv/bin/python -m pip install --quiet --disable-pip-version-check .",
    ]);
    expect(line).toEndWith("echo pytest || echo unittest discover) -k 'a b'");
  });

  test("arguments reach the script behind npm", async () =>
    expect((await plan({ "package.json": scripts }, ["--grep", "x y"])).test).toBe("npm test -- --grep 'x y'"));

  test("`gpu-ci.yaml` decides where it is there", async () => {
    await writeFile(join(folder, "bun.lock"), "");
    await writeFile(
      join(folder, "gpu-ci.yaml"),
      "setup: [npm ci]\ntest: npm test -- --reporter tap\nenv: { CI: 'true' }\ntimeout: 1h30m\nartifacts: [reports/**]\nresults: reports/junit.xml\n",
    );
    expect(await readProject(folder, ["a"])).toEqual({
      because: "gpu-ci.yaml",
      setup: ["npm ci"],
      test: "npm test -- --reporter tap a",
      env: { CI: "true" },
      timeoutMs: 5_400_000,
      limits: {},
      hasNetwork: true,
      artifacts: ["reports/**"],
      results: "reports/junit.xml",
    });
  });

  test.each([
    ["setup: [x]\n", "test: "],
    ["test: a\ntests: b\n", "tests"],
    ["test: a\ntimeout: soon\n", "timeout: expected a duration"],
    ["test: [\n", "cannot be read"],
    ["", "the file: "],
    ["test: [a, b]\n", "test: expected one shell line"],
    ["test: a\nsetup: npm ci\n", "setup: expected a list of shell lines"],
    ["test: a\nenv: { CI: true }\n", "env.CI: expected text: put it in quotes"],
  ])("`gpu-ci.yaml` that is wrong says where: %j", async (text, why) => {
    await writeFile(join(folder, "gpu-ci.yaml"), text);
    await expect(readProject(folder, [])).rejects.toThrow(why);
  });
});

describe("settings", () => {
  test("come from flags, environment, the key file and the configuration, in this order", async () => {
    const configured = { server: "https://configured.test", apiKey: "configured" };
    const world = { env: {}, home: folder };
    expect(await ciSettings(world)).toEqual({ server: "http://localhost:8000", apiKey: undefined, keyFrom: undefined });
    expect(await ciSettings(world, { configured })).toEqual({ ...configured, keyFrom: "the configuration" });
    await Bun.write(join(folder, ".ci", "config"), "other=1\n  api_key=from-file  \n");
    expect(await ciSettings(world, { configured })).toEqual({
      ...configured,
      apiKey: "from-file",
      keyFrom: "`~/.ci/config`",
    });
    const env = { CI_API_KEY: "from-env", CI_SERVER_URL: "http://env.test" };
    expect(await ciSettings({ ...world, env }, { configured })).toEqual({
      server: "http://env.test",
      apiKey: "from-env",
      keyFrom: "`CI_API_KEY`",
    });
    const flags = { server: "http://flag.test", apiKey: "from-flag" };
    expect(await ciSettings({ ...world, env }, { flags, configured })).toEqual({ ...flags, keyFrom: "`--api-key`" });
  });

  test("an address that is none is a usage error", async () => {
    await expect(ciSettings({ env: { CI_SERVER_URL: "ftp://x" }, home: folder })).rejects.toThrow(
      "`ftp://x` is not the address of a CI server",
    );
  });

  test.each(["ключ", "a\nb", "a\u0000b", "é"])(
    "a key that fits into no header is a usage error: %j",
    async (apiKey) => {
      await expect(ciSettings({ env: {}, home: folder }, { flags: { apiKey } })).rejects.toThrow("that no key has");
    },
  );
});

describe("variables for a job", () => {
  const { signal } = new AbortController();

  test("are read from a pipe too, which may be slow", async () => {
    const path = join(folder, "pipe");
    await Bun.$`mkfifo ${path}`;
    const writing = Bun.spawn(["sh", "-c", `{ echo A=1; sleep 0.05; echo B=2; } > '${path}'`]);
    expect(await readVariables("pipe", { cwd: folder, signal })).toEqual({ A: "1", B: "2" });
    await writing.exited;
  });

  test("an interruption is heard while nobody writes to the pipe", async () => {
    const path = join(folder, "pipe");
    await Bun.$`mkfifo ${path}`;
    const interrupt = new AbortController();
    const reading = readVariables("pipe", { cwd: folder, signal: interrupt.signal });
    interrupt.abort(new Error("Ctrl-C"));
    await expect(reading).rejects.toThrow("Ctrl-C");
    // Lets the thread go that waits for a writer.
    await Bun.spawn(["sh", "-c", `: > '${path}'`]).exited;
  });

  test.each([
    ["missing", "there is no file `missing`"],
    [".", "cannot read `.`: it is a folder"],
    ["/dev/zero", "`/dev/zero` is larger than 1 MiB"],
  ])("of %s are refused", async (file, why) => {
    await expect(readVariables(file, { cwd: folder, signal })).rejects.toThrow(why);
  });
});

describe("a file that is written whole", () => {
  const write = async (path: string, text: string) => {
    const whole = await openWhole(path);
    await whole.file.writeFile(text);
    await whole.keep();
  };

  test("replaces a file, through a link too, and leaves nothing where it is not kept", async () => {
    const path = join(folder, "it");
    await write(path, "first");
    await symlink("it", join(folder, "link"));
    await write(join(folder, "link"), "second");
    const dropped = await openWhole(path);
    await dropped.file.writeFile("third");
    await dropped.drop();
    expect(
      (await readdir(folder, { withFileTypes: true })).map((each) => `${each.name} ${each.isSymbolicLink()}`).sort(),
    )
      .toEqual(["it false", "link true"]);
    expect(await readFile(path, "utf8")).toBe("second");
  });

  test("does not put a file in the place of a pipe or a device", async () => {
    const path = join(folder, "pipe");
    await Bun.$`mkfifo ${path}`;
    const reader = Bun.spawn(["cat", path], { stdout: "pipe" });
    await write(path, "through");
    expect(await new Response(reader.stdout).text()).toBe("through");
    expect((await stat(path)).isFIFO()).toBe(true);
    // As root too, whose `/dev/null` a new name could replace.
    await symlink("/dev/null", join(folder, "null"));
    await write(join(folder, "null"), "gone");
    expect((await stat(join(folder, "null"))).isCharacterDevice()).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(["null", "pipe"]);
  });
});

describe("what a command says at the end", () => {
  test("where the report has failures and the test line ended well, it does not say that all passed", () => {
    const results = { passed: 1, failed: 2, skipped: 0 };
    const said = (success: boolean) => viewEvent({ type: "complete", success, results });
    expect(said(true)).toEqual({ stderr: "The test command ended with exit code 0: 1 passed, 2 failed, 0 skipped." });
    expect(said(false)).toEqual({ stderr: "The tests failed: 1 passed, 2 failed, 0 skipped." });
  });
});

test("a job that was cancelled or lost did not fail by its tests", () => {
  const job = { job_id: "j", status: "cancelled", success: false, start_time: null, end_time: null };
  expect(endOf(job)).toEqual({ type: "complete", success: false, status: "cancelled" });
  expect(endOf({ ...job, status: "completed" })).toEqual({ type: "complete", success: false });
  expect(viewEvent(endOf(job))).toEqual({ stderr: "The job was cancelled." });
  expect(viewEvent(endOf({ ...job, status: "lost" }))).toEqual({ stderr: "The job was lost." });
  expect(viewEvent(endOf({ ...job, status: "completed" }))).toEqual({ stderr: "The tests failed." });
});
