# acts.sh - the five acts, the board, and what stays on.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables

# --- act 1: founding ---

choose_ports() {
    UID_FIRST=61000
    PORT=$((20000 + $$ % 20000))
    next_port
    ZRH_PORT=$PORT
    next_port
    MOW_PORT=$PORT
    next_port
    WITNESS_PORT=$PORT
}

found_witness() {
    local uid=''
    [ "$(id -u)" -ne 0 ] || uid=$((UID_FIRST + 20))
    # an outsider keeps key and state where the sites' users cannot look
    mkdir -p "$RUN/witness"
    witness_yaml '' "$uid" >"$RUN/witness/witness.yaml"
    quietly ledger witness --config "$RUN/witness/witness.yaml" --init
    WITNESS_VKEY=$(grep -m1 + <<<"$OUT")
    echo "$WITNESS_VKEY" >"$VAR/witness.vkey"
    WITNESS_WHO="an outsider's: user $uid, whose key the sites' users cannot read"
    [ -n "$uid" ] || WITNESS_WHO="meant to be an outsider's (here it runs as you: other users take root)"
}

# witness_yaml LOGS UID
witness_yaml() {
    cat <<YAML
format: witness/v1
name: witness.example/w1
key: key.pem
state: state
listen: 127.0.0.1:$WITNESS_PORT
logs: [$1]
YAML
    [ -z "$2" ] || echo "run_as: $2"
}

found_sites() {
    local cc s
    declare -gA TOKEN MOVE_KEY
    for cc in $COUNTRIES; do
        TOKEN[$cc]=$(random_hex 24)
    done
    site_yaml zrh1 CH "$ZRH_PORT" "$UID_FIRST" >"$VAR/zrh1.yaml"
    site_yaml mow1 RU "$MOW_PORT" "$((UID_FIRST + 10))" >"$VAR/mow1.yaml"
    for s in zrh1 mow1; do
        quietly site init --config "$VAR/$s.yaml"
        MOVE_KEY[$s]=$(sed -n 's/^move_key //p' <<<"$OUT")
    done
    peer_yaml mow1 RU "$MOW_PORT" >>"$VAR/zrh1.yaml"
    peer_yaml zrh1 CH "$ZRH_PORT" >>"$VAR/mow1.yaml"
    trust_yaml >"$VAR/trust.yaml"
}

start_all() {
    local uid='' s
    [ "$(id -u)" -ne 0 ] || uid=$((UID_FIRST + 20))
    witness_yaml "\"$(cat "$VAR/zrh1/ledger.vkey")\", \"$(cat "$VAR/mow1/ledger.vkey")\"" "$uid" \
        >"$RUN/witness/witness.yaml"
    start witness "$GLARUS" ledger witness --config "$RUN/witness/witness.yaml"
    for s in $SITES; do
        start "$s" "$GLARUSD" --config "$VAR/$s.yaml"
    done
    for s in $SITES; do
        await 20 "$s starts" "$GLARUS" site status --config "$VAR/$s.yaml"
    done
}

sign_documents() {
    local d=$VAR/documents i
    register_yaml >"$d/register.yaml"
    for i in 0 1; do
        quietly people sign "$d/register.yaml$([ "$i" = 0 ] || echo .dsse)" --key "$VAR/people/root-$i.pem"
    done
    statement_yaml >"$d/statement.yaml"
    quietly statement sign "$d/statement.yaml" --key "$VAR/people/person-0.pem"
    STATEMENT=$(sha256sum "$d/statement.yaml.dsse" | cut -d' ' -f1)
    START=$(($(now) + 10))
    AUTHOR=${PERSON[2]} "$TOP/demo/policy.sh" scaled "$START" "$STEP" >"$d/policy.yaml"
    does 0 policy check "$d/policy.yaml"
    for i in 3 4; do
        quietly policy sign "$d/policy.yaml$([ "$i" = 3 ] || echo .dsse)" --key "$VAR/people/person-$i.pem"
    done
}

publish_documents() {
    local s d=$VAR/documents
    for s in $SITES; do
        does 0 people publish "$d/register.yaml.dsse" --config "$VAR/$s.yaml"
        does 0 policy publish "$d/policy.yaml.dsse" --config "$VAR/$s.yaml"
        does 0 statement publish "$d/statement.yaml.dsse" --config "$VAR/$s.yaml"
    done
}

