import { expect, test } from "bun:test";
import { bashScript } from "../../src/surface/completion-bash.ts";

/** What a real bash offers at the end of `line`, when `gpu complete` answers with `answer`. */
function offered(line: string, answer: string, wordBreaks = " \t\n:="): { asked: string; offered: string[] } {
  const script = `
    gpu() { printf '%s|' "$@" >&2; printf '%s' "$ANSWER"; }
    ${bashScript.replace("2>/dev/null", "")}
    COMP_WORDBREAKS=$BREAKS COMP_LINE=$LINE COMP_POINT=\${#LINE}
    _gpu
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = Bun.spawnSync(["bash", "--norc", "-c", script], {
    env: { LINE: line, ANSWER: answer, BREAKS: wordBreaks },
  });
  return { asked: stderr.toString(), offered: stdout.toString().trim().split("\n") };
}

test("the words of the line are asked, the last one empty after a blank", () => {
  expect(offered("gpu tunnel ", "start\tOpen\nstop\tClose\n:4\n")).toEqual({
    asked: "complete|--|tunnel||",
    offered: ["start", "stop"],
  });
  expect(offered("gpu sta", "start\tRent\n:4\n").asked).toBe("complete|--|sta|");
});

test("what stands before a colon is not offered twice", () => {
  expect(offered("gpu tunnel start -L 0:c", "0:ci\t\n:4\n").offered).toEqual(["ci"]);
});

test("nor what stands before an @, where bash takes it for the name of a host", () => {
  const answer = "@test-on-gpu\t\n@train\t\n:0\n";
  expect(offered("gpu run @t", answer, "@:=").offered).toEqual(["test-on-gpu", "train"]);
  expect(offered("gpu run @t", answer, ":=").offered).toEqual(["@test-on-gpu", "@train"]);
});

test("without candidates files are offered where the answer says so", () => {
  expect(offered("gpu run /etc/hostn", ":0\n").offered).toEqual(["/etc/hostname"]);
  expect(offered("gpu stop x", ":4\n").offered).toEqual([""]);
});
