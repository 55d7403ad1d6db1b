package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// filePoll is how often files are looked at for a change.
const filePoll = 2 * time.Second

// maxFileBytes bounds what of a file is looked at.
const maxFileBytes = 16 << 20

// Followed is what stands in files, and what stands there after each change.
// Files that are wrong are reported, and what was there before stays.
type Followed[T any] struct {
	what    string
	files   []string
	load    func() (*T, error)
	changed func(*T)
	failed  func()
	log     *slog.Logger

	current atomic.Pointer[T]
	seen    string // of the files as last loaded, or tried to
	fault   string // last one reported; "" after a good look
}

// Follow loads what files hold. what names it in the log; changed, if set, is
// told of the first content and of each that follows.
func Follow[T any](what string, files []string, load func() (*T, error), changed func(*T), metrics *Metrics, log *slog.Logger) (*Followed[T], error) {
	f := &Followed[T]{
		what: what, files: files, load: load, changed: changed, log: log,
		failed: metrics.refusedFiles.WithLabelValues(what).Inc,
	}
	// Looked at before it is loaded: a change in between is loaded twice, and
	// not missed.
	seen, err := f.look()
	if err != nil {
		return nil, err
	}
	value, err := load()
	if err != nil {
		return nil, err
	}
	f.seen = seen
	f.take(value)
	return f, nil
}

func (f *Followed[T]) take(value *T) {
	f.current.Store(value)
	if f.changed != nil {
		f.changed(value)
	}
}

// Current is the last good content.
func (f *Followed[T]) Current() *T { return f.current.Load() }

// Run follows the files until the context ends.
func (f *Followed[T]) Run(ctx context.Context) {
	ticker := time.NewTicker(filePoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.again()
		}
	}
}

func (f *Followed[T]) again() {
	seen, err := f.look()
	if err == nil && seen == f.seen {
		return
	}
	var value *T
	if err == nil {
		value, err = f.load()
	}
	if err != nil {
		// Not remembered as seen: what is wrong may be mended without a change
		// of the content, as a mode is.
		f.seen = ""
		if err.Error() != f.fault {
			f.fault = err.Error()
			f.failed()
			f.log.Error("the change of the "+f.what+" is refused, what was there before stays in force", "error", err)
		}
		return
	}
	f.seen, f.fault = seen, ""
	f.take(value)
	f.log.Info("the " + f.what + " were read again")
}

// look tells one content of the files from another.
func (f *Followed[T]) look() (string, error) {
	sum := sha256.New()
	for _, name := range f.files {
		if err := hashFile(sum, name); err != nil {
			return "", err
		}
	}
	return string(sum.Sum(nil)), nil
}

func hashFile(w io.Writer, name string) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	n, err := io.Copy(w, io.LimitReader(file, maxFileBytes+1))
	if err == nil && n > maxFileBytes {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFileBytes)
	}
	_, _ = fmt.Fprintf(w, "\n%d\n", n) // a hash takes everything
	return err
}