# --- act 1: files arrive ---

# user_files: deals all samples, the marker and the programs to the users, one path a line
user_files() {
    local cc i=0 file
    local -a to
    read -r -a to <<<"$COUNTRIES"
    for cc in "${to[@]}"; do
        mkdir -p "$VAR/users/$cc/mine"
        : >"$VAR/users/$cc/files"
        # the EICAR test file, put together here so that no scanner takes this script for one
        # shellcheck disable=SC2016 # its dollars are its own
        printf '%s%s\n' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-' 'ANTIVIRUS-TEST-FILE!$H+H*' >"$VAR/users/$cc/mine/eicar.com"
        # one file that nobody else has
        printf 'The confidential report of a user in %s, %s\n' "$cc" "$(random_hex 16)" >"$VAR/users/$cc/mine/report.txt"
        printf '%s\n' "$VAR/users/$cc/mine/eicar.com" "$VAR/users/$cc/mine/report.txt" >>"$VAR/users/$cc/files"
    done
    while IFS= read -r file; do
        echo "$file" >>"$VAR/users/${to[i % ${#to[@]}]}/files"
        i=$((i + 1))
    done < <(find "$SAMPLES" -type f | sort)
    while IFS= read -r file; do
        echo "$file" >>"$VAR/users/${to[i % ${#to[@]}]}/files"
        i=$((i + 1))
    done < <(find /usr/bin -type f -perm -005 -size -400k | sort | head -n "$FILES")
}

# client_yaml CC
client_yaml() {
    cat <<YAML
format: client/v1
country: "$1"
token: "${TOKEN[$1]}"
secret: secret
statement: "$STATEMENT"
policy: ../../documents/policy.yaml.dsse
register: ../../documents/register.yaml.dsse
trust: ../../trust.yaml
receipts: ../../receipts
state: state
sites:
  - {site: zrh1, url: http://127.0.0.1:$ZRH_PORT}
  - {site: mow1, url: http://127.0.0.1:$MOW_PORT}
YAML
}

submit_all() {
    local cc
    local -a files
    for cc in $COUNTRIES; do
        mapfile -t files <"$VAR/users/$cc/files"
        shown glarus submit --config "$VAR/users/$cc/client.yaml" "(${#files[@]} files)"
        "$GLARUS" submit --wait 45 --config "$VAR/users/$cc/client.yaml" "${files[@]}" >"$VAR/log/submit-$cc.log" ||
            stop "the user in $cc could not submit everything; see log/submit-$cc.log"
        grep -E '^(accepted|receipts) ' "$VAR/log/submit-$cc.log" | indent
    done
    settle
}

# of CC FIELD VALUE: how many of the user's submissions have it in the client's state (its last line counts)
of() {
    awk -v f="$2" -v v="$3" '{last[$1] = $f} END {for (s in last) n += last[s] == v; print n + 0}' "$VAR/users/$1/state"
}

table() {
    local cc
    printf '  %s%-8s %6s %6s %6s   %10s %6s %11s%s\n' "$BOLD" country files zrh1 mow1 malicious clean incomplete "$PLAIN"
    for cc in $COUNTRIES; do
        printf '  %-8s %6d %6d %6d   %10d %6d %11d\n' "$cc" "$(wc -l <"$VAR/users/$cc/files")" \
            "$(accepted zrh1 "$cc")" "$(accepted mow1 "$cc")" \
            "$(of "$cc" 3 malicious)" "$(of "$cc" 3 clean)" "$(of "$cc" 3 incomplete)"
    done
}

# accepted SITE CC: counted in the ledger's files
accepted() {
    count "$1" "\"country\":\"$2\",\"kind\":\"submission.accepted\""
}

# Everything a user sent is at one site, and at that site only.
each_in_its_zone() {
    local cc n
    for cc in $COUNTRIES; do
        n=$(wc -l <"$VAR/users/$cc/files")
        case $cc in
        CH | DE) [ "$(accepted zrh1 "$cc")/$(accepted mow1 "$cc")" = "$n/0" ] || return 1 ;;
        *) [ "$(accepted zrh1 "$cc")/$(accepted mow1 "$cc")" = "0/$n" ] || return 1 ;;
        esac
    done
}

