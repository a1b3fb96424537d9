import { z } from "zod";
import type { View } from "../command.ts";
import { safeText } from "../safe-text.ts";

/** What an emulator says, one object each. */
export const EmulatorEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("listening").describe("it can be used from now on"),
    url: z.string().describe("for `LAMBDA_API_URL`"),
    key: z.string().describe("for `LAMBDA_API_KEY`"),
    seed: z.number().int().describe("what chance was drawn from; the same seed draws the same again"),
    leftovers: z.number().int().describe("machines of an emulator that was killed, found and ended"),
  }),
  z.object({
    type: z.literal("request").describe("one request and its answer"),
    at: z.iso.datetime().describe("when it was answered"),
    method: z.string().describe("HTTP method"),
    path: z.string().describe("path of the API"),
    status: z.number().int().nullable().describe("HTTP status, null when no answer was given"),
    code: z.string().nullable().describe("the API's error code"),
    fault: z.string().nullable().describe("what went wrong on purpose"),
    durationMs: z.number().describe("how long it took, in milliseconds"),
  }),
  z.object({
    type: z.literal("ended").describe("its machines are gone, unless they are kept"),
    exitCode: z.number().int().nullable().describe("of the command that was run, null without one"),
    made: z.number().int().describe("instances that were ever made"),
    left: z.number().int().describe("instances that nobody had terminated"),
    costDollars: z.number().describe("what they would have cost, in US dollars"),
  }),
]);
export type EmulatorEvent = z.output<typeof EmulatorEvent>;

/** The address and each request are the answer; the summary is said beside it. */
export function viewEvent(event: EmulatorEvent): View {
  if (event.type === "ended") return { stderr: eventText(event) };
  return eventText(event);
}

/** An event as a line, the first one as three. */
export function eventText(event: EmulatorEvent): string {
  if (event.type === "listening") {
    const { url, key, seed, leftovers } = event;
    const found = leftovers === 0 ? [] : [`${leftovers} left by an emulator that was killed: ended`];
    return [
      `Lambda Cloud is emulated at ${url}, seed ${seed}`,
      ...found,
      `LAMBDA_API_KEY=${key} LAMBDA_API_URL=${url} gpu start --provider lambda --type gpu_1x_a10 --yes`,
    ].join("\n");
  }
  if (event.type === "request") {
    const { at, method, path, status, code, fault, durationMs } = event;
    const notes = [code, fault && `fault: ${fault}`].filter((note) => note !== null);
    const answer = status === null ? "no answer" : String(status);
    return [at.slice(11, 23), method.padEnd(6), safeText(path), answer, ...notes, `${durationMs} ms`].join(" ");
  }
  const { made, left, costDollars } = event;
  if (made === 0) return "no instance was made";
  const instances = made === 1 ? "1 instance was made" : `${made} instances were made`;
  return `${instances}, ${left} not terminated; Lambda Cloud would charge $${costDollars.toFixed(2)}`;
}
