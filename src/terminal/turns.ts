/** Runs pieces of work one after the other: the first at once, each later one when those before it are over. */
export function openTurns(): (work: () => Promise<void>) => Promise<void> {
  let running: Promise<void> | undefined;
  return (work) => {
    const turn = running === undefined ? work() : running.then(work);
    const over = turn.catch(() => {}).finally(() => {
      if (running === over) running = undefined;
    });
    running = over;
    return turn;
  };
}
