import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { GpuError } from "../../src/errors.ts";
import { localShell as $ } from "../../src/recipe/local-shell.ts";
import { secrets } from "../../src/recipe/secret.ts";
import { ShellError } from "../../src/recipe/shell-output.ts";
import { type FakeRun, fakeRun } from "../fake/recipe-run.ts";

let fake: FakeRun;
let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gpu-language-")));
  const folders = { config: join(folder, "config"), state: join(folder, "state"), cache: join(folder, "cache") };
  fake = fakeRun({ world: { cwd: folder, folders, env: { PATH: process.env.PATH, TOKEN: "tok-1234567890" } } });
});
afterEach(() => {
  fake[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function failure(work: Promise<unknown> | PromiseLike<unknown>): Promise<ShellError> {
  try {
    await work;
  } catch (error) {
    return error as ShellError;
  }
  throw new Error("it did not fail");
}

describe("a command", () => {
  test("reads text, bytes, files and streams", async () => {
    await Bun.write(join(folder, "file"), "from a file");
    const stream = async function* () {
      yield "from ";
      yield new TextEncoder().encode("a stream");
    };
    for (
      const [input, output] of [
        ["text", "text"],
        [new TextEncoder().encode("bytes"), "bytes"],
        [Bun.file(join(folder, "file")), "from a file"],
        [new Blob(["blob"]).stream(), "blob"],
        [stream(), "from a stream"],
      ] as const
    ) expect(await $`cat`.stdin(input).text()).toBe(output);
    expect(() => $`cat`.stdin(3 as never)).toThrow("cannot read a value of type number");
    // That it reads only a part of it is no failure.
    expect(await $`head -c 4`.stdin("x".repeat(2 ** 22)).text()).toBe("xxxx");
    expect(await $`true`.stdin("x".repeat(2 ** 22))).toMatchObject({ exitCode: 0 });
  });

  test("has the variables and the folder that it is given", async () => {
    await $`mkdir 'in here'`;
    expect(await $`pwd`.cwd("in here").text()).toBe(join(folder, "in here"));
    expect(await $`echo "$A $B"`.env({ A: "a b", B: 2 }).text()).toBe("a b 2");
    expect(await $`echo "\${PATH-none}"`.env({ PATH: undefined, X: true }).text()).not.toContain(":/usr/bin:/usr");
    expect((await failure($`pwd`.cwd("nowhere"))).message).toContain("there is no folder `nowhere`");
    expect(() => $`pwd`.env({ "A B": "" })).toThrow("is not a name for an environment variable");
  });

  test("gives JSON that fits a schema, and says what does not", async () => {
    const Package = z.object({ name: z.string(), files: z.array(z.object({ size: z.number() })) });
    const { name }: { name: string } = await $`echo '{"name":"x","files":[]}'`.json(Package);
    expect(name).toBe("x");
    const error = await failure($`echo '{"name":"x","files":[{"size":"1"}]}'`.json(Package));
    expect(error.message).toContain("printed JSON that does not fit at `files.0.size`");
    expect((await failure($`echo no`.json())).message).toContain("printed something that is not JSON");
  });

  test("gives its lines while it runs, and ends when nobody reads them any more", async () => {
    const seen: string[] = [];
    for await (const line of $`echo one; echo; printf 'two\\r\\nlast'; echo noise >&2`) seen.push(line);
    expect(seen).toEqual(["one", "", "two", "last"]);
    for await (const line of $`echo $$ > pid; while :; do echo line; done`) {
      expect(line).toBe("line");
      break;
    }
    expect(existsSync(`/proc/${(await Bun.file(join(folder, "pid")).text()).trim()}`)).toBe(false);
    const lines: string[] = [];
    const reading = (async () => {
      for await (const line of $`echo first; echo why >&2; exit 3`) lines.push(line);
    })();
    const { name, lastWords } = await failure(reading);
    expect(name).toBe("ShellError");
    // Two pipes: which of them is read first is nobody's promise.
    expect(lastWords.trimEnd().split("\n").toSorted()).toEqual(["first", "why"]);
    expect(lines).toEqual(["first"]);
    expect(await $`printf 'a\\n\\nb\\n'`.lines()).toEqual(["a", "", "b"]);
  });

  test("fails with the last 8 KB of both streams as they came", async () => {
    const command = $`for i in $(seq 2000); do echo "line $i"; done; sleep 0.3; echo 'the end' >&2; exit 7`;
    const error = await failure(command.quiet());
    expect(error).toBeInstanceOf(ShellError);
    expect(error.output.exitCode).toBe(7);
    expect(Buffer.byteLength(error.lastWords)).toBe(8192);
    expect(error.lastWords).toEndWith("line 2000\nthe end\n");
    expect(error.message.length).toBeGreaterThan(8000);
    // What was shown in full is not said again in full.
    const shown = await failure($`seq 100; exit 1`);
    expect(shown.message.split("\n")).toHaveLength(6);
    expect((await failure($`seq 100; exit 1`.tail(3))).message.split("\n")).toHaveLength(101);
    expect(fake.shown.at(-1)).toMatchObject({ title: "seq 100; exit 1", tail: 3 });
    expect((await failure($`printf 'a\\033[2Jb' >&2; exit 1`)).message).toEndWith(":\nab");
  });

  test("is tried again, and says so", async () => {
    const command = $`echo x >> tries; test $(wc -l < tries) -ge 3 || exit 4`;
    await command.retry({ attempts: 3, pause: 1 });
    expect(await Bun.file(join(folder, "tries")).text()).toBe("x\nx\nx\n");
    expect(fake.notes[0]).toContain("exited with 4; attempt 2 of 3 in 1 s");
    let asked = 0;
    const never = $`echo y >> other; exit 5`.retry({ pause: 1, when: () => ++asked > 1 });
    expect(await failure(never)).toMatchObject({ output: { exitCode: 5 } });
    expect(await $`exit 6`.retry({ attempts: 2, pause: 1 }).nothrow()).toMatchObject({ exitCode: 6 });
    const stream = new Blob(["x"]).stream();
    expect((await failure($`cat`.stdin(stream).retry())).message).toContain("a stream can be read once");
    expect(() => $`true`.retry({ attempts: 0 })).toThrow("at least 1");
  });

  test("shows a secret to nobody", async () => {
    const token = await secrets.get("TOKEN");
    expect(() => $`curl -H ${`Authorization: Bearer ${token}`}`).toThrow("a secret stands in a shell command");
    expect(await $`cat`.stdin(token).text()).toBe(token);
    expect(await $`echo $T`.env({ T: token }).text()).toBe(token);
    await expect(secrets.get("NO_SUCH")).rejects.toThrow("there is no secret `NO_SUCH`");
    await expect(secrets.get("lambda")).rejects.toThrow("is not a name for a secret");
    expect(await secrets.find("NO_SUCH")).toBeUndefined();
  });
});

describe("a pipe", () => {
  test("of commands gives what the last prints, and fails where one does", async () => {
    expect(await $`printf 'b\\na\\n'`.pipe($`sort`).pipe($`tr a-z A-Z`).lines()).toEqual(["A", "B"]);
    expect((await $`exit 3`.pipe($`cat`).nothrow()).exitCodes).toEqual([3, 0]);
    const error = await failure($`echo broken >&2; exit 2`.pipe($`cat; exit 4`));
    expect(error.message).toStartWith("`echo broken >&2; exit 2` exited with 2; `cat; exit 4` exited with 4:\nbroken");
    expect(await $`grep -c x`.stdin("x\nx\n").pipe($`cat`).text()).toBe("2");
    expect(await $`exit 3`.nothrow().pipe($`echo fine`)).toMatchObject({ exitCode: 0, stdout: "fine\n" });
  });

  test("ends its writer when its reader ends, without a failure", async () => {
    expect(await $`yes`.pipe($`head -n 2`).text()).toBe("y\ny");
    expect((await $`yes`.pipe($`head -n 1`)).exitCodes[1]).toBe(0);
    for await (const line of $`yes`.pipe($`tr y n`)) {
      expect(line).toBe("n");
      break;
    }
  });

  test("has a time for each of its commands and for the whole", async () => {
    expect((await failure($`sleep 9`.timeout(50).pipe($`cat`))).message).toBe("`sleep 9` took longer than 0.05 s");
    expect((await failure($`sleep 9`.pipe($`cat`).timeout("50ms"))).message).toBe(
      "`sleep 9 | cat` took longer than 50ms",
    );
  });

  test("refuses what makes no sense", () => {
    expect(() => $`a`.pipe($`b`.stdin("x"))).toThrow("has a `stdin` already");
    expect(() => $`a`.retry().pipe($`b`)).toThrow("without the other");
  });
});

describe("what nobody awaits is left open", () => {
  test("a command, a pipe and a reading, with the line where they were written", async () => {
    $`echo 1`;
    expect(fake.calls.findLeftOpen()).toMatchObject({ name: "$" });
    await Promise.all([$`true`]);
    const piped = fakeRun();
    try {
      $`echo 1`.pipe($`cat`);
      const open = piped.calls.findLeftOpen();
      expect(open?.name).toBe("$");
      expect(open?.stack).toContain("recipe-language.test.ts");
    } finally {
      piped[Symbol.dispose]();
    }
    const read = fakeRun();
    try {
      void $`echo 1`.text();
      await read.calls.settled();
      expect(read.calls.findLeftOpen()).toMatchObject({ name: "$.text" });
    } finally {
      read[Symbol.dispose]();
    }
  });

  test("an error is known by the innermost call that failed with it", async () => {
    const { parallel } = await import("../../src/recipe/parallel.ts");
    const error = await failure(parallel([1], () => $`exit 1`));
    expect(fake.calls.findByError(error)?.name).toBe("$");
    expect(error).toBeInstanceOf(GpuError);
  });
});
