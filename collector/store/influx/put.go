package influx

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/write"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// admitted is the document that dates a window: without it nobody could tell
// which of two windows under one key came first, because a point that is
// written again keeps nothing of its first writing.
type admitted struct {
	AtMS   int64  `json:"at_ms"`
	Digest string `json:"digest"` // beginning of the window's
}

// shortDigest is the length of admitted.Digest, in bytes before hex.
const shortDigest = 8

func shorten(d wire.Digest) string { return hex.EncodeToString(d[:shortDigest]) }

// Put writes the windows in one request and, once they are confirmed, the
// journal entry in another.
func (s *Store) Put(ctx context.Context, a store.Admission) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(a.Windows) == 0 {
		return nil
	}
	if !wire.IsIdentifier(a.Site) {
		return fmt.Errorf("influx put: %w: site %.80q is no identifier", store.ErrPermanent, a.Site)
	}
	points := make([]*write.Point, 0, 2*len(a.Windows))
	for i := range a.Windows {
		w := &a.Windows[i]
		if err := storable(w); err != nil {
			return fmt.Errorf("influx put: %w: window %s: %w", store.ErrPermanent, w.Key, err)
		}
		points = append(points, s.points(w, a.At)...)
	}
	if err := s.write(ctx, "put windows", points...); err != nil {
		return err
	}
	return s.write(ctx, "put journal entry", entryPoint(&a))
}

// storable keeps out what line protocol would bend: a tag that ends in a
// backslash corrupts its line, and integers have a sign.
func storable(w *wire.Window) error {
	for _, value := range []string{w.Src, w.Dst, w.SrcCluster, w.DstCluster, w.Carrier, w.Plane, w.Test, w.Method} {
		if !wire.IsIdentifier(value) {
			return fmt.Errorf("%.80q is no identifier", value)
		}
	}
	if w.Session > math.MaxInt64 {
		return fmt.Errorf("session is above %d", int64(math.MaxInt64))
	}
	return nil
}

func (s *Store) write(ctx context.Context, operation string, points ...*write.Point) error {
	within, cancel := context.WithTimeout(ctx, s.config.timeout)
	defer cancel()
	return s.explain(ctx, operation, s.writer.WritePoint(within, points...), writing)
}

// place is the time of a point with this content: the millisecond, and digits
// below it that only equal content shares.
func (s *Store) place(ms int64, content []byte) time.Time {
	mac := hmac.New(sha256.New, []byte(s.config.Secret))
	mac.Write(content)
	return time.Unix(0, ms*nsPerMS+int64(binary.BigEndian.Uint64(mac.Sum(nil))%uint64(nsPerMS)))
}

// points gives the point of a window and the one that dates it.
func (s *Store) points(w *wire.Window, at time.Time) []*write.Point {
	canonical := w.Canonical()
	link := map[string]string{"src": w.Src, "dst": w.Dst, "test": w.Test}
	tags := map[string]string{
		"src": w.Src, "dst": w.Dst, "test": w.Test,
		"src_cluster": w.SrcCluster, "dst_cluster": w.DstCluster,
		"carrier": w.Carrier, "plane": w.Plane, "method": w.Method,
	}
	// The types of fields are frozen: the server refuses another type for ever.
	fields := map[string]any{
		"end_ms": w.EndMS, "session": int64(w.Session), "end_reason": string(w.EndReason),
		"scheduled": int64(w.Scheduled), "sent": int64(w.Sent), "received": int64(w.Received),
		"lost": int64(w.Lost), "late": int64(w.Late), "duplicate": int64(w.Duplicate),
		"send_error": int64(w.SendError), "unstamped": int64(w.Unstamped),
		"timestamps": string(w.Timestamps), "clock": string(w.Clock.State), "origin": string(w.Origin),
		"mesh_sha256": w.MeshSHA256, "probe_version": w.ProbeVersion,
	}
	// A group that the window lacks is absent rather than a number that would
	// spoil an average. A second writing cannot mix with it, because points at
	// the same time have the same content.
	if v := w.Stats; v != nil {
		fields["min_us"], fields["mean_us"], fields["max_us"] = int64(v.MinUS), v.MeanUS, int64(v.MaxUS)
		fields["p50_us"], fields["p95_us"], fields["p99_us"] = int64(v.P50US), int64(v.P95US), int64(v.P99US)
	}
	if v := w.IPDV; v != nil {
		fields["ipdv_mean_us"], fields["ipdv_max_us"] = v.MeanUS, int64(v.MaxUS)
	}
	if v := w.ReplyTTL; v != nil {
		fields["ttl_min"], fields["ttl_max"], fields["ttl_changes"] = int64(v.Min), int64(v.Max), int64(v.Changes)
	}
	setDocument(fields, "window", canonical)

	dating := encode(admitted{at.UnixMilli(), shorten(sha256.Sum256(canonical))})
	return []*write.Point{
		write.NewPoint("rtt", tags, fields, s.place(w.StartMS, canonical)),
		write.NewPoint("admitted", link, map[string]any{"admission": string(dating)}, s.place(w.StartMS, dating)),
	}
}
