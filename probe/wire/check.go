package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// MaxIdentifier bounds the length of an identifier.
const MaxIdentifier = 64

// MaxWindow is the longest window that a mesh may ask for.
const MaxWindow = 15 * time.Minute

// IsIdentifier tells whether s is 1 to MaxIdentifier characters out of
// [A-Za-z0-9._-]: safe in a URL, in line protocol, in a file name.
func IsIdentifier(s string) bool {
	if len(s) == 0 || len(s) > MaxIdentifier {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// IsDigest tells whether s is a SHA-256 in lower-case hex.
func IsDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == len(Digest{}) && strings.ToLower(s) == s
}

// Check tells what is wrong with a window by itself: identifiers, times,
// counts that contradict each other, samples that do not decode, statistics
// that do not follow from them. What it accepts has one canonical form.
func (w *Window) Check() error {
	return first(
		w.checkIdentifiers,
		w.checkTimes,
		w.checkCounts,
		w.checkSamples,
		w.checkSources,
		w.checkGroups,
	)
}

func first(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (w *Window) checkIdentifiers() error {
	for _, field := range []struct{ name, value string }{
		{"src", w.Src}, {"dst", w.Dst}, {"test", w.Test},
		{"src_cluster", w.SrcCluster}, {"dst_cluster", w.DstCluster},
		{"carrier", w.Carrier}, {"plane", w.Plane}, {"method", w.Method},
	} {
		if !IsIdentifier(field.value) {
			return fmt.Errorf("%s: %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", field.name, field.value, MaxIdentifier)
		}
	}
	if w.Src == w.Dst {
		return fmt.Errorf("dst: is %q, the same as src", w.Dst)
	}
	return nil
}

func (w *Window) checkTimes() error {
	if w.Session > math.MaxInt64 {
		// InfluxDB 1.8 and SQLite hold signed integers.
		return fmt.Errorf("session: %d is above %d", w.Session, int64(math.MaxInt64))
	}
	if w.StartMS <= 0 || w.StartMS > maxMS {
		return fmt.Errorf("start_ms: %d is not between 1970 and 2200", w.StartMS)
	}
	if length := w.EndMS - w.StartMS; length <= 0 || length > MaxWindow.Milliseconds() {
		return fmt.Errorf("end_ms: the window is %d ms long; 1 to %d are allowed", length, MaxWindow.Milliseconds())
	}
	if !slices.Contains([]EndReason{EndFull, EndStop, EndClockStep, EndTimestamps, EndAssignment}, w.EndReason) {
		return fmt.Errorf("end_reason: %.40q is not full, stop, clock-step, timestamps or assignment", w.EndReason)
	}
	return nil
}

// maxMS is the year 2200, inside what nanoseconds in an int64 can say.
const maxMS = 7_258_118_400_000

func (w *Window) checkCounts() error {
	c := w.Counts
	switch {
	case uint64(c.Sent) != uint64(c.Received)+uint64(c.Lost):
		return fmt.Errorf("sent: %d is not received %d + lost %d", c.Sent, c.Received, c.Lost)
	case c.Late > c.Lost:
		return fmt.Errorf("late: %d is above lost %d, of which it is a part", c.Late, c.Lost)
	case c.Unstamped > c.Received:
		return fmt.Errorf("unstamped: %d is above received %d, of which it is a part", c.Unstamped, c.Received)
	case uint64(c.Sent)+uint64(c.SendError) > uint64(c.Scheduled):
		return fmt.Errorf("scheduled: %d is below sent %d + send_error %d", c.Scheduled, c.Sent, c.SendError)
	case c.Scheduled > maxScheduled:
		return fmt.Errorf("scheduled: %d is above %d", c.Scheduled, maxScheduled)
	}
	return nil
}

// maxScheduled is a packet every 10 ms for the longest window.
const maxScheduled = 90_000

func (w *Window) checkSamples() error {
	if len(w.RTTs) > 5*maxScheduled {
		return fmt.Errorf("rtts: %d bytes is more than any window needs", len(w.RTTs))
	}
	rtts, err := DecodeRTTs(nil, w.RTTs)
	if err != nil {
		return err
	}
	stamped := int(w.Received - w.Unstamped)
	if w.Summary == nil && len(rtts) != stamped {
		return fmt.Errorf("rtts: %d samples for received %d − unstamped %d", len(rtts), w.Received, w.Unstamped)
	}
	if w.Summary != nil && len(rtts) != 0 {
		return errors.New("rtts: a window with a summary has no samples of its own")
	}
	want := StatsOf(rtts)
	if (want == nil) != (w.Stats == nil) || want != nil && *want != *w.Stats {
		return errors.New("stats: do not follow from rtts")
	}
	if v := w.IPDV; v != nil {
		if len(rtts) < 2 && w.Summary == nil {
			return errors.New("ipdv: needs at least two samples")
		}
		if !isMean(v.MeanUS) || v.MaxUS > MaxRTTUS {
			return fmt.Errorf("ipdv: is not within 0 to %d µs", MaxRTTUS)
		}
	}
	if v := w.ReplyTTL; v != nil && v.Min > v.Max {
		return fmt.Errorf("reply_ttl: min %d is above max %d", v.Min, v.Max)
	}
	return nil
}

func (w *Window) checkSources() error {
	switch {
	case !slices.Contains([]Timestamps{TimestampsHardware, TimestampsKernel, TimestampsUser}, w.Timestamps):
		return fmt.Errorf("timestamps: %.40q is not hardware, kernel or user", w.Timestamps)
	case !slices.Contains([]ClockState{ClockSynchronised, ClockUnsynchronised, ClockUnknown}, w.Clock.State):
		return fmt.Errorf("clock.state: %.40q is not synchronised, unsynchronised or unknown", w.Clock.State)
	case !slices.Contains([]Origin{OriginMeasured, OriginEmulated, OriginSynthetic, OriginImported}, w.Origin):
		return fmt.Errorf("origin: %.40q is not measured, emulated, synthetic or imported", w.Origin)
	case !IsDigest(w.MeshSHA256):
		return fmt.Errorf("mesh_sha256: %.80q is not a SHA-256 in hex", w.MeshSHA256)
	case !isText(w.ProbeVersion, 128):
		return fmt.Errorf("probe_version: %.80q is not 1 to 128 printable ASCII characters", w.ProbeVersion)
	}
	return nil
}

// isMean tells whether v is a mean of RTTs. Minus zero is none: not every store
// keeps its sign, and the digest would change.
func isMean(v float64) bool { return v >= 0 && v <= MaxRTTUS && !math.Signbit(v) }

// isText tells whether s is printable ASCII that JSON writes as it stands, so
// that its canonical form has one spelling.
func isText(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (w *Window) checkGroups() error {
	if s := w.STAMP; s != nil {
		if err := w.checkFurther(s.RawRTTs); err != nil {
			return fmt.Errorf("stamp.raw_%w", err)
		}
		if s.DSCPReceived != nil && (*s.DSCPReceived < 0 || *s.DSCPReceived > 63) {
			return fmt.Errorf("stamp.dscp_received: %d is not within 0 to 63", *s.DSCPReceived)
		}
	}
	if o := w.OneWay; o != nil {
		for _, coded := range [][]byte{o.Forward, o.Reverse} {
			if err := w.checkFurther(coded); err != nil {
				return fmt.Errorf("one_way: %w", err)
			}
		}
	}
	if p := w.Path; p != nil {
		if p.Trigger != "ttl" && p.Trigger != "rtt-step" {
			return fmt.Errorf("path.trigger: %.40q is not ttl or rtt-step", p.Trigger)
		}
		if len(p.Hops) > 64 {
			return fmt.Errorf("path.hops: %d are more than 64", len(p.Hops))
		}
		for _, hop := range p.Hops {
			if hop.Address != "" && !isText(hop.Address, 64) {
				return fmt.Errorf("path.hops: %.80q is not an address", hop.Address)
			}
		}
	}
	if s := w.Summary; s != nil {
		if !isText(s.Source, 256) {
			return fmt.Errorf("summary.source: %.80q is not 1 to 256 printable ASCII characters", s.Source)
		}
		if s.MeanUS != nil && !isMean(*s.MeanUS) {
			return fmt.Errorf("summary.mean_us: is not within 0 to %d", MaxRTTUS)
		}
		if s.MinUS == nil && s.MeanUS == nil && s.MaxUS == nil {
			return errors.New("summary: says nothing; give min_us, mean_us or max_us")
		}
	}
	return nil
}

// checkFurther holds samples beside RTTs: no packet has two.
func (w *Window) checkFurther(coded []byte) error {
	if len(coded) > 5*maxScheduled {
		return fmt.Errorf("rtts: %d bytes is more than any window needs", len(coded))
	}
	samples, err := DecodeRTTs(nil, coded)
	if err == nil && len(samples) > int(w.Sent) {
		err = fmt.Errorf("rtts: %d samples for sent %d", len(samples), w.Sent)
	}
	return err
}

// DecodeBatch reads a batch strictly: one JSON value of the schema, no unknown
// fields, within the limits. It does not check the windows.
func DecodeBatch(data []byte) (*Batch, error) {
	var b Batch
	if err := decode(data, &b); err != nil {
		return nil, err
	}
	if b.Schema != SchemaBatch {
		return nil, fmt.Errorf("schema: %.80q is not %q", b.Schema, SchemaBatch)
	}
	if !IsIdentifier(b.Site) {
		return nil, fmt.Errorf("site: %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", b.Site, MaxIdentifier)
	}
	if len(b.Windows) == 0 || len(b.Windows) > MaxBatchWindows {
		return nil, fmt.Errorf("windows: %d in the batch; 1 to %d are allowed", len(b.Windows), MaxBatchWindows)
	}
	if err := b.Signature.check(); err != nil {
		return nil, err
	}
	return &b, nil
}

// maxSignature bounds the bytes of a signature; Ed25519 has 64.
const maxSignature = 512

// check tells what cannot be a signature. Whether it is a true one is another
// question.
func (s *Signature) check() error {
	switch {
	case s == nil:
		return nil
	case !IsIdentifier(s.Algorithm):
		return fmt.Errorf("signature.algorithm: %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", s.Algorithm, MaxIdentifier)
	case !IsDigest(s.KeyID):
		return fmt.Errorf("signature.key_id: %.80q is not a SHA-256 in hex", s.KeyID)
	case len(s.Value) == 0 || len(s.Value) > maxSignature:
		return fmt.Errorf("signature.value: %d bytes; 1 to %d are allowed", len(s.Value), maxSignature)
	}
	return nil
}

// DecodeAssignment reads an assignment strictly.
func DecodeAssignment(data []byte) (*Assignment, error) {
	var a Assignment
	if err := decode(data, &a); err != nil {
		return nil, err
	}
	if a.Schema != SchemaAssignment {
		return nil, fmt.Errorf("schema: %.80q is not %q", a.Schema, SchemaAssignment)
	}
	return &a, nil
}

// DecodeAck reads an acknowledgement strictly.
func DecodeAck(data []byte) (*Ack, error) {
	var a Ack
	if err := decode(data, &a); err != nil {
		return nil, err
	}
	if a.Schema != SchemaAck {
		return nil, fmt.Errorf("schema: %.80q is not %q", a.Schema, SchemaAck)
	}
	return &a, nil
}

// DecodeWindow reads one window strictly, as the spool keeps it.
func DecodeWindow(data []byte) (*Window, error) {
	var w Window
	if err := decode(data, &w); err != nil {
		return nil, err
	}
	return &w, w.Check()
}

// ErrUnknownField means that a message has a field that this version does not
// know: whoever sent it may be of a later one, which added an optional group.
var ErrUnknownField = errors.New("unknown field")

// decode reads exactly one JSON value into a type, refusing unknown fields.
func decode(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		var typeErr *json.UnmarshalTypeError
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("the body is empty")
		case errors.As(err, &typeErr):
			return fmt.Errorf("%s: a JSON %s does not fit there", fieldPath(typeErr.Field), typeErr.Value)
		}
		what := strings.TrimPrefix(err.Error(), "json: ")
		// The only error of encoding/json that has no type.
		if field, unknown := strings.CutPrefix(what, "unknown field "); unknown {
			return fmt.Errorf("not the JSON expected: %w %s", ErrUnknownField, field)
		}
		return fmt.Errorf("not the JSON expected: %s", what)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows after the JSON value")
	}
	return nil
}

// fieldPath makes the path that encoding/json gives, which names embedded Go
// structs, the path that stands in the message.
func fieldPath(path string) string {
	if path == "" {
		return "the body"
	}
	return strings.NewReplacer(".Key.", ".", ".Counts.", ".").Replace(path)
}
