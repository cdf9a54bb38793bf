// verify-ledger checks a ledger's folder, or a receipt, with golang.org/x/mod/sumdb's tlog and note and
// with nothing of this project:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run verify-ledger.go LEDGER VKEY [WITNESS-VKEY...]
//	GO111MODULE=off GOPATH=/usr/share/gocode go run verify-ledger.go -proof FILE LEAF VKEY [WITNESS-VKEY...]
//	... verify-ledger.go -cases      reads such command lines from standard input, one a line
//
// VKEY is a verifier key, or the name of a file that holds one.  LEAF is a file with the leaf's bytes.
// Each WITNESS-VKEY must have cosigned.  On Debian: golang-go golang-golang-x-mod-dev.
//
// Of a ledger it recomputes every hash from the leaves, compares every tile and every checkpoint of the
// archive, and verifies every signature.  Exit status: 0 it holds, 1 it does not, 2 usage.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// cosigner verifies cosignature/v1 of C2SP tlog-cosignature, which x/mod does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	t := binary.BigEndian.Uint64(sig)
	if t > 1<<63-1 {
		return false
	}
	full := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", t)), msg...)
	return ed25519.Verify(c.key, full, sig[8:])
}

// verifier reads a vkey: type 1 by x/mod, type 4 by hand.
func verifier(arg string) (note.Verifier, error) {
	if text, err := os.ReadFile(arg); err == nil {
		arg = strings.TrimSuffix(string(text), "\n")
	}
	f := strings.SplitN(arg, "+", 3)
	if len(f) != 3 {
		return nil, fmt.Errorf("%q is not a verifier key", arg)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(f[2])
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		return note.NewVerifier(arg)
	}
	sum := sha256.Sum256([]byte(f[0] + "\n" + string(raw)))
	hash := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", hash) != f[1] {
		return nil, fmt.Errorf("%q: wrong key id", arg)
	}
	return &cosigner{f[0], hash, ed25519.PublicKey(raw[1:])}, nil
}

// checkpoint opens a signed checkpoint.  All of keys must have signed; the first is the log's.
func checkpoint(msg []byte, keys []note.Verifier) (size int64, root tlog.Hash, err error) {
	n, err := note.Open(msg, note.VerifierList(keys...))
	if err != nil {
		return 0, root, err
	}
	for _, s := range append(append([]note.Signature{}, n.Sigs...), n.UnverifiedSigs...) {
		// x/mod tolerates spare bits in base64; one spelling is enough
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return 0, root, err
		}
	}
	if len(n.Sigs) != len(keys) {
		return 0, root, fmt.Errorf("%d of %d keys have signed", len(n.Sigs), len(keys))
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != keys[0].Name() {
		return 0, root, errors.New("not a checkpoint of that log")
	}
	if size, err = number(lines[1]); err != nil {
		return 0, root, err
	}
	root, err = hash(lines[2])
	return size, root, err
}

func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return n, nil
}

func hash(s string) (h tlog.Hash, err error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != tlog.HashSize {
		return h, fmt.Errorf("%q is not a hash", s)
	}
	copy(h[:], raw)
	return h, nil
}

// path maps a tile of x/mod 0.7 to C2SP's name: no height, "entries" for "data".
func path(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
	if t.L == -1 {
		p = "entries" + strings.TrimPrefix(p, "data")
	}
	return "tile/" + p
}

// leaves calls fn with every leaf of a ledger of that size.
func leaves(dir string, size int64, fn func(i int64, leaf []byte) error) error {
	const full = 1 << height
	for i := int64(0); i < size; {
		w := size - i
		if w > full {
			w = full
		}
		name := path(tlog.Tile{H: height, L: -1, N: i / full, W: int(w)})
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		for end := i + w; i < end; i++ {
			if len(b) < 2 || len(b)-2 < int(b[0])<<8+int(b[1]) {
				return fmt.Errorf("%s: cut short", name)
			}
			n := int(b[0])<<8 + int(b[1])
			if err := fn(i, b[2:2+n]); err != nil {
				return err
			}
			b = b[2+n:]
		}
		if len(b) != 0 {
			return fmt.Errorf("%s: too long", name)
		}
	}
	return nil
}

