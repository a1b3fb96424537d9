import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { durationMs, positiveDurationPattern } from "../../duration.ts";
import { reasonOf } from "../../files.ts";
import { quote } from "../../quote.ts";
import type { JobLimits } from "./job-order.ts";
import { patternProblem } from "./project-files.ts";

/** What a job runs: shell lines, in the project's folder. */
export interface ProjectPlan {
  /** Why it is run like this, for the log: the file that decided. */
  readonly because: string;
  readonly setup: readonly string[];
  readonly test: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** What it wants to be held to. */
  readonly limits: Pick<JobLimits, "memoryBytes" | "processes" | "cpus" | "diskBytes">;
  readonly hasNetwork: boolean;
  /** Patterns of files to keep. */
  readonly artifacts: readonly string[];
  /** A pattern of JUnit or TAP files; undefined: TAP is counted where the test line prints it. */
  readonly results: string | undefined;
}

/** A project that cannot be run; the message is for the job's log. */
export class ProjectError extends Error {
  override name = "ProjectError";
}

/** What says how to test a project is short: reading more would keep the job's process from listening. */
const maxFileBytes = 256 * 2 ** 10;

const defaultTimeoutMs = 30 * 60_000;

const Duration = z.string().regex(positiveDurationPattern, "expected a duration like `90s`, `30m` or `1h30m`");

const Size = z.string().regex(/^\d+(\.\d+)? ?[KMGT]i?B$/, "expected a size like `512MiB` or `8GiB`");

const Pattern = z.string().superRefine((pattern, context) => {
  const message = patternProblem(pattern);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

const GpuCi = z.strictObject({
  setup: z.array(z.string(), { error: "expected a list of shell lines, such as `[npm ci]`" }).default([]),
  test: z.string({ error: "expected one shell line, such as `npm test`" }).min(1),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string({ error: "expected text: put it in quotes" }))
    .default({}),
  timeout: Duration.optional(),
  artifacts: z.array(Pattern).max(100).default([]),
  results: Pattern.optional(),
  network: z.enum(["none", "full"]).default("full"),
  limits: z.strictObject({
    memory: Size.optional(),
    processes: z.number().int().min(1).optional(),
    cpus: z.number().positive().optional(),
    disk: Size.optional(),
  }).default({}),
});

/** What `gpu-ci.yaml` says, or else what the project's own files mean, in the protocol's order. */
export async function readProject(folder: string, args: readonly string[]): Promise<ProjectPlan> {
  const has = (name: string) => existsSync(join(folder, name));
  if (has("gpu-ci.yaml")) return await fromFile(join(folder, "gpu-ci.yaml"), args);
  for (const kind of kinds) {
    const found = kind.read({ has, text: (name) => textOf(folder, name) });
    if (!found) continue;
    return {
      because: found.because,
      setup: found.setup,
      test: withArgs(found.test, args),
      env: {},
      timeoutMs: defaultTimeoutMs,
      limits: {},
      hasNetwork: true,
      artifacts: [],
      results: undefined,
    };
  }
  throw new ProjectError(
    "nothing here says how to test it. Looked for: gpu-ci.yaml, bun.lock, package.json with a `test` script, " +
      "deno.json with a `test` task, requirements.txt, pyproject.toml, Cargo.toml, go.mod, Makefile with a `test` target",
  );
}

async function fromFile(path: string, args: readonly string[]): Promise<ProjectPlan> {
  const { parse } = await import("yaml");
  let content: unknown;
  try {
    content = parse(shortText(path));
  } catch (error) {
    throw new ProjectError(`gpu-ci.yaml cannot be read: ${reasonOf(error)}`);
  }
  const parsed = GpuCi.safeParse(content);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the file"}: ${message}`);
    throw new ProjectError(`gpu-ci.yaml is not right: ${issues.join("; ")}`);
  }
  const { setup, test, env, timeout, network, limits, artifacts, results } = parsed.data;
  return {
    because: "gpu-ci.yaml",
    setup,
    test: withArgs(test, args),
    env,
    timeoutMs: timeout === undefined ? defaultTimeoutMs : durationMs(timeout),
    limits: {
      ...{ processes: limits.processes, cpus: limits.cpus },
      memoryBytes: limits.memory === undefined ? undefined : sizeBytes(limits.memory),
      diskBytes: limits.disk === undefined ? undefined : sizeBytes(limits.disk),
    },
    hasNetwork: network !== "none",
    artifacts,
    results,
  };
}

