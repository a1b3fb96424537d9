import { GpuError, InterruptedError } from "../errors.ts";
import type { CallRecord } from "../surface/call.ts";
import { codeFrame, type Place, placeName, readPlaces } from "./frames.ts";

export interface FailureOptions {
  readonly cwd: string;
  /** The call of the recipe that failed with an error, where one did. */
  findCall(error: unknown): CallRecord | undefined;
}

/** What was thrown, where it can be looked at: a proxy may throw when it is only asked what it is. */
export function readable(error: unknown): unknown {
  try {
    void (error instanceof Error);
    return error;
  } catch {
    return new GpuError("the recipe threw what cannot be read");
  }
}

/** What a recipe threw, as an error that says where in its files that was. */
export function failureOf(error: unknown, options: FailureOptions): GpuError {
  try {
    return readFailure(error, options);
  } catch {
    // A proxy, or an error whose fields throw when they are read, is the recipe's own, and no bug of ours.
    return new GpuError("the recipe threw what cannot be read");
  }
}

function readFailure(error: unknown, { cwd, findCall }: FailureOptions): GpuError {
  if (error instanceof InterruptedError) return error;
  const built = buildMistake(error);
  if (built) {
    return new GpuError(withPlaces(built.message, [built.place].filter((place) => place !== undefined), cwd), {
      cause: error,
    });
  }
  // Errors of our own are made far from the recipe: there the place is the call that failed with it.
  const own = error instanceof Error ? String(error.stack ?? "") : "";
  const call = findCall(error);
  // What only calls the recipe's own code did not make its error, where that was made there.
  const passesOn = call !== undefined && /^(?:parallel|retry|poll)$/.test(call.name);
  const isTheirs = error instanceof GpuError
    ? passesOn && readPlaces(topOf(own)).length > 0
    : readPlaces(own).length > 0;
  const places = readPlaces(isTheirs ? own : call?.stack ?? own);
  if (error instanceof GpuError) {
    const { hint, kind, exitCode } = error;
    return new GpuError(withPlaces(error.message, places, cwd), { hint, kind, exitCode, cause: error });
  }
  return new GpuError(withPlaces(describe(error), places, cwd), { cause: error });
}

/** The innermost frame of a stack: where the error was made. */
function topOf(stack: string): string {
  return stack.split("\n").find((line) => line.trimStart().startsWith("at ")) ?? "";
}

/** A message with the places it is about below it, and the source of the first. */
export function withPlaces(message: string, places: readonly Place[], cwd: string): string {
  const shown = [...new Set(places.map((place) => `    at ${placeName(place, cwd)}`))].slice(0, 5);
  const frame = places[0] ? codeFrame(places[0]) : "";
  return [message, ...shown, ...(frame === "" ? [] : ["", frame])].join("\n");
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `the recipe threw ${Bun.inspect(error)}`;
  const message = String(error.message) === "" ? "an error without a message" : String(error.message);
  const text = error.name === "Error" ? message : `${error.name}: ${message}`;
  return error.cause instanceof Error ? `${text}\n  because: ${error.cause.message}` : text;
}

/** A file that the recipe imports does not parse, or is not there. */
function buildMistake(error: unknown): { message: string; place: Place | undefined } | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (!(first instanceof BuildMessage || first instanceof ResolveMessage)) return undefined;
  const { message, position } = first;
  const place = position === null ? undefined : { file: position.file, line: position.line, column: position.column };
  return { message, place };
}
