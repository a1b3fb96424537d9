// The CI commands and the CI server beside their peers: `scripts/bench ci [part]`, a part for each file of scripts/bench-ci.
import { benchParts } from "./bench-parts.ts";

export const ci = (argv: readonly string[]): Promise<void> => benchParts("bench-ci", argv);