/** `MiB` are 2^20 bytes, `MB` are a million. */
function sizeBytes(size: string): number {
  const [, amount, letter = "", binary] = /^([\d.]+) ?([KMGT])(i?)B$/.exec(size) ?? [];
  return Math.round(Number(amount) * (binary ? 1024 : 1000) ** ("KMGT".indexOf(letter) + 1));
}

interface Files {
  has(name: string): boolean;
  text(name: string): string;
}

interface Kind {
  read(files: Files): { because: string; setup: string[]; test: string } | undefined;
}

const kinds: readonly Kind[] = [
  {
    read: ({ has }) =>
      has("bun.lock") ? { because: "bun.lock", setup: ["bun install --frozen-lockfile"], test: "bun test" } : undefined,
  },
  {
    read({ has, text }) {
      if (!has("package.json") || !hasKey(text("package.json"), "scripts", "test")) return undefined;
      const isLocked = has("package-lock.json") || has("npm-shrinkwrap.json");
      // npm takes what comes first for itself; `--` hands the rest to the script.
      return { because: "package.json", setup: [isLocked ? "npm ci" : "npm install"], test: "npm test --" };
    },
  },
  {
    read: ({ has, text }) =>
      has("deno.json") && hasKey(text("deno.json"), "tasks", "test")
        ? { because: "deno.json", setup: [], test: "deno task test" }
        : undefined,
  },
  {
    read({ has }) {
      const because = ["requirements.txt", "pyproject.toml"].find(has);
      if (because === undefined) return undefined;
      const what = because === "requirements.txt" ? "-r requirements.txt" : ".";
      return {
        because,
        setup: [
          "python3 -m venv .venv",
          `.venv/bin/python -m pip install --quiet --disable-pip-version-check ${what}`,
        ],
        test:
          ".venv/bin/python -m $(.venv/bin/python -c 'import pytest' 2>/dev/null && echo pytest || echo unittest discover)",
      };
    },
  },
  { read: ({ has }) => has("Cargo.toml") ? { because: "Cargo.toml", setup: [], test: "cargo test" } : undefined },
  { read: ({ has }) => has("go.mod") ? { because: "go.mod", setup: [], test: "go test ./..." } : undefined },
  {
    read: ({ has, text }) =>
      has("Makefile") && /^test\s*:(?!=)/m.test(text("Makefile"))
        ? { because: "Makefile", setup: [], test: "make test" }
        : undefined,
  },
];

function withArgs(line: string, args: readonly string[]): string {
  if (args.length === 0) return line.replace(/ --$/, "");
  return `${line.trimEnd()} ${quote(args)}`;
}

function hasKey(text: string, ...path: readonly [string, string]): boolean {
  // deno.json may hold comments, which JSON.parse refuses; a loose look is enough where it does.
  try {
    const content = z.record(z.string(), z.unknown()).parse(JSON.parse(text));
    return z.record(z.string(), z.unknown()).catch({}).parse(content[path[0]])[path[1]] !== undefined;
  } catch {
    return new RegExp(`"${path[0]}"\\s*:\\s*\\{[^}]*"${path[1]}"\\s*:`).test(text);
  }
}

function textOf(folder: string, name: string): string {
  try {
    return shortText(join(folder, name));
  } catch (error) {
    throw new ProjectError(`${name} cannot be read: ${reasonOf(error)}`);
  }
}

function shortText(path: string): string {
  const { size } = statSync(path);
  if (size > maxFileBytes) throw new ProjectError(`it is larger than ${maxFileBytes / 2 ** 10} KiB`);
  return readFileSync(path, "utf8");
}
