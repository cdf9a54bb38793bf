#!/bin/sh
# commands.sh GLARUS ROOT: every command of the table explains itself with an example, stands in the
# manual and in the completion; what is no command is refused.
set -eu
glarus=$1 root=$2 rc=0 n=0
list=$(mktemp)
trap 'rm -f "$list"' EXIT
"$glarus" help | sed -n 's/^  \([a-z][a-z -]*[a-z]\)  .*/\1/p' >"$list"
while read -r words; do
    n=$((n + 1))
    # shellcheck disable=SC2086 # words are several
    help=$("$glarus" $words --help) || { echo "$words --help: exit $?"; rc=1; }
    case $help in
    *"Example: glarus $words"*) ;;
    *) echo "$words: no example"; rc=1 ;;
    esac
    grep -qx "\.It Cm $words" "$root/docs/man/glarus.1" || { echo "$words: not in glarus.1"; rc=1; }
    for word in $words; do
        grep -qw -e "$word" "$root/packaging/completion.bash" || { echo "$words: no completion"; rc=1; }
    done
    code=0
    # shellcheck disable=SC2086
    "$glarus" $words --no-such-option >/dev/null 2>&1 || code=$?
    [ $code -eq 2 ] || { echo "$words: an unknown option gives exit $code"; rc=1; }
done <"$list"
[ $n -ge 37 ] || { echo "only $n commands"; rc=1; }
code=0
"$glarus" fly >/dev/null 2>&1 || code=$?
[ $code -eq 2 ] || { echo "an unknown command gives exit $code"; rc=1; }
exit $rc
