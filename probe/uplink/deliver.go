package uplink

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// envelope is what a batch is at most around its windows: schema, site, braces,
// signature.
const envelope = 512

// mostWindows is how many windows go into one batch: fewer than may, because
// all of them are in memory at once, as a rule just when a probe has made the
// windows of all its links.
const mostWindows = 250

// Deliver sends what the spool holds, oldest first and one batch at a time.
// When the first context ends it goes on until the spool is empty, and when the
// second ends it stops at once. It tells whether the spool is empty.
//
// The order stays that of their making also after an outage: so a gap closes
// from its beginning, and whoever judges a day waits for one end only. How long
// the newest wait then is bounded by the pace, Config.CatchUp.
func (u *Uplink) Deliver(until, atMost context.Context) bool {
	d := &delivery{Uplink: u, store: u.cfg.Store, trouble: &u.sending, windows: mostWindows, pace: rate.NewLimiter(rate.Inf, 0)}
	if u.cfg.CatchUp > 0 {
		d.pace = rate.NewLimiter(rate.Limit(u.cfg.CatchUp), catchUpBurst)
	}
	for atMost.Err() == nil {
		sent, wait := d.step(atMost)
		switch {
		case !sent && until.Err() != nil:
			return true
		case !sent:
			select {
			case <-until.Done():
			case <-u.cfg.Store.Added():
			}
		case until.Err() == nil:
			sleep(until, wait)
		default:
			// Little time is left: try often.
			sleep(atMost, min(wait, time.Second))
		}
	}
	return false
}

// outgoing is where windows are until they are settled.
type outgoing interface {
	Oldest(windows, bytes int) ([]spool.Entry, error)
	Settle(delivered []uint64, refused map[uint64]spool.Refused) error
}

// delivery remembers how the last batches fared.
type delivery struct {
	*Uplink
	store   outgoing
	trouble *complaint
	windows int // of the next batch, at most
	backoff backoff
	pace    *rate.Limiter
}

// catchUpBurst is how many windows go out at once before the pace of catching up
// counts: what the largest probe makes in a minute is not to wait.
const catchUpBurst = 2000

// step delivers one batch. It gives false where the spool is empty, and how
// long to wait before the next step.
func (d *delivery) step(ctx context.Context) (sent bool, wait time.Duration) {
	entries, err := d.store.Oldest(d.windows, wire.MaxBatchBytes-envelope)
	if err == nil && len(entries) == 0 {
		return false, 0
	}
	if err == nil {
		err = d.send(ctx, entries)
	}
	if err == nil {
		d.trouble.note(nil)
		d.backoff.reset()
		d.windows = min(2*d.windows, mostWindows)
		return true, d.pace.ReserveN(time.Now(), len(entries)).Delay()
	}
	if ctx.Err() != nil {
		return true, d.backoff.pause(0)
	}
	d.trouble.note(err)
	var r *refusal
	if !errors.As(err, &r) {
		var slow interface{ Timeout() bool }
		if errors.As(err, &slow) && slow.Timeout() {
			// What does not arrive in the time of a request may in parts: on
			// a slow line the whole would be tried for ever.
			d.windows = max(len(entries)/2, 1)
		}
		return true, d.backoff.pause(0)
	}
	if !r.blamesBatch() {
		return true, d.backoff.pause(r.after)
	}
	// Something in the batch is not taken: find out what by halves.
	if len(entries) > 1 {
		d.windows = len(entries) / 2
		return true, r.after
	}
	if r.code == "" {
		// Something on the way spoke, not a collector: it cannot condemn a
		// window.
		return true, d.backoff.pause(r.after)
	}
	if err := d.setAside(entries[0], spool.Refused{Code: r.code, Message: r.Error()}); err != nil {
		d.trouble.note(err)
		return true, d.backoff.pause(0)
	}
	return true, r.after
}

// blamesBatch tells whether the answer is about what was sent. All others are
// about who asked, where, or when: an unknown site or path (404), missing
// rights (401, 403), or an encoding or a field that an older collector does not
// know (415) are mended at the collector, and no window may be given up for them.
func (r *refusal) blamesBatch() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// errAhead is that a collector's clock is behind.
var errAhead = errors.New("the collector's clock is behind that of this host: it will not take windows that ended just now; synchronise its clock")