func verifyLedger(dir string, keys []note.Verifier) (string, error) {
	msg, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return "", err
	}
	size, root, err := checkpoint(msg, keys)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %v", err)
	}

	// every hash of the tree, from the leaves
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for k, i := range indexes {
			if i >= int64(len(stored)) {
				return nil, errors.New("hash beyond the tree")
			}
			out[k] = stored[i]
		}
		return out, nil
	})
	err = leaves(dir, size, func(i int64, leaf []byte) error {
		h, err := tlog.StoredHashes(i, leaf, reader)
		stored = append(stored, h...)
		return err
	})
	if err != nil {
		return "", err
	}
	same := func(n int64, want tlog.Hash) error {
		got := tlog.Hash(sha256.Sum256(nil))
		if n > 0 {
			if got, err = tlog.TreeHash(n, reader); err != nil {
				return err
			}
		}
		if got != want {
			return fmt.Errorf("the leaves' root at size %d is %v, the checkpoint says %v", n, got, want)
		}
		return nil
	}
	if err := same(size, root); err != nil {
		return "", err
	}

	tiles := 0
	for _, t := range tlog.NewTiles(height, 0, size) {
		if t.W != 1<<height && t.W != int(size>>(height*t.L)%(1<<height)) {
			continue // x/mod lists the partial tiles of every smaller tree too
		}
		tiles++
		want, err := tlog.ReadTileData(t, reader)
		if err != nil {
			return "", err
		}
		got, err := os.ReadFile(filepath.Join(dir, path(t)))
		if err != nil {
			return "", err
		}
		if !bytes.Equal(got, want) {
			return "", fmt.Errorf("%s is not the hashes of its leaves", path(t))
		}
	}

	archive, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	if err != nil {
		return "", err
	}
	for _, f := range archive {
		if strings.HasPrefix(f.Name(), ".") {
			continue
		}
		msg, err := os.ReadFile(filepath.Join(dir, "checkpoints", f.Name()))
		if err != nil {
			return "", err
		}
		n, h, err := checkpoint(msg, keys)
		if err != nil {
			return "", fmt.Errorf("checkpoints/%s: %v", f.Name(), err)
		}
		if strconv.FormatInt(n, 10) != f.Name() || n > size {
			return "", fmt.Errorf("checkpoints/%s is of size %d", f.Name(), n)
		}
		if err := same(n, h); err != nil {
			return "", fmt.Errorf("checkpoints/%s: %v", f.Name(), err)
		}
	}
	return fmt.Sprintf("%d leaves, %d tiles, %d checkpoints, root %v", size, tiles, len(archive),
		root), nil
}

func verifyProof(file, leafFile string, keys []note.Verifier) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	leaf, err := os.ReadFile(leafFile)
	if err != nil {
		return "", err
	}
	head, msg, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || lines[0] != "c2sp.org/tlog-proof@v1" {
		return "", errors.New("not a tlog-proof")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		extra, err := base64.StdEncoding.Strict().DecodeString(lines[0][6:])
		if err != nil || len(extra) == 0 {
			return "", errors.New("the extra data are not base64")
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return "", errors.New("no index line")
	}
	index, err := number(lines[0][6:])
	if err != nil {
		return "", err
	}
	var proof tlog.RecordProof
	for _, l := range lines[1:] {
		h, err := hash(l)
		if err != nil {
			return "", err
		}
		proof = append(proof, h)
	}
	size, root, err := checkpoint([]byte(msg), keys)
	if err != nil {
		return "", err
	}
	if index >= size {
		return "", errors.New("index outside the tree")
	}
	if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(leaf)); err != nil {
		return "", err
	}
	return fmt.Sprintf("leaf %d of %d", index, size), nil
}

func run(args []string) (string, error) {
	proof := len(args) > 0 && args[0] == "-proof"
	n := 1
	if proof {
		n = 3
	}
	if len(args) < n+1 {
		return "", errors.New("usage")
	}
	var keys []note.Verifier
	for _, a := range args[n:] {
		v, err := verifier(a)
		if err != nil {
			return "", err
		}
		keys = append(keys, v)
	}
	if proof {
		return verifyProof(args[1], args[2], keys)
	}
	return verifyLedger(args[0], keys)
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "-cases" {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			if _, err := run(strings.Fields(in.Text())); err != nil {
				fmt.Printf("bad %q\n", err.Error())
			} else {
				fmt.Println("ok")
			}
		}
		return
	}
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: verify-ledger LEDGER VKEY [WITNESS-VKEY...]")
		fmt.Fprintln(os.Stderr, "       verify-ledger -proof FILE LEAF VKEY [WITNESS-VKEY...]")
		os.Exit(2)
	}
	what, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "does not verify:", err)
		os.Exit(1)
	}
	fmt.Println("verified:", what)
}
