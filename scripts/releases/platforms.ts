/** One computer that `gpu` is compiled for. */
export interface Platform {
  /** As in the names of the files: `linux-x64-musl`. */
  readonly name: string;
  readonly os: "linux" | "darwin" | "windows";
  readonly arch: "x64" | "arm64";
  readonly libc?: "glibc" | "musl";
  readonly target: Bun.Build.CompileTarget;
  /** The package of npm with the Bun that is compiled in. */
  readonly bun: string;
}

/** All there are. */
export const platforms: readonly Platform[] = [
  { name: "linux-x64", os: "linux", arch: "x64", libc: "glibc", target: "bun-linux-x64", bun: "@oven/bun-linux-x64" },
  {
    name: "linux-arm64",
    os: "linux",
    arch: "arm64",
    libc: "glibc",
    target: "bun-linux-arm64",
    bun: "@oven/bun-linux-aarch64",
  },
  {
    name: "linux-x64-musl",
    os: "linux",
    arch: "x64",
    libc: "musl",
    target: "bun-linux-x64-musl",
    bun: "@oven/bun-linux-x64-musl",
  },
  {
    name: "linux-arm64-musl",
    os: "linux",
    arch: "arm64",
    libc: "musl",
    target: "bun-linux-arm64-musl",
    bun: "@oven/bun-linux-aarch64-musl",
  },
  { name: "darwin-x64", os: "darwin", arch: "x64", target: "bun-darwin-x64", bun: "@oven/bun-darwin-x64" },
  { name: "darwin-arm64", os: "darwin", arch: "arm64", target: "bun-darwin-arm64", bun: "@oven/bun-darwin-aarch64" },
  { name: "windows-x64", os: "windows", arch: "x64", target: "bun-windows-x64", bun: "@oven/bun-windows-x64" },
];

/** `gpu-linux-x64`, `gpu-windows-x64.exe`. */
export function executableName({ name, os }: Pick<Platform, "name" | "os">): string {
  return `gpu-${name}${os === "windows" ? ".exe" : ""}`;
}

/** The compressed form of it. */
export function archiveName({ name, os }: Pick<Platform, "name" | "os">): string {
  return `gpu-${name}${os === "windows" ? ".zip" : ".tar.xz"}`;
}
