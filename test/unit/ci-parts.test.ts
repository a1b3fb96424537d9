import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JobLog } from "../../src/ci/job-log.ts";
import { readForm } from "../../src/ci/multipart.ts";
import { readProject } from "../../src/ci/project.ts";
import { ciSettings } from "../../src/ci/settings.ts";

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

describe("a log", () => {
  test("is followed while it grows, each line once, the last one without a newline too", async () => {
    const log = JobLog.create(join(folder, "log"));
    log.write("a\nb");
    const lines = log.follow({ after: 0 });
    expect((await lines.next()).value).toEqual({ number: 1, text: "a\n" });
    const next = lines.next();
    log.write("c\nd");
    expect((await next).value).toEqual({ number: 2, text: "bc\n" });
    expect(await log.lineCount()).toBe(2);
    log.close();
    expect(await Array.fromAsync(lines)).toEqual([{ number: 3, text: "d" }]);
    expect(await Array.fromAsync(JobLog.finished(join(folder, "log")).follow({ after: 1 }))).toMatchObject([{
      number: 2,
    }, { number: 3 }]);
  });

  test("has the same numbers in every reading, also for lines that are too long", async () => {
    const log = JobLog.create(join(folder, "log"));
    const text = `${"é".repeat(50_000)}\nend\n`;
    const live = Array.fromAsync(log.follow({ after: 0 }));
    for (let at = 0; at < text.length; at += 999) {
      log.write(text.slice(at, at + 999));
      await Promise.resolve();
    }
    log.close();
    const again = await Array.fromAsync(JobLog.finished(join(folder, "log")).follow({ after: 0 }));
    expect(await live).toEqual(again);
    expect(again.map((line) => line.text).join("")).toBe(text);
    expect(again.map((line) => line.text.length)).toEqual([32_768, 17_233, 4]);
  });

  test("that grows too large is cut between two characters, and says so once", async () => {
    const path = join(folder, "log");
    const log = JobLog.create(path, { maxBytes: 1024 });
    for (let count = 0; count < 5; count++) log.write("é".repeat(333));
    log.note("the job was stopped: it was cancelled");
    log.close();
    expect(await Bun.file(path).text()).toBe(
      `${"é".repeat(512)}\ngpu: the log is cut here, at 1024 bytes; the job goes on\n` +
        "gpu: the job was stopped: it was cancelled\n",
    );
  });

  test("that is followed no more leaves nothing waiting", async () => {
    const log = JobLog.create(join(folder, "log"));
    const stop = new AbortController();
    const lines = Array.fromAsync(log.follow({ after: 0, signal: stop.signal }));
    stop.abort();
    expect(await lines).toEqual([]);
    log.close();
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
    });
  });

  test.each([
    ["setup: [x]\n", "test: "],
    ["test: a\ntests: b\n", "tests"],
    ["test: a\ntimeout: soon\n", "timeout: expected a duration"],
    ["test: [\n", "cannot be read"],
  ])("`gpu-ci.yaml` that is wrong says where: %j", async (text, why) => {
    await writeFile(join(folder, "gpu-ci.yaml"), text);
    await expect(readProject(folder, [])).rejects.toThrow(why);
  });
});

describe("settings", () => {
  test("come from flags, environment, the key file and the configuration, in this order", async () => {
    const configured = { server: "https://configured.test", apiKey: "configured" };
    const world = { env: {}, home: folder };
    expect(await ciSettings(world)).toEqual({ server: "http://localhost:8000", apiKey: undefined });
    expect(await ciSettings(world, { configured })).toEqual(configured);
    await Bun.write(join(folder, ".ci", "config"), "other=1\n  api_key=from-file  \n");
    expect(await ciSettings(world, { configured })).toEqual({ ...configured, apiKey: "from-file" });
    const env = { CI_API_KEY: "from-env", CI_SERVER_URL: "http://env.test" };
    expect(await ciSettings({ ...world, env }, { configured })).toEqual({
      server: "http://env.test",
      apiKey: "from-env",
    });
    const flags = { server: "http://flag.test", apiKey: "from-flag" };
    expect(await ciSettings({ ...world, env }, { flags, configured })).toEqual(flags);
  });

  test("an address that is none is a usage error", async () => {
    await expect(ciSettings({ env: { CI_SERVER_URL: "ftp://x" }, home: folder })).rejects.toThrow(
      "`ftp://x` is not the address of a CI server",
    );
  });
});
