import type { Check } from "./check.ts";
import { agentCheck, ownKeyCheck, sshCheck } from "./ssh.ts";
import { configurationCheck, profileCheck } from "./configuration.ts";
import { diskCheck, foldersCheck, keychainCheck, versionCheck } from "./computer.ts";
import { clockCheck, networkCheck } from "./network.ts";
import { keyCheck } from "./keys.ts";
import { backgroundCheck, journalCheck, rentalsCheck, tunnelsCheck } from "./rentals.ts";

/** Everything `gpu doctor` looks at, in the order it is shown. */
export const checks: readonly Check[] = [
  versionCheck,
  configurationCheck,
  profileCheck,
  keychainCheck,
  keyCheck,
  networkCheck,
  clockCheck,
  sshCheck,
  agentCheck,
  ownKeyCheck,
  journalCheck,
  rentalsCheck,
  backgroundCheck,
  tunnelsCheck,
  foldersCheck,
  diskCheck,
];
