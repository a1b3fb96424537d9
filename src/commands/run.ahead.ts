import type { CommandEntry } from "../command.ts";

const ahead: NonNullable<CommandEntry["ahead"]> = async (argv, { world, signal }) => {
  const { beginCheck } = await import("../recipe/ahead.ts");
  return await beginCheck(argv, world, signal);
};

export default ahead;
