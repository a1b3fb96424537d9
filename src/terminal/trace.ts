import { messageOf } from "../errors.ts";
import { maskOf } from "../mask.ts";
import { safeText } from "../safe-text.ts";
import type { World } from "../world.ts";

/** The same world, which says what is done through it: a line for each request, SSH login and change of what is rented. */
export function tracedWorld(world: World, say: (line: string) => void): World {
  const { clock } = world;
  const startedAt = clock.monotonic();
  const mask = masking(world.env);
  const trace = (text: string) => {
    const seconds = (clock.monotonic() - startedAt) / 1000;
    say(
      `${seconds.toFixed(3).padStart(8)} s  ${maskOf(world.terminal).text(mask(safeText(text).replace(/\s+/g, " ")))}`,
    );
  };
  return {
    ...world,
    trace,
    async fetch(url, init) {
      const what = `${init?.method ?? "GET"} ${addressText(new URL(url))}`;
      const askedAt = clock.monotonic();
      const took = () => `${Math.round(clock.monotonic() - askedAt)} ms`;
      try {
        const answer = await world.fetch(url, init);
        const id = answer.headers.get("x-request-id") ?? answer.headers.get("cf-ray");
        trace(`${what}: ${answer.status}, ${took()}${id === null ? "" : `, request id ${id}`}`);
        return answer;
      } catch (error) {
        trace(`${what}: no answer, ${took()}: ${messageOf(error)}`);
        throw error;
      }
    },
  };
}

/** Without user and password; of a query only its names. */
function addressText({ origin, pathname, searchParams }: URL): string {
  const names = [...searchParams.keys()].map((name) => `${name}=…`);
  return `${origin}${pathname}${names.length === 0 ? "" : `?${names.join("&")}`}`;
}

/** A shorter value is no secret, and would be found in every word. */
const shortestSecret = 6;

/** Takes out of a text what the environment calls a key, a token, a secret or a password. */
function masking(env: World["env"]): (text: string) => string {
  const secrets = Object.entries(env)
    .filter(([name, value = ""]) => /KEY|TOKEN|SECRET|PASSWORD/i.test(name) && value.length >= shortestSecret)
    .map(([, value = ""]) => value)
    .toSorted((one, other) => other.length - one.length);
  return (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, "********"), text);
}