# answer PORT HEAD: the status of a request that sends only its head
answer() {
    local line
    exec 4<>"/dev/tcp/127.0.0.1/$1"
    printf '%b\r\n\r\n' "$2" >&4
    IFS= read -r -t 10 line <&4 || line=nothing
    exec 4>&-
    cut -d' ' -f2 <<<"$line"
}

# received PORT: bytes the site's front has read from sockets so far
received() {
    exec 4<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&4
    sed -n 's/^front_bytes_in_total \([0-9]*\).*/\1/p' <&4
    exec 4>&-
}

wrong_site() {
    local file=$VAR/users/KZ/mine/stays.bin before bytes
    say "A client in Kazakhstan insists on the wrong site, with a file of one MiB:"
    head -c 1048576 /dev/urandom >"$file"
    before=$(leaves zrh1 | grep -c submission.accepted)
    bytes=$(received "$ZRH_PORT")
    does 1 submit --config "$VAR/users/KZ/client.yaml" --site "http://127.0.0.1:$ZRH_PORT" "$file"
    bytes=$(($(received "$ZRH_PORT") - bytes))
    held "zrh1 accepted nothing, and read $bytes bytes from its sockets meanwhile" \
        test "$(leaves zrh1 | grep -c submission.accepted)/$((bytes < 4096))" = "$before/1"
    held "an upload without a ticket is refused at its head: 403, and nothing of its body was sent" \
        test "$(answer "$ZRH_PORT" "PUT /v1/submissions/$(random_hex 16)/content HTTP/1.1\\r\\nHost: zrh1\\r\\nContent-Type: application/octet-stream\\r\\nContent-Length: 1048576")" = 403
}

all_scanned() {
    local cc
    for cc in $COUNTRIES; do
        [ "$(of "$cc" 2 "done")" -eq "$(wc -l <"$VAR/users/$cc/files")" ] || return 1
    done
}

act_1() {
    choose_ports
    act "Act 1: files arrive, each in the zone of its country"
    make_people
    found_witness
    found_sites
    start_all
    say "Two sites run, zrh1 (zone CH) and mow1 (zone RU), and a witness that is $WITNESS_WHO." \
        "A register of eight persons, approved by two root keys, a residency policy approved by two of" \
        "them, and a consent statement go into both ledgers:"
    sign_documents
    publish_documents
    user_files
    local cc
    for cc in $COUNTRIES; do
        client_yaml "$cc" >"$VAR/users/$cc/client.yaml"
    done
    sleep_until "$START" "until the policy is in force"
    say "Users of six countries submit the EICAR test file, all of Debian's clamav-testfiles and $FILES" \
        "programs of /usr/bin:"
    submit_all
    table
    held "every file is final: cosigned by the witness, scanned, its receipt kept" all_scanned
    held "by the ledgers' leaves each country's files went to its zone, and nowhere else" each_in_its_zone
    wrong_site
}

# --- act 2: a country moves ---

# The steps of the timeline: their own dates and today's.
timeline() {
    local n=0 name from
    printf '  %-34s %-12s %s\n' 'step of the initiative' 'historical' "here, $STEP s a step"
    while IFS='|' read -r name from; do
        printf '  %-34s %-12s %s UTC\n' "$name" "$from" "$(stamp $((START + n * STEP)))"
        n=$((n + 1))
    done < <(sed -n 's/^  - {name: \(.*\), zone: .*, from: \(.*\), by: .*$/\1|\2/p' "$TOP/demo/relocation-timeline.yaml")
}

# inventory SITE CC: the count in the newest inventory leaf; a site without a file has none of it
inventory() {
    local n
    n=$(leaves "$1" | sed -n "s/.*\"count\":\([0-9]*\),\"country\":\"$2\",\"kind\":\"inventory\".*/\1/p" | tail -n 1)
    echo "${n:-0}"
}

# Is every leaf published?
settled() {
    "$GLARUS" site status --config "$VAR/$1.yaml" >"$RUN/status" &&
        [ "$(sed -n 's/^ledger \([0-9]*\) leaves, \([0-9]*\) published$/\1 \2/p' "$RUN/status" | awk '{print $1 == $2}')" = 1 ]
}

