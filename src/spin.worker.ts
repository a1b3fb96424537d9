// Ends the process by a signal that its main thread cannot hear, since that spins in code which never comes back.
import { dlopen } from "bun:ffi";
import type { SpinOrder } from "./spin.ts";

declare const self: Worker;

/** How long the main thread may be busy before signals end the process. */
const patienceMs = 1000;
const lookMs = 250;

// `struct sigaction` has at most 152 bytes on the systems there are; zeros are the default disposition.
const structBytes = 256;
const numbers = [1, /* SIGHUP */ 2, /* SIGINT */ 15 /* SIGTERM */];

self.onmessage = ({ data }: MessageEvent<SpinOrder>) => {
  const { beats, library } = data;
  const { symbols } = dlopen(library, { sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" } });
  const handlers = numbers.map((number) => ({ number, handler: new Uint8Array(structBytes) }));
  const byDefault = new Uint8Array(structBytes);
  let isSpinning = false;
  let last = -1;
  let since = performance.now();
  // Sleeps until the main thread says that it is over, which is the second number.
  while (Atomics.wait(beats, 1, 0, lookMs) === "timed-out") {
    const beat = Atomics.load(beats, 0);
    const now = performance.now();
    if (beat !== last) {
      if (isSpinning) { for (const { number, handler } of handlers) symbols.sigaction(number, handler, null); }
      isSpinning = false;
      last = beat;
      since = now;
    } else if (!isSpinning && now - since > patienceMs) {
      for (const { number, handler } of handlers) symbols.sigaction(number, byDefault, handler);
      isSpinning = true;
    }
  }
  if (isSpinning) { for (const { number, handler } of handlers) symbols.sigaction(number, handler, null); }
};
