import { readFile } from "node:fs/promises";
import { apiAddress } from "../configure/access.ts";
import type { Context } from "../command.ts";
import { messageOf } from "../errors.ts";
import { reasonOf } from "../files.ts";
import type { World } from "../world.ts";
import type { Check, Finding } from "./check.ts";
import { configuredProviders } from "./keys.ts";

const skewToWarnMs = 30_000;
const skewToFailMs = 300_000;

/** This computer's clock agrees with that of the provider's API: leases end by it. */
export const clockCheck: Check = {
  name: "clock",
  async run(context, signal): Promise<Finding> {
    const address = await anyAddress(context);
    if (address === undefined) return { status: "ok", detail: "no provider to compare it with is configured" };
    const { host } = new URL(address);
    const { clock, fetch } = context.world;
    const before = clock.now();
    let answer: Response;
    try {
      answer = await fetch(address, { method: "HEAD", redirect: "manual", signal });
    } catch (error) {
      return { status: "warn", detail: `not known: ${host} cannot be reached: ${messageOf(error)}` };
    }
    const theirs = Date.parse(answer.headers.get("date") ?? "");
    if (Number.isNaN(theirs)) return { status: "ok", detail: `${host} does not say what time it is` };
    const skewMs = (before + clock.now()) / 2 - theirs;
    // Their header has whole seconds.
    if (Math.abs(skewMs) <= 1500) return { status: "ok", detail: `agrees with ${host}` };
    const seconds = Math.round(Math.abs(skewMs) / 1000);
    const detail = `${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} ${host}`;
    if (Math.abs(skewMs) < skewToWarnMs) return { status: "ok", detail };
    return {
      status: Math.abs(skewMs) < skewToFailMs ? "warn" : "fail",
      detail,
      fix: "set the clock, or turn on its synchronisation: leases end by it",
    };
  },
};

/** The variables that lead requests elsewhere, or change whom they trust, are usable. */
export const networkCheck: Check = {
  name: "network",
  async run({ world }): Promise<Finding | readonly Finding[]> {
    const findings = [...proxyFindings(world), ...await certificateFindings(world)];
    return findings.length === 0 ? { status: "ok", detail: "no proxy and no certificates of your own" } : findings;
  },
};

function proxyFindings({ env }: Pick<World, "env">): Finding[] {
  return ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].flatMap((name): Finding[] => {
    const value = env[name];
    if (!value) return [];
    const url = URL.parse(value);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      // The value may hold a password.
      return [{ of: name, status: "fail", detail: "it is not the address of a proxy", fix: `like http://proxy:3128` }];
    }
    const except = env.NO_PROXY || env.no_proxy;
    return [{ of: name, status: "ok", detail: `through ${url.host}${except ? `, but not to ${except}` : ""}` }];
  });
}

async function certificateFindings({ env }: Pick<World, "env">): Promise<Finding[]> {
  const name = "NODE_EXTRA_CA_CERTS";
  const path = env[name];
  if (!path) return [];
  try {
    const text = await readFile(path, "utf8");
    if (text.includes("-----BEGIN CERTIFICATE-----")) {
      return [{ of: name, status: "ok", detail: `${path} is trusted too` }];
    }
    return [{ of: name, status: "fail", detail: `${path} has no certificate in it`, fix: "it must be in PEM form" }];
  } catch (error) {
    const fix = `mend the path, or unset \`${name}\``;
    return [{ of: name, status: "fail", detail: `${path} cannot be read: ${reasonOf(error)}`, fix }];
  }
}

async function anyAddress(context: Context): Promise<string | undefined> {
  const providers = await configuredProviders(context);
  if (providers === undefined) return undefined;
  const config = await context.config();
  for (const provider of providers) {
    const address = apiAddress(context.world, { provider, url: config.providers[provider]?.url });
    if (address !== undefined && URL.canParse(address)) return address;
  }
  return undefined;
}
