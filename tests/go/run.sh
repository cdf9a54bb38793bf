#!/bin/sh
# run.sh TEST SOURCE: builds the checker that uses golang.org/x/mod and hands it to TEST.
set -eu
command -v go >/dev/null 2>&1 && [ -d /usr/share/gocode/src/golang.org/x/mod ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="${GOCACHE:-$tmp/cache}" GOFLAGS=-p=2 \
    go build -o "$tmp/verify-ledger" "$2"
GO_CHECKER="$tmp/verify-ledger" "$1"
