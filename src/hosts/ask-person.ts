import type { Context } from "../command.ts";
import type { AskPerson } from "../ssh/login.ts";
import { askInTurn, askSecret, askText, canAsk } from "../terminal/ask.ts";

/** Puts what a login wants to know to the person at the terminal; undefined where there is none. */
export function personAt(context: Context): AskPerson | undefined {
  const { world: { terminal }, signal, progress } = context;
  if (!canAsk(terminal)) return undefined;
  return ({ text, isSecret }) => {
    progress(undefined);
    const question = { question: text, flag: "--identity", signal };
    return askInTurn(
      context,
      () => isSecret ? askSecret(terminal, { ...question, isExact: true }) : askText(terminal, question),
    );
  };
}
