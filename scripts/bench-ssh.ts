// Everything over SSH beside its peers: `scripts/bench ssh [part]`, a part for each file of scripts/bench-ssh.
import { benchParts } from "./bench-parts.ts";

export const ssh = (argv: readonly string[]): Promise<void> => benchParts("bench-ssh", argv);
