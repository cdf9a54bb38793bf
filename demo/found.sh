# found.sh - keys, documents and configurations of the demonstration, made anew for each run.
# Sourced by run.sh.  In real life no machine holds all of this: every key lives with its owner.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# --- people: eight persons, as numbered below, and two root keys ---
#   0 registrar, statements   1 registrar, mover, writes rules   2 writes policies
#   3 approves policies and releases of rules         4 as 3, mover; of the partner
#   5 as 3, with two keys
#   6 as 3, with a key that was revoked yesterday     7 approved policies until yesterday

# person_key NAME: makes the key people/NAME.pem.  Sets PUB, and KEYID[NAME].
person_key() {
    quietly people key "$VAR/people/$1.pem"
    PUB=$(sed -n 's/^public key //p' <<<"$OUT")
    KEYID[$1]=$(sed -n 's/^keyid //p' <<<"$OUT")
}

make_people() {
    local i
    declare -gA KEYID
    mkdir -p "$VAR/people"
    PERSON=() KEY=()
    for i in 0 1 2 3 4 5 6 7; do
        quietly people id
        PERSON[i]=$OUT
        person_key "person-$i"
        KEY[i]=$PUB
    done
    person_key person-5-second
    SECOND_KEY=$PUB
    quietly people id
    VENDOR=$OUT
    quietly people id
    PARTNER=$OUT
    ROOT_KEY=()
    for i in 0 1; do
        person_key "root-$i"
        ROOT_KEY[i]=$PUB
    done
}

# person N ORG KEY-MORE ROLE-MORE ROLE...
person() {
    local n=$1 org=$2 key_more=$3 role_more=$4 role
    shift 4
    printf '  - id: "%s"\n    org: "%s"\n    keys:\n' "${PERSON[n]}" "$org"
    printf '      - {key: "%s", from: %s%s}\n' "${KEY[n]}" "$MONTH_AGO" "$key_more"
    [ "$n" -ne 5 ] || printf '      - {key: "%s", from: %s}\n' "$SECOND_KEY" "$MONTH_AGO"
    printf '    roles:\n'
    for role; do
        printf '      - {role: %s, from: %s%s}\n' "$role" "$MONTH_AGO" "$role_more"
    done
}

register_yaml() {
    local yesterday
    MONTH_AGO=$(date -u -d '30 days ago' +%Y-%m-%dT00:00Z)
    yesterday=$(date -u -d yesterday +%Y-%m-%dT00:00Z)
    cat <<YAML
format: register/v1
serial: 1
previous: none
approvals:
  register:  {role: registrar, persons: 2}
  policy:    {role: policy, persons: 2}
  statement: {role: statement, persons: 1}
  move:      {role: mover, persons: 2}
  change:    {role: author, persons: 1}
  release:   {role: release, persons: 2}
  override:  {role: release, persons: 2}
  product:   {role: supervisor, persons: 2}
organizations:
  - {id: "$VENDOR", kind: vendor}
  - {id: "$PARTNER", kind: partner}
persons:
YAML
    person 0 "$VENDOR" '' '' registrar statement
    person 1 "$VENDOR" '' '' registrar mover author release
    person 2 "$VENDOR" '' '' policy
    person 3 "$VENDOR" '' '' policy release supervisor
    person 4 "$PARTNER" '' '' policy mover release supervisor
    person 5 "$VENDOR" '' '' policy release supervisor
    person 6 "$VENDOR" ", revoked: $yesterday" '' policy release supervisor
    person 7 "$VENDOR" '' ", until: $yesterday" policy release supervisor
}

statement_yaml() {
    cat <<'YAML'
format: statement/v1
language: en
scopes: [file]
erase_within: 30d
retention: 365d
text: |
  Your file is kept encrypted in the zone that the residency policy names for the country you
  declare, and scanned there.  Nobody but you learns its name from the ledger.  You can withdraw
  your consent at any time; the file is then erased, and the receipt says by when that is final.
YAML
}

# --- sites ---

# uids_of FIRST: as root every part of a site is its own user, unknown to /etc/passwd
uids_of() {
    [ "$(id -u)" -eq 0 ] || return 0
    printf 'run_as: {front: %d, keeper: %d, signer: %d, courier: %d, reader: %d, engine: %d}\n' \
        "$1" "$(($1 + 1))" "$(($1 + 2))" "$(($1 + 3))" "$(($1 + 4))" "$(($1 + 5))"
}

# site_yaml SITE ZONE PORT FIRST-UID
site_yaml() {
    local cc
    cat <<YAML
format: site/v1
site: $1
zone: $2
origin: $1.example/ledger
url: http://127.0.0.1:$3
listen: 127.0.0.1:$3
data: $1
admin: $RUN/$1.sock
keys: {ledger: keys/log-$1.pem, epochs: keys/$1-epochs, move: keys/$1-move.key}
roots: {threshold: 2, keys: ["${ROOT_KEY[0]}", "${ROOT_KEY[1]}"]}
quorum: |
  witness w1 $WITNESS_VKEY http://127.0.0.1:$WITNESS_PORT
  quorum w1
epoch: 1h
inventory: 1h
engines:
  - {name: walk, program: $BUILD/engines/walk/glarus-engine-walk}
  - {name: yara, program: $BUILD/engines/yara/glarus-engine-yara}
  - {name: clamav, program: $BUILD/engines/clamav/glarus-engine-clamav}
scan: {rules: rules}
YAML
    uids_of "$4"
    echo submitters:
    for cc in $COUNTRIES; do
        printf '  - {name: user-%s, token_sha256: "%s", countries: ["%s"]}\n' "$cc" \
            "$(printf %s "${TOKEN[$cc]}" | sha256sum | cut -d' ' -f1)" "$cc"
    done
}

# peer_yaml SITE ZONE PORT: what its peer is told of it
peer_yaml() {
    cat <<YAML
peers:
  - site: $1
    zone: $2
    url: http://127.0.0.1:$3
    move_key: "${MOVE_KEY[$1]}"
    policy: |
      log $(cat "$VAR/$1/ledger.vkey")
      witness w1 $WITNESS_VKEY
      quorum w1
YAML
}

trust_yaml() {
    cat <<YAML
format: trust/v1
expires: $(date -u -d '1 year' +%Y-%m-%dT00:00Z)
tolerance: 180s
policy: |
  log $(cat "$VAR/zrh1/ledger.vkey")
  log $(cat "$VAR/mow1/ledger.vkey")
  witness w1 $WITNESS_VKEY
  quorum w1
sites:
  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}
  - {site: mow1, zone: RU, origin: mow1.example/ledger}
roots: {threshold: 2, keys: ["${ROOT_KEY[0]}", "${ROOT_KEY[1]}"]}
outsiders: [w1]
YAML
}
