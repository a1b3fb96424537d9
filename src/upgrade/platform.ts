import { existsSync, readdirSync } from "node:fs";
import type { World } from "../world.ts";

/** This computer as the files of a release call it: `linux-x64-musl`. */
export function platformName({ platform, arch }: Pick<World, "platform" | "arch">): string {
  const os = platform === "win32" ? "windows" : platform;
  return `${os}-${arch}${platform === "linux" && isMusl() ? "-musl" : ""}`;
}

/** A system of musl has its loader and not that of glibc; Debian may have both. */
function isMusl(): boolean {
  if (existsSync("/lib64/ld-linux-x86-64.so.2") || existsSync("/lib/ld-linux-aarch64.so.1")) return false;
  return existsSync("/lib") && readdirSync("/lib").some((name) => name.startsWith("ld-musl-"));
}
