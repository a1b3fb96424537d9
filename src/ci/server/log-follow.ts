import { nextTurn } from "../turn.ts";
import type { LogFeed } from "./log-feed.ts";
import { type LogLines, LogReader } from "./log-reader.ts";

interface FollowOptions {
  readonly path: string;
  readonly feed: LogFeed;
  /** Whether nothing will be written any more. */
  readonly isOver: () => boolean;
  /** So many lines are passed over. */
  readonly after: number;
  readonly signal?: AbortSignal;
}

/** The lines of a log, and then each as soon as it is written, until nothing more will come. */
export async function* followLog(
  { path, feed, isOver, after, signal }: FollowOptions,
): AsyncGenerator<LogLines> {
  using reader = new LogReader(path);
  using news = feed.subscribe(path, signal);
  news.hasGrown = () => reader.hasGrown();
  while (!signal?.aborted) {
    // Asked before reading: what is written between the two is then read in the next round.
    const wasOver = isOver();
    if (reader.lineCount < after && reader.skip(after)) {
      await nextTurn();
      continue;
    }
    const lines = reader.read({ isLast: wasOver });
    if (lines) {
      // Of a log that ends in half a line, that line may be one that is passed over.
      if (lines.first > after) yield lines;
    } else if (wasOver) {
      return;
    } else {
      await news.next();
    }
  }
}

/** How many whole lines a log has now. */
export async function countLines(path: string): Promise<number> {
  using reader = new LogReader(path);
  while (reader.skip()) await nextTurn();
  return reader.lineCount;
}
