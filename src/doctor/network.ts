import { readFile } from "node:fs/promises";
import { apiAddress } from "../configure/access.ts";
import type { Context } from "../command.ts";
import { messageOf } from "../errors.ts";
import { reasonOf } from "../files.ts";
import { parseProxy } from "../http/proxy.ts";
import type { World } from "../world.ts";
import type { Check, Finding } from "./check.ts";
import { configuredProviders, notAsked } from "./keys.ts";

const skewToWarnMs = 30_000;
const skewToFailMs = 300_000;

/** This computer's clock agrees with that of the provider's API: leases end by it. */
export const clockCheck: Check = {
  name: "clock",
  async run(context, signal): Promise<Finding> {
    const providers = await configuredProviders(context);
    if (providers === undefined) return { status: "ok", detail: notAsked };
    const address = await anyAddress(context, providers);
    if (address === undefined) {
      return { status: "ok", detail: "not asked: no provider to compare it with is configured" };
    }
    const { host } = new URL(address);
    let skewMs: number | undefined;
    try {
      skewMs = await skewFrom(context, address, signal);
    } catch (error) {
      const detail = `not known: ${host} cannot be reached: ${messageOf(error)}`;
      return { status: "warn", detail, fix: "check the network, then ask again: `gpu doctor clock`" };
    }
    if (skewMs === undefined) {
      const fix = "compare `date -u` with a clock that you trust: leases end by it";
      return { status: "warn", detail: `not known: ${host} gives no time`, fix };
    }
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

/** Milliseconds we are ahead of the `Date` of its answer (RFC 9110, 6.6.1); not every server gives one to HEAD. */
async function skewFrom({ world }: Context, address: string, signal: AbortSignal): Promise<number | undefined> {
  for (const method of ["HEAD", "GET"]) {
    const before = world.clock.now();
    const answer = await world.fetch(address, { method, redirect: "manual", signal });
    const between = (before + world.clock.now()) / 2;
    await answer.body?.cancel();
    const theirs = Date.parse(answer.headers.get("date") ?? "");
    if (!Number.isNaN(theirs)) return between - theirs;
  }
  return undefined;
}

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
    const url = parseProxy(value);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      // The value may hold a password.
      return [{
        of: name,
        status: "fail",
        detail: "it is not the address of a proxy",
        fix: "set it to one like `http://proxy:3128`, or unset it",
      }];
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

async function anyAddress(context: Context, providers: readonly string[]): Promise<string | undefined> {
  const config = await context.config();
  for (const provider of providers) {
    const address = apiAddress(context.world, { provider, url: config.providers[provider]?.url });
    if (address !== undefined && URL.canParse(address)) return address;
  }
  return undefined;
}
