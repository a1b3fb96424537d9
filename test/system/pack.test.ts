import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { unzipSync } from "fflate";
import { writeFileSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PackProgress, packProject } from "../../src/ci/pack/pack.ts";
import { GpuError } from "../../src/errors.ts";
import { present } from "../fake/ci-world.ts";
import { asNobody, testAsNobody, testWith, withinReach } from "../needs.ts";

let dir: string;
let outside: string;

beforeEach(async () => {
  outside = await mkdtemp(join(tmpdir(), "pack-"));
  dir = join(outside, ".hidden", "project");
  await mkdir(dir, { recursive: true });
});
afterEach(() => rm(outside, { recursive: true, force: true }));

const write = (name: string, content: string | Uint8Array = "x") => Bun.write(join(dir, name), content);

async function names(options = { ignore: true }): Promise<string[]> {
  return (await packProject(dir, options)).plan.files.map(({ name }) => name);
}

async function archive(): Promise<Uint8Array> {
  return await new Response((await packProject(dir, { ignore: true })).stream()).bytes();
}

async function check(bytes: Uint8Array): Promise<string> {
  const path = join(outside, "it.zip");
  await Bun.write(path, bytes);
  const python = `import zipfile,sys; z=zipfile.ZipFile(sys.argv[1]); print(z.testzip(), len(z.namelist()))`;
  await Bun.$`unzip -tq ${path}`.quiet();
  return (await Bun.$`python3 -c ${python} ${path}`.text()).trim();
}

