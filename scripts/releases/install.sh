#!/bin/sh
# Installs gpu for this user, without asking anything: curl -fsSL @url@/latest/install.sh | sh
# Flags stand behind `| sh -s --`; `--help` says which.
set -eu

place=${GPU_RELEASE_URL:-@url@}
# What SHA256SUMS must be signed with; empty where this release was not signed.
key='@key@'

say() { printf '%s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}
warn() { printf 'warning: %s\n' "$1" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
# The first where it is a folder as gpu itself takes one, which is absolute; otherwise the second.
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$2" ;; esac; }

usage() {
  cat <<END
Installs gpu for this user, without asking anything: curl -fsSL $place/latest/install.sh | sh

  --to DIR         where the executable goes (~/.local/bin)
  --version V      this release, not the newest
  --links          also answer to \`ci\` and \`gpu-session\`
  --no-completion  leave out what completes names in your shell
  --uninstall      take away what was installed; with \`--purge\` settings, journal and cache too

Flags stand behind two dashes: curl -fsSL $place/latest/install.sh | sh -s -- --links
END
}

# All of it is read before any of it runs: a download that is cut off does nothing.
main() {
  case ${HOME:-} in
    /*) ;;
    *) fail "\`HOME\` is \"${HOME:-}\", which is no absolute path" 'set it to your home folder' ;;
  esac
  # Whatever else may be done with new files here: their owner reads and writes them, and nobody else writes them.
  umask u=rwx,go-w
  to=$HOME/.local/bin version=latest links=no completion=yes action=install purge=no
  while [ $# -gt 0 ]; do
    case $1 in
      --to)
        [ $# -gt 1 ] || fail "\`--to\` needs a folder"
        to=$2
        shift
        ;;
      --to=*) to=${1#--to=} ;;
      --version)
        [ $# -gt 1 ] || fail "\`--version\` needs a version"
        version=v${2#v}
        shift
        ;;
      --version=*) version=${1#--version=} && version=v${version#v} ;;
      --links) links=yes ;;
      --no-completion) completion=no ;;
      --uninstall) action=uninstall ;;
      --purge) purge=yes ;;
      -h | --help)
        usage
        return
        ;;
      *) fail "there is no flag \`$1\`" "\`--help\` lists what there is" ;;
    esac
    shift
  done
  [ -n "$to" ] || fail "\`--to\` needs a folder"
  case $to in /*) ;; *) to=$PWD/$to ;; esac
  case $to in /) ;; *) to=${to%/} ;; esac
  [ "$purge" = no ] || [ "$action" = uninstall ] || fail "\`--purge\` goes with \`--uninstall\`" 'nothing was changed'
  url=$place/$version
  data=$(absolute "${XDG_DATA_HOME:-}" "$HOME/.local/share")
  if [ "$action" = uninstall ]; then uninstall; else install; fi
}

install() {
  platform=$(platform)
  # A rename would put it into that folder.
  [ ! -d "$to/gpu" ] || fail "\`$to/gpu\` is a folder" "\`--to\` names another place"
  mkdir -p "$to" || fail "cannot make the folder \`$to\`" "\`--to\` names another one"
  # In the folder itself, so that the last step is a rename, and a full disk is met before anything is replaced.
  work=$(mktemp -d "$to/.gpu-install.XXXXXX") || fail "cannot write into \`$to\`" "\`--to\` names another one"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 131' QUIT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM HUP

  bar=
  fetch SHA256SUMS
  verify_signature
  if has xz && has tar; then
    file=gpu-$platform.tar.xz
  else
    file=gpu-$platform
  fi
  listed=$(awk -v file="$file" '$2 == file { print $1 }' "$work/SHA256SUMS")
  [ -n "$listed" ] || fail "this release has no \`$file\`" "$url/SHA256SUMS lists what it has"
  say "downloading $url/$file"
  # It takes a while where the line is slow, and somebody may be looking.
  [ ! -t 2 ] || bar=--progress-bar
  fetch "$file"
  [ "$(sha256 "$work/$file")" = "$listed" ] ||
    fail "what was downloaded is not what was released: the checksum of \`$file\` is wrong" 'try again; nothing was installed'
  case $file in
    *.tar.xz)
      # Not with -C: tar takes a backslash in it for more than that.
      xz -dc "$work/$file" | (cd "$work" && tar -xf - gpu) || fail "cannot unpack \`$file\` in \`$to\`" 'is there space left?'
      ;;
    *) mv "$work/$file" "$work/gpu" ;;
  esac
  chmod 755 "$work/gpu"
  installed=$("$work/gpu" --version 2>&1) || fail "the executable does not start here: $installed" 'nothing was installed'
  # What was signed once is right for ever, and whoever answers may give another one than was asked for.
  [ "$version" = latest ] || [ "$installed" = "gpu ${version#v}" ] ||
    fail "what is at $url is $installed" 'nothing was installed; do not trust this server'
  previous=
  [ ! -x "$to/gpu" ] || previous=$("$to/gpu" --version 2>/dev/null || true)
  mv -f "$work/gpu" "$to/gpu"

  say "installed $installed as $to/gpu${previous:+, in the place of $previous}"
  [ "$links" = no ] || link ci
  [ "$links" = no ] || link gpu-session
  [ "$completion" = no ] || complete_names
  case :$PATH: in
    *:"$to":* | *:"$to/":*)
      first=$(command -v gpu || true)
      case $first in
        "$to/gpu" | "$to//gpu") ;;
        *) say "\`gpu\` is still $first: it comes before $to on your PATH" ;;
      esac
      ;;
    *) say "$to is not on your PATH; add it: export PATH=$(quoted "$to"):\"\$PATH\"" ;;
  esac
  get='curl -fsSL'
  has curl || get='wget -qO-'
  say "to undo: $get $place/latest/install.sh | sh -s -- --uninstall$([ "$to" = "$HOME/.local/bin" ] || printf ' --to %s' "$(quoted "$to")")"
  say 'next: gpu start'
}

# As the files of a release are called: linux-x64-musl.
platform() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "there is no executable for $(uname -s)" "$url lists what there is; on Windows, install.ps1" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no executable for the processor $(uname -m)" "$url lists what there is" ;;
  esac
  # A shell that is translated says the wrong processor.
  if [ "$os" = darwin ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || true)" = 1 ]; then arch=arm64; fi
  libc=
  if [ "$os" = linux ] && is_musl; then libc=-musl; fi
  printf '%s' "$os-$arch$libc"
}

is_musl() {
  for loader in /lib/ld-musl-*.so.1; do
    [ -e "$loader" ] || continue
    # Debian may have musl beside its own.
    [ -e /lib64/ld-linux-x86-64.so.2 ] || [ -e /lib/ld-linux-aarch64.so.1 ] || return 0
  done
  return 1
}

# Downloads a file of the release into the folder of this installation.
fetch() {
  protocols=http,https
  case $url in https://*) protocols=https ;; esac
  : >"$work/error"
  if has curl && [ -n "$bar" ]; then
    by_curl "$bar" "$1" && return
  elif has curl; then
    by_curl -s "$1" 2>"$work/error" && return
  elif has wget; then
    limited wget -nv -T 20 -t 3 -O "$work/$1" "$url/$1" 2>"$work/error" && return
  else
    fail 'this needs curl or wget, and there is neither' "download $url/$1 by other means"
  fi
  why=$(tail -n 1 "$work/error")
  case "$1 $version $why" in
    'SHA256SUMS latest '*) ;;
    'SHA256SUMS '*404*) fail "there is no release ${version#v} at $place" "without \`--version\` the newest is installed" ;;
  esac
  fail "cannot download $url/$1${why:+: $why}" 'nothing was installed'
}

by_curl() {
  limited curl -fSL "$1" --proto-redir "=$protocols" --retry 2 --connect-timeout 20 --speed-limit 1000 --speed-time 30 \
    -o "$work/$2" "$url/$2"
}

# Runs what may write a file of 1 GiB and no more: a server that never ends would fill the disk.
limited() (
  ulimit -f 2097152 2>/dev/null || true
  exec "$@"
)

# Without the name: where that has a backslash or a line break, they put a backslash before the checksum.
sha256() {
  if has sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif has shasum; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  elif has openssl; then
    openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1
  else
    fail 'nothing here can check a checksum (sha256sum, shasum, openssl)' 'nothing was installed'
  fi
}

verify_signature() {
  if [ -z "$key" ]; then
    say 'this release is not signed; its checksums come from where it comes from'
    return
  fi
  if ! has ssh-keygen; then
    say 'the signature was not checked: there is no ssh-keygen; the checksums are'
    return
  fi
  fetch SHA256SUMS.sig
  printf 'gpu %s\n' "$key" >"$work/signers"
  ssh-keygen -Y verify -f "$work/signers" -I gpu -n gpu-release -s "$work/SHA256SUMS.sig" <"$work/SHA256SUMS" >"$work/error" 2>&1 ||
    fail "the signature of the checksums is wrong: $(tail -n 1 "$work/error")" 'nothing was installed; do not trust this server'
  say 'the signature is right'
}

# As a shell reads it back.
quoted() {
  case $1 in *[!A-Za-z0-9_./~+-]*) ;; *) printf '%s' "$1" && return ;; esac
  rest=$1 before=
  while :; do
    case $rest in *\'*) ;; *) break ;; esac
    before=$before${rest%%\'*}"'\\''"
    rest=${rest#*\'}
  done
  printf "'%s'" "$before$rest"
}

link() {
  if [ -e "$to/$1" ] && [ ! -L "$to/$1" ]; then
    say "$to/$1 is there already and is not ours: no link was made"
    return
  fi
  ln -sf gpu "$to/$1"
  say "linked $to/$1"
}

completion_file() {
  case $1 in
    bash) printf '%s' "$data/bash-completion/completions/gpu" ;;
    zsh) printf '%s' "$data/zsh/site-functions/_gpu" ;;
    fish) printf '%s' "$(absolute "${XDG_CONFIG_HOME:-}" "$HOME/.config")/fish/completions/gpu.fish" ;;
  esac
}

complete_names() {
  shell=$(basename "${SHELL:-sh}")
  file=$(completion_file "$shell")
  [ -n "$file" ] || return 0
  if ! { "$to/gpu" completion "$shell" >"$work/completion" && mkdir -p "$(dirname "$file")" && cat "$work/completion" >"$file"; } 2>/dev/null; then
    warn "cannot write \`$file\`; Tab completes nothing yet"
    return 0
  fi
  say "Tab completes in new shells: $file"
  [ "$shell" != bash ] || has_bash_completion || say "there is no package bash-completion here; without it, in ~/.bashrc: . $file"
  [ "$shell" != zsh ] || say "for zsh, before compinit in ~/.zshrc: fpath+=$(dirname "$file")"
}

# What loads the files of that folder.
has_bash_completion() {
  for prefix in /usr /usr/local /opt/homebrew; do
    [ ! -e "$prefix/share/bash-completion/bash_completion" ] || return 0
  done
  return 1
}

uninstall() {
  config=$HOME/.config state=$HOME/.local/state cache=$HOME/.cache
  if [ "$(uname -s)" = Darwin ]; then
    config="$HOME/Library/Application Support" cache=$HOME/Library/Caches
    state=$config
  fi
  removed=no
  # One that never ran has nothing rented, and would begin its journal to say so.
  if [ -x "$to/gpu" ] && [ ! -d "$to/gpu" ] &&
    { [ -d "$state/gpu" ] || [ -d "$(absolute "${XDG_STATE_HOME:-}" "$state")/gpu" ]; }; then
    # What is rented goes on costing money when nobody is there to stop it.
    known=yes
    answer=$("$to/gpu" status --json 2>&1) || known=no
    rented=$(printf '%s\n' "$answer" | grep -c '"id":' || true)
    [ "${rented:-0}" = 0 ] || fail "something is still rented ($rented)" 'first: gpu stop --all'
    case $answer in *'could not be asked'*) known=no ;; esac
    [ "$known" = yes ] ||
      fail "cannot tell whether something is rented: $(printf '%s\n' "$answer" | tail -n 1)" "where nothing is: rm $(quoted "$to/gpu"), and this again"
    "$to/gpu" tunnel stop --all --yes >/dev/null 2>&1 || true
  fi
  for name in ci gpu-session; do
    [ ! -L "$to/$name" ] || [ "$(readlink "$to/$name")" != gpu ] || remove "$to/$name"
  done
  for shell in bash zsh fish; do remove_file "$(completion_file $shell)"; done
  for file in "$to/gpu" "$to/gpu.previous"; do remove_file "$file"; done
  # Of one that was killed.
  for folder in "$to"/.gpu-install.* "$to"/.gpu-upgrade-*; do remove "$folder"; done
  [ "$removed" = yes ] || say "there is no gpu in $to"
  seen=
  for folder in "$(absolute "${XDG_CONFIG_HOME:-}" "$config")/gpu" "$(absolute "${XDG_STATE_HOME:-}" "$state")/gpu" \
    "$(absolute "${XDG_CACHE_HOME:-}" "$cache")/gpu"; do
    if [ ! -d "$folder" ] || [ "$folder" = "$seen" ]; then continue; fi
    seen=$folder
    if [ "$purge" = yes ]; then remove "$folder"; else say "left: $folder (\`--purge\` removes it)"; fi
  done
  # What was made for it goes too, where it is empty.
  case $to in "$HOME"/*) rmdir "$to" 2>/dev/null || true ;; esac
  for folder in "$data/bash-completion/completions" "$data/bash-completion" "$data/zsh/site-functions" "$data/zsh" "$data" \
    "$HOME/.local/state" "$HOME/.config/fish/completions" "$HOME/.config/fish" "$HOME/.config" "$HOME/.cache" "$HOME/.local"; do
    rmdir "$folder" 2>/dev/null || true
  done
}

# A folder of that name is somebody else's.
remove_file() {
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    say "left: $1 is a folder"
  else
    remove "$1"
  fi
}

remove() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  rm -rf "$1" && removed=yes && say "removed $1"
}

main "$@"