settle() {
    local s
    for s in $SITES; do
        await 20 "the witness cosigns all of $s" settled "$s"
    done
}

log_inventories() {
    local s
    for s in zrh1 mow1; do
        quietly site inventory --config "$VAR/$s.yaml"
    done
    settle
    printf '  %-28s zrh1 %4s   mow1 %4s\n' "$1" "$(inventory zrh1 CA)" "$(inventory mow1 CA)"
}

act_2() {
    local d=$VAR/documents there
    act "Act 2: Canada's files move from mow1 to zrh1"
    timeline
    say "One step after Europe's, the policy wants Canada's files in zone CH. Two movers approve; the old" \
        "site may destroy nothing before the new one has proved, in its witnessed ledger, that it has it all."
    log_inventories "inventory of CA before"
    there=$(inventory mow1 CA)
    sleep_until $((START + STEP + 1)) "until Canada's step of the timeline begins"
    does 0 relocate plan --policy "$d/policy.yaml.dsse" --country CA --from mow1 --to zrh1 --out "$d/move-ca.yaml"
    quietly relocate sign "$d/move-ca.yaml" --key "$VAR/people/person-1.pem"
    does 0 relocate sign "$d/move-ca.yaml.dsse" --key "$VAR/people/person-4.pem"
    does 0 relocate run "$d/move-ca.yaml.dsse" --config "$VAR/mow1.yaml"
    log_inventories "inventory of CA after"
    held "all $there files of Canada are at zrh1, none is left at mow1" \
        test "$(inventory zrh1 CA)/$(inventory mow1 CA)" = "$there/0"
    held "before the policy's deadline, $(stamp $((START + 2 * STEP))) UTC" \
        test "$(now)" -lt $((START + 2 * STEP))
}

# --- act 3: one file ---

# sub_of CC FILE: the identifier its user's state has for it
sub_of() { awk -v f="$2" '$NF == f {print $1; exit}' "$VAR/users/$1/state"; }

# One character of a receipt's first hash is another: line 4.
one_character_other() {
    awk 'NR == 4 {$0 = (substr($0, 1, 1) == "A" ? "B" : "A") substr($0, 2)} {print}' "$1"
}

