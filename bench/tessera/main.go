// tessera FOLDER LEAVES SIZE   appends that many leaves of that size durably to a new log, in
//
//	process, and ends when all are in a published checkpoint
//
// tessera serve FOLDER ADDRESS POST /add appends the body and answers its index, as Tessera's own
//
//	POSIX personality does; SIGTERM publishes and ends
//
// The peer of ledger-append and ledger-append-http: Tessera's POSIX driver with batches of 256 and a
// checkpoint a second, no deduplication, no witnesses.  Built with other people's packages, for
// measuring only; docs/performance.md says how.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const (
	batch    = 256
	inFlight = 16 * batch
)

func open(ctx context.Context, folder string) (*tessera.Appender, func(context.Context) error) {
	skey, _, err := note.GenerateKey(rand.Reader, "bench.example/ledger")
	if err != nil {
		log.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		log.Fatal(err)
	}
	driver, err := posix.New(ctx, posix.Config{Path: folder})
	if err != nil {
		log.Fatal(err)
	}
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(time.Second).
		WithBatching(batch, 100*time.Millisecond).
		WithPushback(inFlight))
	if err != nil {
		log.Fatal(err)
	}
	return appender, shutdown
}

// Leaves that differ, made for next to nothing: making them is not what is measured.
func leaf(filler []byte, i int) []byte {
	b := make([]byte, len(filler))
	copy(b, filler)
	copy(b, strconv.Itoa(i))
	return b
}

func filler(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = 'a' + byte(i*i%26)
	}
	return b
}

func appendAll(folder string, leaves, size int) {
	ctx := context.Background()
	appender, shutdown := open(ctx, folder)
	fill := filler(size)
	waiting := make(chan tessera.IndexFuture, inFlight/2)
	done := make(chan struct{})
	go func() {
		for f := range waiting {
			if _, err := f(); err != nil {
				log.Fatal(err)
			}
		}
		close(done)
	}()
	for i := 0; i < leaves; i++ {
		waiting <- appender.Add(ctx, tessera.NewEntry(leaf(fill, i)))
	}
	close(waiting)
	<-done
	if err := shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}

func serve(folder, address string) {
	ctx := context.Background()
	appender, shutdown := open(ctx, folder)
	mux := http.NewServeMux()
	mux.HandleFunc("/add", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(w, "POST a leaf", http.StatusMethodNotAllowed)
			return
		}
		b, err := io.ReadAll(io.LimitReader(r.Body, 65535))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		i, err := appender.Add(r.Context(), tessera.NewEntry(b))()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%d", i.Index)
	})
	server := &http.Server{Addr: address, Handler: mux}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		_ = server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3])
		return
	}
	if len(os.Args) == 4 {
		leaves, err := strconv.Atoi(os.Args[2])
		size, err2 := strconv.Atoi(os.Args[3])
		if err == nil && err2 == nil {
			appendAll(os.Args[1], leaves, size)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: tessera FOLDER LEAVES SIZE | tessera serve FOLDER ADDRESS")
	os.Exit(2)
}
