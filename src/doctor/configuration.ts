import { existsSync } from "node:fs";
import { activeProfile, configPath, defaultProvider, profileName } from "../config.ts";
import { checkProvider, needsKey } from "../configure/access.ts";
import type { Check, Finding } from "./check.ts";

/** The file can be read and says only what it may; each of its hosts can be understood. */
export const configurationCheck: Check = {
  name: "configuration",
  async run({ config, world }): Promise<Finding | Finding[]> {
    const path = configPath(world);
    const { configuredHosts } = await import("../hosts/configured.ts");
    const { broken } = configuredHosts(await config());
    if (broken.length > 0) {
      return broken.map(({ error }) => ({
        status: "warn",
        detail: error.message,
        fix: `mend it in \`${path}\`; \`gpu help hosts\` shows how hosts are written`,
      }));
    }
    if (existsSync(path)) return { status: "ok", detail: `${path} is valid` };
    return { status: "ok", detail: "there is none, so defaults hold", fix: "`gpu configure` makes one" };
  },
};

/** The profile exists, and `gpu` knows its provider. */
export const profileCheck: Check = {
  name: "profile",
  async run({ config, globals, world, registry }): Promise<Finding> {
    const configured = await config();
    const name = profileName(configured, globals.profile);
    activeProfile(configured, globals.profile);
    const provider = globals.provider ?? defaultProvider(configured, world, globals.profile);
    checkProvider(registry, provider);
    const rents = `\`${name}\` rents from ${provider}`;
    return needsKey(provider)
      ? { status: "ok", detail: rents }
      : { status: "ok", detail: `${rents}, for nothing`, fix: "`gpu configure` sets up a cloud" };
  },
};
