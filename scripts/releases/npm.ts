import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../toolchain.ts";
import { executableName, platforms } from "./platforms.ts";

const scope = "@gpu-cli";

/** What each package says of itself. */
const common = {
  description: "Rent a GPU, run work on it, and make sure it is given back",
  license: "MIT",
};

/**
 * Writes the packages of npm as folders: one for each platform, with `os`, `cpu` and `libc`, and one that depends on
 * all of them and starts what npm installed. Nothing runs when they are installed.
 */
export function writeNpmPackages(
  folder: string,
  { version, executables }: { version: string; executables: string },
): void {
  for (const platform of platforms) {
    const to = join(folder, platform.name);
    const name = executableName(platform);
    mkdirSync(join(to, "bin"), { recursive: true });
    copyFileSync(join(executables, name), join(to, "bin", platform.os === "windows" ? "gpu.exe" : "gpu"));
    writeJson(join(to, "package.json"), {
      name: `${scope}/${platform.name}`,
      version,
      ...common,
      os: [platform.os === "windows" ? "win32" : platform.os],
      cpu: [platform.arch],
      ...(platform.libc !== undefined && { libc: [platform.libc] }),
      files: ["bin"],
    });
  }
  const to = join(folder, "gpu");
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, "gpu.js"), launcher, { mode: 0o755 });
  copyFileSync(join(root, "LICENSE"), join(to, "LICENSE"));
  writeJson(join(to, "package.json"), {
    name: `${scope}/gpu`,
    version,
    ...common,
    bin: { gpu: "gpu.js" },
    optionalDependencies: Object.fromEntries(platforms.map(({ name }) => [`${scope}/${name}`, version])),
  });
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, JSON.stringify(value, null, 2) + "\n");
}

/** Starts the executable of this computer: signals and the exit code go through. */
const launcher = `#!/usr/bin/env node
const { spawn } = require("node:child_process");
const os = process.platform === "win32" ? "windows" : process.platform;
const names = [\`\${os}-\${process.arch}\`, \`\${os}-\${process.arch}-musl\`];
const file = process.platform === "win32" ? "gpu.exe" : "gpu";
const path = names.map((name) => find(\`${scope}/\${name}/bin/\${file}\`)).find((found) => found !== undefined);
if (path === undefined) {
  console.error(\`gpu: there is no executable for \${names[0]}; npm may have been told to leave out optional dependencies\`);
  process.exit(1);
}
const child = spawn(path, process.argv.slice(2), { stdio: "inherit" });
// Ctrl-C on a terminal reaches both; passed on it would be a second one, which gives up on everything.
const passedOn = process.stdin.isTTY ? ["SIGTERM"] : ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => passedOn.includes(signal) && child.kill(signal));
}
child.on("error", (error) => {
  console.error(\`gpu: cannot start \${path}: \${error.message}\`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
function find(name) {
  try {
    return require.resolve(name);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
}
`;
