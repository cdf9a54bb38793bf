# updates.sh - the update repository of the demonstration, and an endpoint that follows it.  Sourced
# by run.sh.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables

# Three holders of root and targets, of whom two must sign; one key of rules, one online.
found_repository() {
    local repo=$VAR/updates name file
    local -A pub
    mkdir -p "$repo"
    for name in holder-1 holder-2 holder-3 rules online; do
        person_key "updates-$name"
        pub[$name]=$PUB
    done
    cat >"$repo/keys.yaml" <<YAML
format: update-keys/v1
root:      {threshold: 2, expires: 365d, keys: ["${pub[holder-1]}", "${pub[holder-2]}", "${pub[holder-3]}"]}
targets:   {threshold: 2, expires: 365d, keys: ["${pub[holder-1]}", "${pub[holder-2]}", "${pub[holder-3]}"]}
rules:     {threshold: 1, expires: 30d, keys: ["${pub[rules]}"]}
snapshot:  {threshold: 1, expires: 7d, keys: ["${pub[online]}"]}
timestamp: {threshold: 1, expires: 1d, keys: ["${pub[online]}"]}
YAML
    quietly repository plan "$repo"
    for file in root targets; do
        for name in holder-1 holder-3; do
            quietly repository sign "$repo/pending/$file.json" --key "$VAR/people/updates-$name.pem"
        done
    done
    publish_repository
}

publish_repository() {
    quietly repository publish "$VAR/updates" --snapshot "$VAR/people/updates-online.pem" \
        --timestamp "$VAR/people/updates-online.pem"
}

# serve_release N: for clients, and both ledgers say what they are given
serve_release() {
    local log
    does 0 repository add "$VAR/updates" "$VAR/corpus/release-$1" --ledger "$VAR/zrh1/ledger" \
        --trust "$VAR/trust.yaml" --key "$VAR/people/updates-rules.pem"
    publish_repository
    log=$(sed -n 's/^.*\(log\/[0-9]*\.repository\): .*/\1/p' <<<"$OUT")
    publish_rules "$VAR/updates/$log"
}

# The endpoint of a customer: it has the trust file and the first root, and nothing else of the vendor's.
endpoint_updates() {
    local -a root=()
    [ -e "$VAR/endpoint/metadata/root.json" ] || root=(--root "$VAR/updates/metadata/1.root.json")
    does 0 update "$VAR/updates" --dir "$VAR/endpoint" --trust "$VAR/trust.yaml" "${root[@]}"
}