describe("what is sent", () => {
  test("files, but nothing hidden and no __pycache__; hidden folders above the project do not count", async () => {
    for (const name of ["b/z.txt", "a.txt", ".env", ".git/config", "b/.c/d", "b/__pycache__/m.pyc", "__pycache__x"]) {
      await write(name);
    }
    await mkdir(join(dir, "empty"));
    expect(await names()).toEqual(["__pycache__x", "a.txt", "b/z.txt"]);
  });

  test("what ignore files leave out is counted, nested ones too; `.gpuignore` has the last word", async () => {
    await write(".gitignore", "*.log\n/build/\nnode_modules\n!keep.log\n");
    await write(".gpuignore", "data/\n!special.log\n");
    await write("sub/.gitignore", "local.txt\n!again.log\n");
    for (
      const name of [
        "a.log",
        "keep.log",
        "special.log",
        "build/x",
        "sub/build/y",
        "sub/local.txt",
        "local.txt",
        "sub/again.log",
        "data/1",
        "node_modules/p/.bin/q",
        "node_modules/p/i.js",
      ]
    ) {
      await write(name, "12345");
    }
    expect(await names()).toEqual(["keep.log", "local.txt", "special.log", "sub/again.log", "sub/build/y"]);
    const { leftOut } = (await packProject(dir, { ignore: true })).plan;
    expect(leftOut).toEqual({ files: 5, bytes: 25 });
    expect(await names({ ignore: false })).toHaveLength(10);
  });

  test("links to files inside are their content; links out, to folders and to nothing are skipped and named", async () => {
    await write("real.txt", "content");
    await write("folder/x");
    await Bun.write(join(outside, "secret"), "s");
    await symlink("real.txt", join(dir, "link.txt"));
    await symlink(join(outside, "secret"), join(dir, "out"));
    await symlink("folder", join(dir, "there"));
    await symlink("nowhere", join(dir, "dangling"));
    await symlink("loop", join(dir, "loop"));
    await symlink(".", join(dir, "self"));
    await Bun.$`mkfifo ${join(dir, "pipe")}`;
    const { plan } = await packProject(dir, { ignore: true });
    expect(plan.skipped).toEqual([
      { name: "dangling", why: "it is a link to nothing" },
      { name: "loop", why: "it is a link to itself" },
      { name: "out", why: "it is a link out of the project" },
      { name: "pipe", why: "it is not a file" },
      { name: "self", why: "it is a link to a folder" },
      { name: "there", why: "it is a link to a folder" },
    ]);
    expect(new TextDecoder().decode(unzipSync(await archive())["link.txt"])).toBe("content");
  });

  test("what looks like a secret is warned of, by its name or by what it holds", async () => {
    for (const name of ["deploy/id_ed25519", "id_ed25519.pub", "credentials.json", "prod.env", "env.py", "main.py"]) {
      await write(name);
    }
    await write("server.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    await write("settings.yaml", `key: AKIA${"Q".repeat(16)}\n`);
    await write("docs.md", "AKIAIOSFODNN7EXAMPLE is an example, and -----BEGIN PRIVATE KEY-----... too\n");
    await write("tests/key.ts", "const key = `-----BEGIN RSA PRIVATE KEY-----\nMIIEow`;\n");
    const warnings = await (await packProject(dir, { ignore: true })).warnings();
    expect(warnings).toEqual([
      '"credentials.json" looks like credentials, "deploy/id_ed25519" looks like a private key, ' +
      '"prod.env" looks like a file of variables, "settings.yaml" looks like an AWS key, ' +
      '"tests/key.ts" looks like a private key, and will be sent; a line in `.gpuignore` leaves it out',
    ]);
  });

  test("many that look like secrets are named where one asks for the list", async () => {
    for (const letter of "abcdefg") await write(`${letter}.env`);
    const pack = await packProject(dir, { ignore: true });
    expect(await pack.warnings()).toEqual([
      expect.stringMatching(
        /^"a\.env" .*"e\.env" looks like [^"]*, and 2 more \(`gpu ci pack --list` names them\), and/,
      ),
    ]);
    expect(await pack.warnings({ isWhole: true })).toEqual([
      expect.stringMatching(/"g\.env" looks like [^"]*, and will/),
    ]);
  });

  test.each([
    ["aws.txt", `AWS_SECRET_ACCESS_KEY=${"k".repeat(40)}\n`, "an AWS key"],
    ["it.json", `{"private_key":"-----BEGIN PRIVATE KEY-----\\n${"M".repeat(64)}\\n"}`, "a private key"],
    ["npm.txt", `_authToken=npm_${"a".repeat(36)}\n`, "an npm token"],
    ["run.sh", `LAMBDA_API_KEY=secret_mine_${"0a".repeat(16)}.${"Zx9".repeat(11)}\n`, "a Lambda Cloud key"],
    ["run.py", `secret_manager_client.getAllOfTheSecretsOfAProject(secret_id)\n`, undefined],
    ["pay.txt", `sk_live_${"a1".repeat(12)}\n`, "a Stripe key"],
    ["ci.txt", `api_key=ci_${"a-".repeat(20)}\n`, "a key for a CI server"],
    ["doc.txt", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n", undefined],
    ["code.ts", `const ci_${"a".repeat(41)} = "-----BEGIN PRIVATE KEY-----\\n...";\n`, undefined],
  ])("%s is looked into", async (name, content, looksLike) => {
    await write(name, content);
    const warnings = await (await packProject(dir, { ignore: true })).warnings();
    expect(warnings).toEqual(
      looksLike === undefined ? [] : [
        `${JSON.stringify(name)} looks like ${looksLike}, and will be sent; a line in \`.gpuignore\` leaves it out`,
      ],
    );
  });

  testWith("git")("ignore files mean what git says they mean, in a folder of a repository too", async () => {
    const project = join(dir, "packages/app");
    const files: Record<string, string> = {
      ".gitignore": "*.log\n!important.log\n/packages/app/generated\ntemp/\n\\#x\nspace\\ \n",
      "packages/app/.gitignore": "build/**\n!build/keep\n**/deep/*.o\n[ab]*.tmp\n*.[!ch]pp\n/only-here\n",
      "packages/app/sub/.gitignore": "!*.log\n*\n!*/\n!kept.*\n",
    };
    for (const [name, content] of Object.entries(files)) await write(name, content);
    const names = [
      ...[
        "a.log",
        "important.log",
        "generated/x",
        "temp/x",
        "#x",
        "space ",
        "space",
        "build/x",
        "build/keep",
        "x/deep/y.o",
      ],
      ...[
        "deep/y.o",
        "deeper/y.o",
        "a1.tmp",
        "c1.tmp",
        "x.cpp",
        "x.hpp",
        "x.tpp",
        "only-here",
        "x/only-here",
        "sub/a.log",
      ],
      ...["sub/b", "sub/kept.c", "sub/in/kept.d", "sub/in/e", "é.log", "plain"],
    ];
    for (const name of names) await write(`packages/app/${name}`, "x");
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    await Bun.$`git init -q`.cwd(dir).env(env);
    const asked = Buffer.from(`${names.join("\0")}\0`);
    const said = await Bun.$`git check-ignore -z --stdin < ${asked}`.cwd(project).env(env).nothrow().text();
    const ignored = new Set(said.split("\0"));
    const sent = (await packProject(project, { ignore: true })).plan.files.map(({ name }) => name);
    expect(sent).toEqual(names.filter((name) => !ignored.has(name)).toSorted());
    expect(sent.length).toBeGreaterThan(8);
    expect(ignored.size).toBeGreaterThan(8);
  });
});

describe("what is refused", () => {
  const failure = async () => (await packProject(dir, { ignore: true }).catch((error: unknown) => error)) as GpuError;

  test("an empty project, with what is never sent", async () => {
    await write(".gitignore", "*\n");
    await write("a.txt");
    const error = await failure();
    expect(error).toBeInstanceOf(GpuError);
    expect(error.message).toContain("there is nothing to send in");
    expect(error.hint).toContain("ignore files leave out 1 files, `--no-ignore` sends them");
  });

  test("a folder that is not there, or is a file", async () => {
    await write("f");
    await expect(packProject(join(dir, "no"), { ignore: true })).rejects.toThrow("there is no folder");
    await expect(packProject(join(dir, "f"), { ignore: true })).rejects.toThrow("is not a folder");
  });

  test("a name that is not UTF-8, written so that it can be found", async () => {
    await write("ok.txt");
    await rename(join(dir, "ok.txt"), Buffer.concat([Buffer.from(join(dir, "caf")), Buffer.from([0xe9])]));
    expect((await failure()).message).toContain("`caf\\xe9`");
    await write(".gpuignore", "caf*\n");
    await write("a.txt");
    expect(await names()).toEqual(["a.txt"]);
  });

  testAsNobody("what may not be read, by its name", async () => {
    await write("a.txt");
    await write("locked/b.txt");
    await chmod(outside, 0o755);
    // Root may read everything, so somebody else tries, who may not even come near this runtime and these sources.
    const bun = withinReach(process.execPath, join(outside, "bun"));
    const from = JSON.stringify(join(import.meta.dir, "../../src/ci/pack/pack.ts"));
    await Bun.write(
      join(outside, "try.ts"),
      `import { packProject } from ${from};
       packProject(process.argv[2], { ignore: true }).then(() => console.log("packed"), (error) => console.log(error.message));`,
    );
    const built = await Bun.build({
      entrypoints: [join(outside, "try.ts")],
      outdir: join(outside, "built"),
      target: "bun",
    });
    expect(built.success).toBe(true);
    const tryAsNobody = async () => {
      const child = Bun.spawn([...asNobody, bun, join(outside, "built", "try.js"), dir], {
        env: { HOME: outside, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", PATH: process.env.PATH },
        cwd: "/",
      });
      return (await new Response(child.stdout).text()).trim();
    };
    expect(await tryAsNobody()).toBe("packed");
    await chmod(join(dir, "a.txt"), 0o000);
    expect(await tryAsNobody()).toBe(`cannot read the file \`${join(dir, "a.txt")}\`: permission denied`);
    await chmod(join(dir, "a.txt"), 0o644);
    await chmod(join(dir, "locked"), 0o000);
    expect(await tryAsNobody()).toBe(`cannot read the folder \`${join(dir, "locked")}\`: permission denied`);
    await chmod(join(dir, "a.txt"), 0o000);
    await write(".gpuignore", "locked/\na.txt\n");
    await write("sent.txt");
    expect(await tryAsNobody()).toBe("packed");
  });

  test("in a large project, signals are heard meanwhile", async () => {
    await write(".gitignore", "built/\n");
    await mkdir(join(dir, "built"));
    for (let i = 0; i < 2000; i++) writeFileSync(join(dir, "built", String(i)), "x");
    await write("a.txt");
    const stop = new AbortController();
    setImmediate(() => stop.abort(new Error("Ctrl-C")));
    await expect(packProject(dir, { ignore: true, signal: stop.signal })).rejects.toThrow("Ctrl-C");
    expect((await packProject(dir, { ignore: true })).plan.leftOut).toEqual({ files: 2000, bytes: 2000 });
  });
});

const testWithReaders = testWith("unzip", "zipinfo", "python3");

describe("the archive", () => {
  testWithReaders("is what unzip, Python and fflate read, with modes, and the same each time", async () => {
    await write("empty", "");
    await write("text.txt", "hello ".repeat(1000));
    await write("é/ü.txt", "umlaut");
    await write("random", crypto.getRandomValues(new Uint8Array(5000)));
    await write("run.sh", "#!/bin/sh\n");
    await chmod(join(dir, "run.sh"), 0o755);
    const first = await archive();
    expect(await check(first)).toBe("None 5");
    const read = unzipSync(first);
    expect(new TextDecoder().decode(read["é/ü.txt"])).toBe("umlaut");
    expect(read.random).toEqual(await Bun.file(join(dir, "random")).bytes());
    expect(await Bun.$`zipinfo ${join(outside, "it.zip")} run.sh`.text()).toMatch(
      /^-rwxr-xr-x .* 80-Jan-01 00:00 run.sh/,
    );
    expect(Buffer.from(await archive()).equals(Buffer.from(first))).toBe(true);
  });

  test("is the same whoever packs it: times, order of making and the number of threads do not matter", async () => {
    const fill = async (names: readonly string[], time: Date) => {
      for (const name of names) {
        await write(name, Buffer.alloc(name.startsWith("large") ? 5 * 2 ** 20 : 300_000, `${name} and more. `));
        await utimes(join(dir, name), time, time);
      }
    };
    const hash = async (threads: number) => {
      const pack = await packProject(dir, { ignore: true, threads });
      return Bun.hash(await new Response(pack.stream()).bytes());
    };
    const names = ["a", "b/c", "b/d", "e", "f", "g", "large", "large2", "z"];
    await fill(names, new Date(2026, 1, 1));
    const first = await hash(1);
    expect(await hash(2)).toBe(first);
    await rm(dir, { recursive: true });
    // A time before 1980 is none that a zip can hold.
    await fill(names.toReversed(), new Date(1971, 1, 1));
    expect(await hash(3)).toBe(first);
  });

  testWithReaders("holds large files, packed in pieces or stored where packing gains nothing", async () => {
    const text = new TextEncoder().encode("0123456789abcdef\n".repeat(300_000));
    const noise = new Uint8Array(5 * 2 ** 20);
    for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
    await write("text", text);
    await write("noise", noise);
    const bytes = await archive();
    expect(await check(bytes)).toBe("None 2");
    const read = unzipSync(bytes);
    expect(Buffer.from(present(read.text)).equals(text)).toBe(true);
    expect(Buffer.from(present(read.noise)).equals(noise)).toBe(true);
    expect(bytes.length).toBeLessThan(noise.length * 1.1);
  });

  testWithReaders("stays whole when files change while they are read", async () => {
    for (const name of ["a-first", "grows", "large-grows", "large-shrinks", "shrinks"]) {
      await write(name, crypto.getRandomValues(new Uint8Array(name.startsWith("large") ? 65536 : 1000)));
    }
    const large = new Uint8Array(6 * 2 ** 20).fill(1);
    await write("large-grows", large);
    await write("large-shrinks", large);
    const pack = await packProject(dir, { ignore: true });
    await appendFile(join(dir, "grows"), "more");
    await appendFile(join(dir, "large-grows"), "more");
    await truncate(join(dir, "large-shrinks"), 3_000_000);
    await truncate(join(dir, "shrinks"), 10);
    const bytes = await new Response(pack.stream()).bytes();
    expect(await check(bytes)).toBe("None 5");
    const sizes = Object.fromEntries(Object.entries(unzipSync(bytes)).map(([name, { length }]) => [name, length]));
    expect(sizes).toEqual({
      "a-first": 1000,
      grows: 1000,
      "large-grows": large.length,
      "large-shrinks": 3_000_000,
      shrinks: 10,
    });
  });

  test("says what could not be read when a file goes meanwhile", async () => {
    await write("a");
    const pack = await packProject(dir, { ignore: true });
    await rm(join(dir, "a"));
    await expect(new Response(pack.stream()).bytes()).rejects.toThrow("cannot read the file");
  });

  test.each([10, 5 * 2 ** 20])("follows no link that took the place of a file of %p bytes", async (bytes) => {
    await write("a", "x".repeat(bytes));
    await Bun.write(join(outside, "secret"), "s".repeat(bytes));
    const pack = await packProject(dir, { ignore: true });
    await rm(join(dir, "a"));
    await symlink(join(outside, "secret"), join(dir, "a"));
    await expect(new Response(pack.stream()).bytes()).rejects.toThrow("stopped being a file while it was packed");
  });

  test("goes on without what went away, where somebody is told", async () => {
    for (const name of ["a", "b", "large"]) await write(name, "x".repeat(name === "large" ? 5_000_000 : 10));
    const gone: string[] = [];
    const pack = await packProject(dir, { ignore: true, onGone: (name) => gone.push(name) });
    await rm(join(dir, "b"));
    await rm(join(dir, "large"));
    expect(Object.keys(unzipSync(await new Response(pack.stream()).bytes()))).toEqual(["a"]);
    expect(gone).toEqual(["b", "large"]);
  });

  test("tells how far it is, and stops when it is told to", async () => {
    for (let i = 0; i < 40; i++) await write(`f${i}`, crypto.getRandomValues(new Uint8Array(60_000)));
    const seen: PackProgress[] = [];
    const stop = new AbortController();
    const pack = await packProject(dir, {
      ignore: true,
      signal: stop.signal,
      onProgress: (figures) => seen.push(figures),
    });
    const bytes = await new Response(pack.stream()).bytes();
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.at(-1)).toEqual({ files: 40, bytes: 2_400_000, packedBytes: bytes.length });
    stop.abort(new Error("enough"));
    await expect(new Response(pack.stream()).bytes()).rejects.toThrow("enough");
  });
});
