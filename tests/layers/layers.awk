# layers.awk: the rules of docs/conventions.md that can be read from the text of the sources.
#   awk -f layers.awk FILE...     with names relative to the root of the tree
# Prints "FILE:LINE: what is wrong" for each finding and exits 1 if there is one.  It understands
# comments, string and character literals, and lines continued in them; nothing else of C is needed.

BEGIN {
    # The floors from below; on one floor a room may use those to its left.
    floor("base crypto jail http")
    floor("events ledger vault catalog")
    floor("people residency intake detect updates rules compare assembler")
    floor("claims betray")
    floor("agent web capi site cli")

    # A library's headers, and the only place under src/ and engines/ that may include them.
    only("^(gnutls|nettle|sodium)(/|\\.h)", "^src/crypto/")
    only("^curl/", "^src/http/")
    only("^microhttpd\\.h", "^nowhere/") # docs/http-gate.md
    only("^(sqlite3\\.h|libpq|postgresql/)", "^src/catalog/")
    only("^(seccomp\\.h|linux/(seccomp|landlock|filter|bpf)\\.h)", "^src/jail/")
    only("^yaml\\.h$", "^src/base/yaml\\.c$")
    only("^git2(\\.h$|/)", "^src/rules/gitread\\.c$")
    only("^yara(\\.h|/)", "^engines/yara/")
    only("^clamav", "^engines/clamav/")
    only("^glarus\\.h$", "^src/capi/") # include/glarus.h is for programs outside
    only("^(zstd|zstd_errors|zdict)\\.h$", "^src/(updates/delta|compare/zstd)\\.c$")
    only("^zlib\\.h$", "^src/compare/(elf_part|gzip|zip_member)\\.c$")
    only("^lzma(\\.h$|/)", "^src/compare/(xz(_twins)?\\.c|xz_priv\\.h|lzma\\.c)$")
    only("^bzlib\\.h$", "^src/compare/bzip2\\.c$")
    only("^lz4(frame|hc)?\\.h$", "^src/compare/lz4\\.c$")
    only("^capstone/", "^src/compare/elf_show\\.c$")
    only("^(archive(_entry)?|magic)\\.h$", "^engines/walk/")

    # Functions, and the files that may call them; "^$" is nobody.
    clock = "^(src/base/clock\\.c|tests/base/test_clock\\.c)$"
    calls("clock_gettime gettimeofday time ftime timespec_get clock times", clock,
          "reads the time; base/clock.h is the only clock")
    calls("strcpy strcat sprintf vsprintf gets strtok atoi atol atoll atof system alloca", "^$",
          "is banned")
    calls("unshare setns pivot_root", "^(src|tests)/jail/", "belongs to jail/")

    # Debts go to docs/known-limits.md.  Spelled apart so that this file passes its own test.
    debt = "(TO" "DO|FIX" "ME|X" "XX|HA" "CK)"
    findings = 0
    files = 0
}

function floor(names,    n, i, a) {
    floors++
    n = split(names, a, " ")
    for (i = 1; i <= n; i++) {
        level[a[i]] = floors
        place[a[i]] = i
    }
}

function only(header, where) {
    libs++
    lib_header[libs] = header
    lib_where[libs] = where
}

function calls(names, where, why,    n, i, a) {
    n = split(names, a, " ")
    for (i = 1; i <= n; i++) {
        call_where[a[i]] = where
        call_why[a[i]] = why
    }
}

function say(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    findings++
}

# What a file is: its part of the tree and, in src/ and tests/, its room.
function begin_file(    a, n) {
    files++
    n = split(FILENAME, a, "/")
    part = a[1]
    room = n > 2 ? a[2] : ""
    is_c = FILENAME ~ /\.[ch]$/
    in_comment = 0
    if (part == "src" && is_c && !(room in level))
        say("\"" room "\" is not a room of docs/conventions.md")
}

# The line with comments blanked and literals emptied; the state of a long comment is kept.
function strip(line,    out, i, c, two, quote) {
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (in_comment) {
            if (two == "*/") {
                in_comment = 0
                i++
            }
        } else if (quote != "") {
            if (c == "\\")
                i++
            else if (c == quote) {
                out = out c
                quote = ""
            }
        } else if (two == "/*") {
            in_comment = 1
            out = out " "
            i++
        } else if (two == "//") {
            break
        } else {
            if (c == "\"" || c == "'")
                quote = c
            out = out c
        }
    }
    return out
}

function check_own(target,    a, n, to) {
    n = split(target, a, "/")
    to = a[1]
    if (n < 2) {
        if (part == "src")
            say("\"" target "\": write \"room/header.h\"; src/ is the only include root")
        return
    }
    if (!(to in level)) {
        if (part == "src")
            say("\"" target "\" names no room")
        return
    }
    if (target ~ /_priv\.h$/ && !((part == "src" || part == "tests") && room == to) &&
        part != "fuzz")
        say("\"" target "\" is private to " to)
    if (part == "src" && room in level && to != room) {
        if (level[to] > level[room])
            say("\"" target "\": " to " is on a floor above " room)
        else if (level[to] == level[room] && place[to] > place[room])
            say("\"" target "\": " to " stands to the right of " room " on their floor")
    }
    if (part == "engines" && to != "base" && to != "jail" && target !~ /^detect\/protocol\.h$/)
        say("\"" target "\": engines use base, jail and the protocol header of detect")
}

function check_library(target,    i) {
    if (part != "src" && part != "engines")
        return
    for (i = 1; i <= libs; i++)
        if (target ~ lib_header[i] && FILENAME !~ lib_where[i])
            say("<" target "> is not for this place (see docs/conventions.md)")
}

function check_calls(code,    name, before) {
    while (match(code, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
        name = substr(code, RSTART, RLENGTH)
        before = RSTART > 1 ? substr(code, RSTART - 1, 1) : ""
        sub(/[ \t]*\($/, "", name)
        # a member of that name is somebody's own function
        if (name in call_where && before != "." && before != ">" &&
            FILENAME !~ call_where[name])
            say(name "() " call_why[name])
        code = substr(code, RSTART + RLENGTH)
    }
}

FNR == 1 {
    begin_file()
}

$0 ~ "(^|[^A-Za-z0-9_])" debt "([^A-Za-z0-9_]|$)" {
    say("a debt in the code; it belongs in docs/known-limits.md")
}

is_c && !in_comment && /^[ \t]*#[ \t]*include[ \t]*["<]/ {
    target = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", target)
    sub(/[">].*/, "", target)
    if ($0 ~ /include[ \t]*"/)
        check_own(target)
    else
        check_library(target)
}

is_c {
    check_calls(strip($0))
}

END {
    if (files == 0) {
        print "layers: no file was read"
        exit 1
    }
    if (findings > 0) {
        printf "layers: %d findings in %d files\n", findings, files
        exit 1
    }
    printf "layers: %d files keep the rules\n", files
}
