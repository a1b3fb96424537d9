/**
 * The script for bash. The library's own needs the package bash-completion, which macOS and small images lack; this one
 * asks nothing but bash 3.2. The answer's last line, `:N`, says what to offer when there is no candidate.
 */
export const bashScript = String.raw`# bash completion for gpu
_gpu() {
  local line=${"${COMP_LINE:0:COMP_POINT}"} current reply directive word prefix IFS=$' \t\n'
  local -a words
  read -r -a words <<<"$line"
  case $line in *[[:space:]]) words+=("") ;; esac
  current=${'"${words[${#words[@]}-1]}"'}
  COMPREPLY=()
  reply=$(gpu complete -- ${'"${words[@]:1}"'} 2>/dev/null) || return
  directive=${"${reply##*:}"}
  while IFS=$'\t' read -r word _; do
    case $word in :* | "") ;; *) COMPREPLY+=("$word") ;; esac
  done <<<"$reply"
  if [ ${"${#COMPREPLY[@]}"} -eq 0 ]; then
    IFS=$'\n'
    case $directive in
      0) COMPREPLY=($(compgen -f -- "$current")) ;;
      16) COMPREPLY=($(compgen -d -- "$current")) ;;
    esac
    return
  fi
  # bash takes what stands before a colon or an equals sign for a word of its own, and before an @ where it completes hosts.
  prefix=${'"${current%"${current##*[:=]}"}"'}
  case $COMP_WORDBREAKS in *@*) prefix=${'"${current%"${current##*[:=@]}"}"'} ;; esac
  [ -z "$prefix" ] || COMPREPLY=(${'"${COMPREPLY[@]#"$prefix"}"'})
}
complete -F _gpu gpu`;