# destroyed SITE EPOCH
destroyed() { [ "$(count "$1" "\"epoch\":$2,\"kind\":\"epoch.destroyed\"")" = 1 ]; }

act_3() {
    local file=$VAR/users/CA/mine/eicar.com mine=$VAR/users/CA/client.yaml sub epoch
    act "Act 3: one file, from its receipt to its end"
    sub=$(sub_of CA "$file")
    say "The Canadian user asks for a file that has moved:"
    does 0 trace "$file" --config "$mine"
    say "The receipt of the old site, checked without any site or network:"
    does 0 receipt verify "$VAR/receipts/$sub.tlog-proof" --trust "$VAR/trust.yaml" --file "$file"
    say "The same with one character changed:"
    one_character_other "$VAR/receipts/$sub.tlog-proof" >"$RUN/forged.tlog-proof"
    does 1 receipt verify "$RUN/forged.tlog-proof" --trust "$VAR/trust.yaml"
    say "Consent is withdrawn:"
    does 0 withdraw "$file" --config "$mine"
    epoch=$(sed -n 's/.*Final when epoch \([0-9]*\) is destroyed.*/\1/p' <<<"$OUT")
    say "Erased now; for good when the key of epoch $epoch is destroyed. Here an epoch lasts an hour; the operator" \
        "ends it early:"
    does 0 site turn-epoch --config "$VAR/zrh1.yaml"
    quietly site turn-epoch --config "$VAR/mow1.yaml"
    await 30 "epoch $epoch of zrh1 is destroyed" destroyed zrh1 "$epoch"
    await 30 "epoch 1 of mow1 is destroyed" destroyed mow1 1
    settle
    held "epoch.destroyed of epoch $epoch stands in zrh1's ledger" destroyed zrh1 "$epoch"
    does 0 trace "$file" --config "$mine"
    does 0 receipt verify "$VAR/receipts/$sub.erased.tlog-proof" --trust "$VAR/trust.yaml"
}

# --- act 4: a rule changes ---

# sign_rules FILE KEY: once more, if it is an envelope already
sign_rules() {
    local file=$1
    [ ! -e "$1.dsse" ] || file=$1.dsse
    quietly rules sign "$file" --key "$VAR/people/$2.pem"
}

# release_rules N WHY: tests, proposes and signs the folder var/rules as release N, up to its
# first approval; the files are documents/change-N.yaml, report-N.yaml, release-N.yaml.
release_rules() {
    local n=$1 d=$VAR/documents
    local -a base=() before=()
    if [ "$n" -gt 1 ]; then
        base=(--base "$VAR/corpus/release-$((n - 1))")
        before=(--previous "$d/release-$((n - 1)).yaml.dsse")
    fi
    does 0 rules test "$VAR/rules" --hit "$VAR/corpus/hit" --clean "$VAR/corpus/clean" "${base[@]}" \
        --slower 1000 --report "$d/report-$n.yaml" --programs "$BUILD/engines"
    does 0 rules propose "$VAR/rules" --author "${PERSON[1]}" "${base[@]}" --why "$2" --out "$d/change-$n.yaml"
    sign_rules "$d/change-$n.yaml" person-1
    does 0 rules release --change "$d/change-$n.yaml.dsse" --report "$d/report-$n.yaml" "${before[@]}" \
        --out "$d/release-$n.yaml"
    cp -r "$VAR/rules" "$VAR/corpus/release-$n"
}

# publish_rules FILE: at both sites
publish_rules() {
    local s
    for s in $SITES; do
        quietly rules publish "$1" --config "$VAR/$s.yaml"
    done
}

hang_up() {
    local pid
    pid=$(sed -n "s/ $1\$//p" "$VAR/pids")
    kill -HUP "$pid"
}

# logged SITE TEXT: since the act began
logged() { tail -n "+$(($(cat "$RUN/log-$1") + 1))" "$VAR/log/$1.log" | grep -q -e "$2"; }

# submitted CC FILE: its verdict
submitted() {
    "$GLARUS" submit --wait 45 --config "$VAR/users/$1/client.yaml" "$2" >>"$VAR/log/submit-$1.log" ||
        stop "the user in $1 could not submit $2; see log/submit-$1.log"
    echo "$2" >>"$VAR/users/$1/files"
    VERDICT=$(awk -v f="$2" '$NF == f {v = $3} END {print v}' "$VAR/users/$1/state")
}

# The receipt of the scan of a file of the user in Switzerland.
scan_receipt() { echo "$VAR/receipts/$(sub_of CH "$VAR/users/CH/mine/$1").scan.tlog-proof"; }
counts() { [ "$(count "$1" "$2")" -gt 0 ]; }

act_4() {
    local d=$VAR/documents mine=$VAR/users/CH/client.yaml mark s n
    local -a clean
    mark=$(random_hex 16)
    act "Act 4: a detection rule changes, and nobody can change it alone"
    for s in $SITES; do
        wc -l <"$VAR/log/$s.log" >"$RUN/log-$s"
    done
    mkdir -p "$VAR/corpus/hit/Demo_Marker_Alpha" "$VAR/corpus/clean"
    echo "DEMO-MARKER-ALPHA-4f1f0a6c" >"$VAR/corpus/hit/Demo_Marker_Alpha/one"
    # no pipe into head: what is before it would end with a signal
    mapfile -t -n 20 clean < <(find /usr/bin -type f -perm -005 -size -100k | sort)
    cp "${clean[@]}" "$VAR/corpus/clean/"
    say "The rules of today become release 1: tested on files that must be hit and files that must not," \
        "proposed by their author, approved by two others. One approval is not enough:"
    release_rules 1 'the rules of today'
    sign_rules "$d/release-1.yaml" person-3
    publish_rules "$d/change-1.yaml.dsse"
    publish_rules "$d/report-1.yaml"
    does 1 rules publish "$d/release-1.yaml.dsse" --config "$VAR/zrh1.yaml"
    sign_rules "$d/release-1.yaml" person-4
    publish_rules "$d/release-1.yaml.dsse"
    settle
    say "It goes into an update repository (root and targets signed by two of three holders), and a customer's" \
        "endpoint installs it: TUF, and the proof that both the release and its tree are in a witnessed ledger:"
    found_repository
    serve_release 1
    endpoint_updates
    printf 'sample of this run: %s 1\n' "$mark" >"$VAR/users/CH/mine/sample-1"
    submitted CH "$VAR/users/CH/mine/sample-1"
    held "a file that release 1 does not know is clean" test "$VERDICT" = clean
    say "Somebody puts a rule into the folder of both sites and tells them to read it:"
    mkdir -p "$VAR/corpus/hit/Demo_Of_This_Run"
    echo "$mark" >"$VAR/corpus/hit/Demo_Of_This_Run/two"
    echo "rule Demo_Of_This_Run { strings: \$a = \"$mark\" condition: \$a }" >"$VAR/rules/run.yar"
    for s in $SITES; do
        hang_up "$s"
        await 20 "$s refuses the rule" logged "$s" "no release of this ledger"
    done
    held "both refuse it: \"they are no release of this ledger\"" true
    say "So it is tested, proposed, and approved by two; then they take it:"
    release_rules 2 'finds the sample of this run'
    sign_rules "$d/release-2.yaml" person-3
    sign_rules "$d/release-2.yaml" person-4
    for n in change-2.yaml.dsse report-2.yaml release-2.yaml.dsse; do
        publish_rules "$d/$n"
    done
    for s in $SITES; do
        hang_up "$s"
        await 60 "$s serves release 2" logged "$s" "new rules serve"
    done
    say "The files that were there already are scanned again; the one that was clean is not any more:"
    await 240 "zrh1 is through with its files" counts zrh1 '"kind":"rescan.done"'
    settle
    does 0 trace "$VAR/users/CH/mine/sample-1" --config "$mine"
    held "its history has the verdict of both releases" grep -q "before     clean" <<<"$OUT"
    say "The endpoint gets the difference:"
    serve_release 2
    endpoint_updates
    held "it came as a difference" grep -q "as the difference" <<<"$OUT"
    say "Who made that rule, why, who approved it, what did it find?"
    does 0 rules explain Demo_Of_This_Run --rules "$VAR/corpus/release-1" --rules "$VAR/endpoint/current" \
        --ledger "$VAR/zrh1/ledger" --trust "$VAR/trust.yaml" --receipt "$(scan_receipt sample-1)"
    say "And would these rules really say so of this file? On any machine, without a site:"
    does 0 verdict replay "$(scan_receipt sample-1)" --file "$VAR/users/CH/mine/sample-1" \
        --rules "$VAR/endpoint/current" --trust "$VAR/trust.yaml" --programs "$BUILD/engines"
    publish_product
    printf 'sample of this run: %s 2\n' "$mark" >"$VAR/users/CH/mine/sample-2"
    submitted CH "$VAR/users/CH/mine/sample-2"
    held "the same text in another file is malicious now" test "$VERDICT" = malicious
    settle
    quietly trace "$VAR/users/CH/mine/sample-2" --config "$mine" # its receipts are held outside, too
    held "change, tests and release stand in both ledgers, twice each" \
        test "$(count zrh1 '"kind":"release.published"')/$(count mow1 '"kind":"release.published"')" = 2/2
}

# --- act 5: the vendor cheats ---

vendor_keys() {
    local k=$VAR/vendor-keys s name
    mkdir -m 700 "$k"
    for name in "${!KEYID[@]}"; do
        cp "$VAR/people/$name.pem" "$k/${KEYID[$name]}.pem"
    done
    for s in zrh1 mow1; do
        cp "$VAR/keys/log-$s.pem" "$k"
    done
    cp "$RUN/witness/key.pem" "$k/witness.pem"
}

# What betray --json says, a line a cheat.
cheats() {
    sed -nE -e 's/,?$//' \
        -e 's/^\{"caught":true,"cheat":"([^"]*)","claim":"([^"]*)","leaf":([0-9]+),"played":true,"sentence":"(.*)","site":"(.*)"\}$/\1|caught by \2 at \5 leaf \3: \4/p' \
        -e 's/^\{"caught":true,"cheat":"([^"]*)","claim":"([^"]*)","played":true,"sentence":"(.*)","site":"(.*)"\}$/\1|caught by \2 at \4: \3/p' \
        -e 's/^\{"caught":true,"cheat":"([^"]*)","claim":"([^"]*)","played":true,"sentence":"(.*)"\}$/\1|refused by \2: \3/p' \
        -e 's/^\{"caught":false,"cheat":"([^"]*)",.*"played":true,"sentence":"(.*)"\}$/\1|NOT caught, no claim can: \2/p' \
        "$VAR/betray.json" | sed 's/\\"/"/g' | while IFS='|' read -r name how; do
        printf '  %-22s %s\n' "$name" "${how//"$VAR"/$SHORT}"
    done
}

act_5() {
    local -a args=(zrh1="$VAR/zrh1/ledger" mow1="$VAR/mow1/ledger" --trust "$VAR/trust.yaml"
        --keys "$VAR/vendor-keys" --receipts "$VAR/receipts")
    local tmp=$RUN n caught
    act "Act 5: the vendor cheats, with its real keys"
    say "On copies of the two ledgers above, signed again with the demonstration's own keys; some with" \
        "accomplices among the approvers, some with the witness. The users' receipts are held outside."
    vendor_keys
    settle
    shown glarus betray "${args[@]}"
    # the copies are synced like real ledgers: in memory that costs nothing
    [ ! -w /dev/shm ] || tmp=/dev/shm
    TMPDIR=$tmp "$GLARUS" betray "${args[@]}" --json >"$VAR/betray.json" || stop "a cheat did not end as docs/betray.md says"
    cheats
    n=$(grep -c '"played":true' "$VAR/betray.json")
    caught=$(grep -c '"caught":true' "$VAR/betray.json")
    # these sites run what was just built here, which is no release: that cheat has nothing to be held against
    held "$n cheats were played and ended as docs/betray.md says: caught $caught/$n, each other with its reason" \
        test "$(cheats | wc -l) $(sed -n 's/.*"cheat":"\([^"]*\)".*"played":false.*/\1/p' "$VAR/betray.json")" = "$n software-unreleased"
}

# --- the end: what anybody can check ---

GO_VERIFY='GO111MODULE=off GOPATH=/usr/share/gocode go run tests/go/verify-ledger.go'

board() {
    local s line
    act "The claims, over both true ledgers, by nothing but their files and trust.yaml"
    does 0 audit zrh1="$VAR/zrh1/ledger" mow1="$VAR/mow1/ledger" --trust "$VAR/trust.yaml" --receipts "$VAR/receipts"
    "$GLARUS" audit zrh1="$VAR/zrh1/ledger" mow1="$VAR/mow1/ledger" --trust "$VAR/trust.yaml" \
        --receipts "$VAR/receipts" --json >"$VAR/audit.json"
    say "Go's own library verifies the same ledgers (on Debian: golang-go golang-golang-x-mod-dev):"
    for s in zrh1 mow1; do
        line="$GO_VERIFY $VAR/$s/ledger $VAR/$s/ledger.vkey $VAR/witness.vkey"
        printf '  %s$ %s%s\n' "$BLUE" "${line//"$VAR"/$SHORT}" "$PLAIN"
        if command -v go >/dev/null && [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then
            (cd "$TOP" && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$RUN/go go run \
                tests/go/verify-ledger.go "$VAR/$s/ledger" "$VAR/$s/ledger.vkey" "$VAR/witness.vkey") >"$RUN/out" 2>&1 ||
                stop "Go's library disagrees: $(cat "$RUN/out")"
            indent <"$RUN/out"
            HELD=$((HELD + 1))
        else
            echo "    (not run: Go is not installed here)"
        fi
    done
}

serve() {
    trap 'exit 0' INT TERM HUP
    local glarus=${GLARUS#"$PWD"/}
    cat <<TEXT

${BOLD}It serves until Ctrl-C.$PLAIN In another terminal, from this folder:
  $glarus trace $SHORT/users/DE/mine/report.txt --config $SHORT/users/DE/client.yaml
  $glarus submit ANY-FILE --config $SHORT/users/CA/client.yaml
  $glarus policy explain $SHORT/documents/policy.yaml.dsse BR
  $glarus ledger check $SHORT/zrh1/ledger --trust $SHORT/trust.yaml
  change a byte anywhere under a copy of $SHORT/zrh1/ledger and let "$glarus audit" or Go look again
Sites: http://127.0.0.1:$ZRH_PORT/healthz  http://127.0.0.1:$MOW_PORT/healthz  logs: $SHORT/log
TEXT
    while alive; do
        sleep 1
    done
}
