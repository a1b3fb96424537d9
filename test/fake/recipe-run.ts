import type { Context } from "../../src/command.ts";
import { CallLog } from "../../src/recipe/calls.ts";
import { type CommandDisplay, type CurrentRun, enterRun, type ShownCommand } from "../../src/recipe/current.ts";
import { outside } from "../../src/outside.ts";
import { Owned } from "../../src/recipe/owned.ts";
import { defaultGlobals } from "../../src/surface/globals.ts";
import type { World } from "../../src/world.ts";
import { type FakeTerminal, fakeTerminal } from "./terminal.ts";

/** A run without a recipe: what the module `"gpu"` does in it can be looked at. It is the current one until disposed. */
export interface FakeRun extends Disposable {
  readonly run: CurrentRun;
  readonly calls: CallLog;
  readonly owned: Owned;
  readonly terminal: FakeTerminal;
  readonly notes: string[];
  /** Commands that were shown, in their order. */
  readonly shown: (ShownCommand & { text: string })[];
  /** Ends the run, as Ctrl-C does it. */
  abort(reason: unknown): void;
}

export function fakeRun(
  { world: parts = {}, globals = {}, terminal = fakeTerminal() }: {
    world?: Partial<World>;
    globals?: Partial<Context["globals"]>;
    terminal?: FakeTerminal;
  } = {},
): FakeRun {
  const calls = new CallLog();
  const owned = new Owned();
  const notes: string[] = [];
  const shown: (ShownCommand & { text: string })[] = [];
  const ending = new AbortController();
  const world = { ...outside(process, { onClosedPipe: () => {} }), terminal, ...parts };
  const context = {
    world,
    globals: { ...defaultGlobals, ...globals },
    signal: ending.signal,
    entries: [],
    note: (text: string) => void notes.push(text),
    progress() {},
    around: (write: () => Promise<void>) => write(),
    run: { recipe: "r.ts" },
  } as unknown as Context;
  const open = (context: Context): CurrentRun => ({
    context,
    api: {},
    planner: undefined,
    keepsOnFailure: false,
    masked: (text) => text,
    track: (record, start) => calls.track(record, () => start(open(context))),
    add: (record) => calls.add(record),
    allow: () => Promise.resolve(() => {}),
    own: (handle) => owned.add(handle),
    declare() {},
    show(command): CommandDisplay {
      const display = { ...command, text: "" };
      shown.push(display);
      return {
        write(chunk) {
          display.text += new TextDecoder().decode(chunk);
        },
        end() {},
      };
    },
    step: (_key, work) => work(),
    instead: () => Promise.resolve(undefined),
    within: open,
  });
  const run = open(context);
  const entered = enterRun(run);
  return {
    run,
    calls,
    owned,
    terminal,
    notes,
    shown,
    abort: (reason) => ending.abort(reason),
    [Symbol.dispose]: () => entered[Symbol.dispose](),
  };
}
