import { existsSync, readdirSync } from "node:fs";

/** The C library that this process has already, to call it; undefined where that is not known. */
export function libcOf(platform: NodeJS.Platform): string | undefined {
  if (platform === "darwin") return "/usr/lib/libSystem.B.dylib";
  if (platform !== "linux") return undefined;
  // Where musl is the C library, nothing is called libc.so.6.
  const musl = existsSync("/lib") && readdirSync("/lib").find((name) => /^libc\.musl-\w+\.so\.1$/.test(name));
  return musl ? `/lib/${musl}` : "libc.so.6";
}
