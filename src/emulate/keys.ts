/** The line, when it is a public key that an SSH server can use. */
export async function parsePublicKey(line: string): Promise<string | undefined> {
  const { default: ssh2 } = await import("ssh2");
  const key = ssh2.utils.parseKey(line);
  return key instanceof Error || Array.isArray(key) || key.isPrivateKey() ? undefined : line;
}

/** The key, when an SSH server can present it. */
export async function parsePrivateKey(text: string): Promise<string | undefined> {
  const { default: ssh2 } = await import("ssh2");
  const key = ssh2.utils.parseKey(text);
  return key instanceof Error || Array.isArray(key) || !key.isPrivateKey() ? undefined : text;
}