// tolerance is how far ahead a window may end by the clock of this host, which
// slews, before it is taken for one that was dated by a wrong clock.
const tolerance = time.Minute

// waits tells whether a refused window is to be sent again later: because it
// has ended by the clock of this host, whatever the collector's says.
func waits(r wire.Refusal, w *wire.Window) bool {
	return r.Code == wire.CodeFuture && time.UnixMilli(w.EndMS).Before(time.Now().Add(tolerance))
}

// send posts one batch and settles it in the spool.
func (d *delivery) send(ctx context.Context, entries []spool.Entry) error {
	batch := wire.Batch{Schema: wire.SchemaBatch, Site: d.cfg.Site}
	for _, e := range entries {
		batch.Windows = append(batch.Windows, e.Window)
	}
	if d.cfg.Sign != nil {
		d.cfg.Sign(&batch)
	}
	var body bytes.Buffer
	packed := gzip.NewWriter(&body)
	if _, err := packed.Write(batch.Encode()); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}, "Accept": {"application/json"}}
	res, err := d.exchange(ctx, http.MethodPost, "/windows", header, &body)
	if err != nil {
		return err
	}
	if res.status != http.StatusOK {
		return res.refused()
	}
	ack, err := wire.DecodeAck(res.body)
	if err != nil {
		return fmt.Errorf("read acknowledgement: %w", err)
	}
	if err := d.settle(&batch, entries, ack); err != nil {
		return err
	}
	d.askAgain(ack.MeshSHA256)
	return nil
}

// settle takes the word of an acknowledgement only if it is of this batch and
// accounts for each window in it.
func (d *delivery) settle(batch *wire.Batch, entries []spool.Entry, ack *wire.Ack) error {
	if want := batch.Digest().String(); ack.Batch != want {
		return fmt.Errorf("read acknowledgement: it is of batch %.80q, not of %s", ack.Batch, want)
	}
	if ack.Stored+len(ack.Refused) != len(entries) {
		return fmt.Errorf("read acknowledgement: %d stored and %d refused of %d windows", ack.Stored, len(ack.Refused), len(entries))
	}
	refused := map[uint64]spool.Refused{}
	waiting := map[uint64]bool{}
	for _, r := range ack.Refused {
		if r.Index < 0 || r.Index >= len(entries) || entries[r.Index].Window.Key != r.Key {
			return fmt.Errorf("read acknowledgement: it refuses window %d, %v, which is not in the batch", r.Index, r.Key)
		}
		if entry := &entries[r.Index]; waits(r, &entry.Window) {
			waiting[entry.Sequence] = true
			continue
		}
		refused[entries[r.Index].Sequence] = spool.Refused{Code: r.Code, Message: r.Message}
		d.cfg.Log.Error("the collector refused a window: it is set aside", "key", r.Key.String(), "code", r.Code, "reason", r.Message)
	}
	if len(refused)+len(waiting) != len(ack.Refused) {
		return errors.New("read acknowledgement: it refuses one window twice")
	}
	var stored []uint64
	for _, e := range entries {
		if _, no := refused[e.Sequence]; !no && !waiting[e.Sequence] {
			stored = append(stored, e.Sequence)
		}
	}
	if err := d.store.Settle(stored, refused); err != nil {
		return err
	}
	d.delivered.Add(int64(len(stored)))
	d.refused.Add(int64(len(refused)))
	if len(waiting) > 0 {
		// They stay where they are. What came after them ended later still, so
		// they hold nothing up that would be taken.
		return errAhead
	}
	return nil
}

func (d *delivery) setAside(e spool.Entry, why spool.Refused) error {
	d.cfg.Log.Error("the collector will not take a window: it is set aside", "key", e.Window.Key.String(), "reason", why.Message)
	if err := d.store.Settle(nil, map[uint64]spool.Refused{e.Sequence: why}); err != nil {
		return err
	}
	d.refused.Add(1)
	return nil
}
