import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { defineCommand } from "../../src/command.ts";
import { commands } from "../../src/commands.ts";
import { environmentVariables } from "../../src/env.ts";
import { exitCodes } from "../../src/errors.ts";
import { flagLabel } from "../../src/surface/columns.ts";
import { outputFields } from "../../src/surface/fields.ts";
import { manOverview, manPage } from "../../src/surface/man.ts";
import { readParams } from "../../src/surface/params.ts";

const options = { version: "1.2.3", date: Date.UTC(2026, 0, 2), variables: environmentVariables };
const pages = new Map([["gpu", manOverview(commands, options)]]);
for (const entry of commands) {
  pages.set(`gpu-${entry.name.replaceAll(" ", "-")}`, manPage(await entry.load(), options));
}

/** A page as it reads, without fonts and with what was escaped. */
function plain(page: string): string {
  return page.replace(/\\f[BIR]/g, "").replaceAll("\\-", "-").replaceAll("\\(aq", "'").replaceAll("\\(dq", '"')
    .replaceAll("\\(ga", "`").replaceAll("\\(ti", "~").replaceAll("\\(ha", "^").replaceAll("\\e", "\\");
}

test("gpu(1) names every command, variable and exit code", () => {
  const page = plain(pages.get("gpu") ?? "");
  for (const { name } of commands) expect(page).toContain(`\ngpu ${name}\n`);
  for (const name of Object.keys(environmentVariables)) expect(page).toContain(`\n${name}\n`);
  for (const code of Object.values(exitCodes)) expect(page).toContain(`\n${code}\n`);
});

test("the page of a command has its flags, examples and fields", async () => {
  for (const entry of commands) {
    const command = await entry.load();
    const page = plain(pages.get(`gpu-${entry.name.replaceAll(" ", "-")}`) ?? "");
    const lines = page.split("\n");
    for (const param of readParams(command.input).filter(({ isHidden, place }) => !isHidden && place === "flag")) {
      expect(lines).toContain(flagLabel(param));
    }
    for (const example of command.examples ?? []) expect(lines).toContain(example.command.replaceAll("…", "..."));
    for (const { path } of outputFields(command.output).fields) expect(page).toContain(`\n${path} (`);
  }
});

test("every line is a macro that man(7) has, or text of at most 80 characters where it can be broken", () => {
  for (const [name, page] of pages) {
    const wrong = page.split("\n").filter((line) => /^['.]/.test(line) && !/^\.(TH|SH|PP|TP|nf|fi)( |$)/.test(line));
    expect({ name, wrong }).toEqual({ name, wrong: [] });
    expect({ name, odd: page.match(/[^\x20-\x7e\n]/g) }).toEqual({ name, odd: null });
  }
});

test("what is indented in a description keeps its lines", () => {
  expect(plain(pages.get("gpu-ci-submit-test") ?? "")).toContain(
    "\n.nf\n\\&    setup: [npm ci]            # shell lines\n\\&    test: npm test",
  );
});

test("no text of a definition becomes a request or an escape", () => {
  const odd = defineCommand({
    name: "odd",
    summary: "Say `.so /etc/passwd` and \\fBmore",
    description: ".so /etc/passwd\n\n'x \\n(.H × `a\\b`\n\n\t.so x",
    effect: "read",
    input: z.object({}),
    output: z.object({ "a.b": z.string().describe(".ex") }),
    run: () => Promise.resolve({ "a.b": "" }),
    view: () => "",
  });
  const page = manPage(odd, options);
  expect(page).toContain(
    "\\&.so /etc/passwd\n.PP\n\\(aqx \\en(.H \\[u00D7] \\fBa\\eb\\fR\n.PP\n.nf\n\\& .so x\n.fi",
  );
  expect(page).toContain("\\&.ex");
  expect(page).toContain("\\efBmore");
});

test("programs that read man pages have nothing to say", () => {
  const folder = mkdtempSync(join(tmpdir(), "gpu-man-"));
  try {
    const files = [...pages].map(([name, page]) => {
      const path = join(folder, `${name}.1`);
      writeFileSync(path, `${page}\n`);
      return path;
    });
    const said = [
      Bun.which("mandoc") && Bun.spawnSync(["mandoc", "-Tlint", ...files]).stdout.toString(),
      Bun.which("groff") && Bun.spawnSync(["groff", "-ww", "-man", "-Tascii", ...files]).stderr.toString(),
    ];
    expect(said.filter((text) => text !== null && text !== "")).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
