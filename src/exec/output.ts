import type { Captured } from "./capture.ts";

export type Stream = "stdout" | "stderr";

/** Where the output of many machines goes. */
export interface Output {
  /** Called once for each machine, when it is about to run. */
  open(host: string): Promise<HostOutput> | HostOutput;
  /** Called when all have ended. */
  end(): Promise<void>;
}

/** Where the output of one machine goes. */
export interface HostOutput {
  /** Nothing more is read from the machine before this is done. */
  write(stream: Stream, chunk: Uint8Array): Promise<void> | void;
  /** Called when no more comes; `ran` is false where the command was never started. */
  end(ran: boolean): Promise<Captured>;
}
