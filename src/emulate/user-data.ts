import { parse } from "yaml";
import { z } from "zod";

/** What an emulated machine takes from its user data. */
export interface UserData {
  /** In OpenSSH's form. */
  readonly hostPrivateKey: string | undefined;
  readonly authorizedKeys: readonly string[];
  /** What cloud-init would have done and nobody does here, by its key. */
  readonly ignored: readonly string[];
}

// https://cloudinit.readthedocs.io/en/latest/reference/modules.html#ssh
const CloudConfig = z.object({
  ssh_keys: z.object({ ed25519_private: z.string().optional() }).optional(),
  ssh_authorized_keys: z.array(z.string()).default([]),
});

const understood = ["ssh_keys", "ssh_authorized_keys", "ssh_deletekeys"];

/**
 * Reads user data as cloud-init does: what it does not understand is passed over. Commands and files in it are never run
 * or written, because the machine is a process on somebody's computer.
 */
export function readUserData(text: string | undefined): UserData {
  const nothing = { hostPrivateKey: undefined, authorizedKeys: [] };
  if (text === undefined || text.trim() === "") return { ...nothing, ignored: [] };
  if (!/^#cloud-config\s*\n/.test(text)) return { ...nothing, ignored: [text.split("\n")[0]?.slice(0, 40) ?? ""] };
  const document = parseQuietly(text);
  const config = CloudConfig.safeParse(document);
  if (!config.success) return { ...nothing, ignored: ["all of it, because it cannot be read"] };
  return {
    hostPrivateKey: config.data.ssh_keys?.ed25519_private,
    authorizedKeys: config.data.ssh_authorized_keys,
    ignored: Object.keys(z.object({}).loose().parse(document)).filter((key) => !understood.includes(key)),
  };
}

function parseQuietly(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
