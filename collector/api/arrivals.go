package api

import (
	"bytes"
	"container/list"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// arrivals are the bodies that are on their way. They have no place among the
// batches in hand yet, so that whoever sends slowly keeps nobody from being
// served. Where too many arrive, or too much of them is in memory, the one that
// has taken longest is cut off: one that comes at the pace of a network is not
// among these.
type arrivals struct {
	limits Limits

	mu    sync.Mutex // protects all following fields
	bytes int64      // arrived so far, of all
	all   *list.List // of *arrival, longest first
	sites map[string]*list.List
}

type arrival struct {
	site     string
	bytes    int64
	stop     func() // makes the read under way fail
	stopped  bool
	any, own *list.Element
}

func newArrivals(limits Limits) *arrivals {
	return &arrivals{limits: limits, all: list.New(), sites: map[string]*list.List{}}
}

func (a *arrivals) begin(site string, stop func()) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	if own := a.sites[site]; own != nil && own.Len() >= a.limits.SiteArriving {
		a.cutOff(own)
	} else if a.all.Len() >= a.limits.Arriving {
		a.cutOff(a.all)
	}
	own := a.sites[site]
	if own == nil {
		own = list.New()
		a.sites[site] = own
	}
	one := &arrival{site: site, stop: stop}
	one.any, one.own = a.all.PushBack(one), own.PushBack(one)
	return one
}

// more counts what has arrived and makes room for it.
func (a *arrivals) more(one *arrival, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if one.stopped {
		return
	}
	one.bytes += int64(n)
	a.bytes += int64(n)
	for a.bytes > a.limits.ArrivingBytes && a.all.Len() > 1 {
		a.cutOff(a.all)
	}
}

// end tells whether the body was cut off.
func (a *arrivals) end(one *arrival) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(one)
	return one.stopped
}

// cutOff stops the first of a list. The caller holds mu, so that it is stopped
// before it ends by itself and its connection is somebody else's.
func (a *arrivals) cutOff(from *list.List) {
	one := from.Front().Value.(*arrival)
	a.forget(one)
	one.stopped = true
	one.stop()
}

func (a *arrivals) forget(one *arrival) {
	if one.any == nil {
		return
	}
	own := a.sites[one.site]
	a.all.Remove(one.any)
	own.Remove(one.own)
	one.any, one.own = nil, nil
	a.bytes -= one.bytes
	if own.Len() == 0 {
		delete(a.sites, one.site)
	}
}

// packed reads the body as it comes. Packed or not, it is never more than a
// batch may be unpacked.
func (a *arrivals) packed(w http.ResponseWriter, r *http.Request, site string) ([]byte, *reply) {
	const message = "the body is more than %d bytes; send fewer windows at once"
	if r.ContentLength > wire.MaxBatchBytes {
		return nil, tooLarge(message, wire.MaxBatchBytes)
	}
	// A recorder in a test knows no deadlines; a connection always does. The
	// context's end would come too late: a read does not see it.
	connection := http.NewResponseController(w)
	err := connection.SetReadDeadline(time.Now().Add(a.limits.BodyTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, problem(http.StatusBadRequest, wire.CodeBadRequest, "the connection is gone: %v", err)
	}
	one := a.begin(site, func() { _ = connection.SetReadDeadline(time.Unix(1, 0)) })
	var packed bytes.Buffer
	_, err = io.Copy(&counted{&packed, a, one}, http.MaxBytesReader(w, r.Body, wire.MaxBatchBytes))
	stopped := a.end(one)
	var over *http.MaxBytesError
	switch {
	case err == nil:
		// The server goes on reading to see whether the client leaves, and a
		// deadline that passes meanwhile would cut off the write to the store.
		_ = connection.SetReadDeadline(time.Time{})
		return packed.Bytes(), nil
	case errors.As(err, &over):
		return nil, tooLarge(message, wire.MaxBatchBytes)
	case stopped:
		return nil, problem(http.StatusServiceUnavailable, wire.CodeOverloaded,
			"too many bodies arrive at once, and this one took longest; send it again later, or fewer windows at once").after(time.Second)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problem(http.StatusRequestTimeout, wire.CodeBadRequest,
			"the body did not arrive within %s; send fewer windows at once", a.limits.BodyTimeout)
	}
	return nil, problem(http.StatusBadRequest, wire.CodeBadRequest, "the body ended before its end: %v", err)
}

// counted counts what is written to a buffer. It hides the buffer's ReadFrom,
// which would see the bytes first.
type counted struct {
	into     *bytes.Buffer
	arrivals *arrivals
	one      *arrival
}

func (c *counted) Write(p []byte) (int, error) {
	c.arrivals.more(c.one, len(p))
	return c.into.Write(p)
}
