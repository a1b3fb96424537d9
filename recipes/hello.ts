import { recipe, z } from "gpu";

export default recipe({
  summary: "Say hello",
  input: z.object({
    name: z.string().default("world").meta({ positional: true, description: "whom to greet" }),
  }),
  run({ name }) {
    return `Hello, ${name}`;
  },
});
