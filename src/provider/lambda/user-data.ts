import type { LaunchRequest } from "../provider.ts";

/** The largest user data that Lambda takes, in bytes. */
const maxBytes = 1_000_000;

const keyPath = "/etc/ssh/ssh_host_ed25519_key";

/**
 * The cloud-config that makes the host key ours, so that even the first connection is verified. cloud-init's ssh module
 * does it before sshd starts; `write_files` comes before that module and does it where an image has none, and
 * `ssh_deletekeys` keeps the module from removing what was written. `runcmd`, the last step of a boot, starts sshd again
 * only where it does not show our key. It is JSON, which is YAML, so that nothing in it needs quoting by hand.
 */
export function userDataOf(hostKey: LaunchRequest["hostKey"]): string {
  const publicKey = hostKey.publicKey.trim();
  const [type, blob = ""] = publicKey.split(" ");
  if (type !== "ssh-ed25519" || !/^[A-Za-z0-9+/]+=*$/.test(blob)) throw new Error("the host key is not an ed25519 key");
  const privateKey = `${hostKey.privateKey.trim()}\n`;
  const config = {
    ssh_deletekeys: false,
    ssh_keys: { ed25519_private: privateKey, ed25519_public: `${publicKey}\n` },
    write_files: [
      { path: keyPath, owner: "root:root", permissions: "0600", content: privateKey },
      { path: `${keyPath}.pub`, owner: "root:root", permissions: "0644", content: `${publicKey}\n` },
    ],
    runcmd: [["sh", "-c", `${showsKey(blob)} || systemctl restart ssh || systemctl restart sshd`]],
  };
  const text = `#cloud-config\n${JSON.stringify(config, null, 2)}\n`;
  if (Buffer.byteLength(text) > maxBytes) throw new Error("the user data is larger than Lambda takes");
  return text;
}

// Every listening sshd is asked, not the file: one that started before the key was written shows another.
function showsKey(blob: string): string {
  return `ssh-keyscan -T 5 -t ed25519 127.0.0.1 2>/dev/null | grep -qF '${blob}'`;
}
