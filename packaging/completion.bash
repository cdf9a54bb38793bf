# bash completion of glarus; tests/cli/commands.sh sees that no command is missing.
_glarus() {
    local cur=${COMP_WORDS[COMP_CWORD]} words=
    case $COMP_CWORD in
    1) words="site submit trace lookup withdraw erase receipt policy statement people rules repository update verdict relocate audit betray ledger compare assemble help --version" ;;
    2)
        case ${COMP_WORDS[1]} in
        site) words="init run status turn-epoch inventory scrub backup restore confirm-clock rebuild" ;;
        receipt) words="verify redact unpack" ;;
        policy) words="check explain diff sign publish" ;;
        statement) words="sign publish withdraw" ;;
        people) words="key id check diff sign publish" ;;
        rules) words="check test diff dispute explain propose release override sign publish" ;;
        repository) words="plan sign add add-product publish" ;;
        verdict) words="replay publish" ;;
        assemble) words="recipe sign-recipe lock build rebuild product sign publish bundle attest transplant signed" ;;
        relocate) words="plan sign run" ;;
        ledger) words="check prove witness" ;;
        esac
        ;;
    esac
    case $cur in
    -*) words=$("${COMP_WORDS[0]}" "${COMP_WORDS[@]:1:2}" --help 2>/dev/null |
        grep -o -e '--[a-z-]*' | sort -u) ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _glarus glarus
