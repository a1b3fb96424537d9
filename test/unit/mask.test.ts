import { expect, test } from "bun:test";
import { Mask, maskedWriter, maskOf } from "../../src/recipe/masked.ts";
import { fakeSink } from "../fake/sink.ts";
import { fakeTerminal } from "../fake/terminal.ts";

const secret = 's3cret/+"value"';

function maskWith(...secrets: readonly string[]): Mask {
  const mask = new Mask();
  for (const each of secrets) mask.add(each);
  return mask;
}

test("a secret is stars, however programs write it", () => {
  const mask = maskWith(secret);
  expect(mask.text(`token ${secret}.`)).toBe("token ********.");
  expect(mask.text(JSON.stringify({ secret }))).toBe('{"secret":"********"}');
  expect(mask.text(`?key=${encodeURIComponent(secret)}&x`)).toBe("?key=********&x");
  for (const before of ["", "u", "us", "usr:"]) {
    const basic = Buffer.from(`${before}${secret}${before}`).toString("base64");
    expect(mask.text(`Basic ${basic}`)).toContain("********");
    expect(Buffer.from(mask.text(basic).replaceAll("*", ""), "base64").toString()).not.toContain("s3cret");
  }
  expect(maskWith("-----BEGIN\nMIIEvQIBADANBgkq\n-----END").text("key: MIIEvQIBADANBgkq")).toBe("key: ********");
});

test("text without a secret stays as it is, with all its bytes", () => {
  const bytes = Uint8Array.from({ length: 512 }, (_, i) => i % 256);
  const stream = maskWith(secret).stream();
  expect(Buffer.concat([stream.push(bytes), stream.end()])).toEqual(Buffer.from(bytes));
  expect(new Mask().text("é ü 日本")).toBe("é ü 日本");
  expect(maskWith("日本語のひみつ").text("a 日本語のひみつ b")).toBe("a ******** b");
  // It would be found in every word.
  expect(maskWith("ab").text("cab")).toBe("cab");
});

test("a secret is found wherever it is cut, and what cannot be one is not held back", () => {
  const text = `one s3c two ${secret} three ${secret}${secret}s3cr`;
  const whole = maskWith(secret).text(text);
  for (let size = 1; size < text.length; size++) {
    const stream = maskWith(secret).stream();
    let out = "";
    for (let at = 0; at < text.length; at += size) {
      out += new TextDecoder().decode(stream.push(Buffer.from(text.slice(at, at + size))));
    }
    expect(out + new TextDecoder().decode(stream.end())).toBe(whole);
  }
  const stream = maskWith(secret).stream();
  expect(new TextDecoder().decode(stream.push(Buffer.from("50 % done s3")))).toBe("50 % done ");
  expect(new TextDecoder().decode(stream.push(Buffer.from("!")))).toBe("s3!");
});

test("of two secrets where one is the beginning of the other nothing is left", () => {
  const secrets = ["abcdef", "abcdefghij", "xabcde"];
  for (const text of ["abcdefghij", "abcdefgh", "xabcdefghij", "abcdefabcdefghijxabcde"]) {
    const whole = maskWith(...secrets).text(text);
    for (let size = 1; size <= text.length; size++) {
      const stream = maskWith(...secrets).stream();
      let out = "";
      for (let at = 0; at < text.length; at += size) out += stream.push(Buffer.from(text.slice(at, at + size)));
      expect(out + stream.end()).toBe(whole);
    }
  }
});

test("a masked output writes what it held back when it ends", async () => {
  const sink = fakeSink({ isTTY: false });
  const mask = maskWith(secret);
  const masked = maskedWriter(sink, mask);
  await masked.write("now s3cret/");
  await masked.write('+"value" and s3');
  expect(sink.written).toBe("now ******** and ");
  await masked.flush();
  expect(sink.written).toBe("now ******** and s3");
});

test("all that prints on one terminal shares its secrets", () => {
  const terminal = fakeTerminal();
  maskOf(terminal).add(secret);
  expect(maskOf({ ...terminal }).text(secret)).toBe("********");
  expect(maskOf(fakeTerminal()).isEmpty).toBe(true);
});
