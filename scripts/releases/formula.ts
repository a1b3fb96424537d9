import { archiveName, type Platform, platforms } from "./platforms.ts";

export interface FormulaParts {
  readonly version: string;
  /** Where the files of this version are, without a slash at the end. */
  readonly url: string;
  readonly sha256: (file: string) => string;
}

/** A formula of Homebrew for macOS and Linux. */
export function formulaOf({ version, url, sha256 }: FormulaParts): string {
  const forArch = (os: Platform["os"], arch: Platform["arch"]) => {
    const platform = platforms.find((each) => each.os === os && each.arch === arch && each.libc !== "musl");
    if (platform === undefined) throw new Error(`there is no executable for ${os} on ${arch}`);
    const file = archiveName(platform);
    return [
      `    on_${arch === "x64" ? "intel" : "arm"} do`,
      `      url "${url}/${file}"`,
      `      sha256 "${sha256(file)}"`,
      "    end",
    ];
  };
  const forSystem = (system: string, os: Platform["os"]) => [
    `  on_${system} do`,
    ...forArch(os, "arm64"),
    ...forArch(os, "x64"),
    "  end",
  ];
  return [
    "class Gpu < Formula",
    '  desc "Rent a GPU, run work on it, and make sure it is given back"',
    `  homepage "${url}"`,
    `  version "${version}"`,
    '  license "MIT"',
    "",
    ...forSystem("macos", "darwin"),
    "",
    ...forSystem("linux", "linux"),
    "",
    "  def install",
    '    bin.install "gpu"',
    '    generate_completions_from_executable(bin/"gpu", "completion")',
    "  end",
    "",
    "  test do",
    '    assert_match version.to_s, shell_output("#{bin}/gpu --version")',
    "  end",
    "end",
    "",
  ].join("\n");
}
