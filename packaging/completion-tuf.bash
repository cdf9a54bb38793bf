# bash completion of glarus-tuf.
_glarus_tuf() {
    local cur=${COMP_WORDS[COMP_CWORD]} words="init refresh download"
    case $cur in
    -*) words=$("${COMP_WORDS[0]}" --help 2>/dev/null | grep -o -e '--[a-z-]*' | sort -u) ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _glarus_tuf glarus-tuf
