import { GpuError } from "../errors.ts";

/** Something that only a person knows. */
export interface PersonQuestion {
  readonly text: string;
  readonly isSecret: boolean;
}

/** The background process has nobody to ask: who asked for its work is to ask, and to come again with the answer. */
export class UnansweredError extends GpuError {
  override name = "UnansweredError";
  readonly question: PersonQuestion;

  constructor(question: PersonQuestion) {
    super(`nobody can be asked here: ${question.text}`, {
      hint: "`ssh-add` gives a key to your SSH agent, which is asked; a password needs a terminal",
    });
    this.question = question;
  }
}
