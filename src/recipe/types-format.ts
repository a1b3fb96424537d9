/** Text of the files by their path below the folder they are laid out in. */
export type TypeFiles = Record<string, string>;

/**
 * `types.bin` begins with a line of this length, so that its key is known without unpacking the rest: what every recipe
 * is checked against, and behind it what editors are given as well.
 */
export const headerBytes = 64;

export interface TypesHeader {
  /** Version of `gpu`. */
  readonly version: string;
  /** Hash of all that the types were made from. */
  readonly key: string;
  /** Bytes of the first part. */
  readonly firstBytes: number;
}

export function writeHeader({ version, key, firstBytes }: TypesHeader): Uint8Array {
  return new TextEncoder().encode(`${`gpu-types ${version} ${key} ${firstBytes}`.padEnd(headerBytes - 1)}\n`);
}

export function readHeader(bytes: Uint8Array): TypesHeader {
  const line = new TextDecoder().decode(bytes.subarray(0, headerBytes));
  const [word, version = "", key = "", length] = line.trim().split(" ");
  const firstBytes = Number(length);
  if (word !== "gpu-types" || !/^[0-9a-f]{16}$/.test(key) || !Number.isSafeInteger(firstBytes)) {
    throw new TypeError("the types in this executable are damaged");
  }
  return { version, key, firstBytes };
}
