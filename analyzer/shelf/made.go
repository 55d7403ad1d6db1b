package shelf

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
)

// Made is a report on the shelf. Neither it nor what it gives may be changed.
type Made struct {
	Report *api.Report // whole
	Made   time.Time   // when its making began: what was stored before is in it
	// Modified is when a report of the same bytes was first made.
	Modified time.Time

	over       time.Time    // end of the period
	archive    [32]byte     // meshes that it was made by
	restsOn    latency.Span // days of which any may change it
	generation int64        // of the day records; 0: none were used
	byDays     bool         // it is good until one of these days is touched
	untouched  look[bool]   // whether none was
	grow       func(*Made, int64)
	size       int64 // bytes of the figures in memory
	weight     int64 // bytes of all of this, as counted by the shelf and protected by it
	used       int64 // when it was last asked for, by a counter; protected as weight

	mu       sync.Mutex // protects all following fields
	excerpts map[string]func() *api.Report
	bodies   map[string]func() (*Body, error)
}

// ByAge tells whether the report is good for a while only, since it is not known
// what may change it, or always something does.
func (m *Made) ByAge() bool { return !m.byDays }

// Body is an answer as bytes.
type Body struct {
	Plain []byte
	ETag  string // of Plain, strong, in its quotes

	gzip func() []byte
}

// Gzip is Plain, compressed when it is first asked for.
func (b *Body) Gzip() []byte { return b.gzip() }

// GzipETag is that of the compressed bytes, which are other bytes.
func (b *Body) GzipETag() string { return strings.TrimSuffix(b.ETag, `"`) + `-gzip"` }

// Excerpt is what a reader may see of the report.
func (m *Made) Excerpt(r *readers.Reader) *api.Report {
	if r.Whole() {
		return m.Report
	}
	m.mu.Lock()
	cut := m.excerpts[scope(r)]
	if cut == nil {
		cut = sync.OnceValue(func() *api.Report {
			m.grow(m, m.size) // an excerpt has no more than the whole
			return r.Excerpt(m.Report)
		})
		if m.excerpts == nil {
			m.excerpts = map[string]func() *api.Report{}
		}
		m.excerpts[scope(r)] = cut
	}
	m.mu.Unlock()
	return cut()
}

// JSON is what a reader may see of the report as bytes.
func (m *Made) JSON(r *readers.Reader) (*Body, error) {
	return m.Body("json", r, func(excerpt *api.Report) ([]byte, error) { return report.JSON(excerpt) })
}

// Body is what a reader may see in some form, of which the name is that of no
// other. It is made when it is first asked for, and kept.
func (m *Made) Body(form string, r *readers.Reader, write func(*api.Report) ([]byte, error)) (*Body, error) {
	name := form + "\x00" + scope(r)
	m.mu.Lock()
	body := m.bodies[name]
	if body == nil {
		body = sync.OnceValues(func() (*Body, error) {
			plain, err := write(m.Excerpt(r))
			if err != nil {
				return nil, err
			}
			return m.bodyOf(plain), nil
		})
		if m.bodies == nil {
			m.bodies = map[string]func() (*Body, error){}
		}
		m.bodies[name] = body
	}
	m.mu.Unlock()
	made, err := body()
	if err != nil { // whoever asks next may have better luck
		m.mu.Lock()
		delete(m.bodies, name)
		m.mu.Unlock()
	}
	return made, err
}

func (m *Made) bodyOf(plain []byte) *Body {
	m.grow(m, int64(len(plain)))
	body := NewBody(plain)
	body.gzip = sync.OnceValue(func() []byte {
		packed := pack(plain)
		m.grow(m, int64(len(packed)))
		return packed
	})
	return body
}

// NewBody is an answer that nobody keeps.
func NewBody(plain []byte) *Body {
	sum := sha256.Sum256(plain)
	return &Body{
		Plain: plain, ETag: `"` + hex.EncodeToString(sum[:]) + `"`,
		gzip: sync.OnceValue(func() []byte { return pack(plain) }),
	}
}

func pack(plain []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(plain) // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// scope names what a reader sees. Two that see the same have the same name.
func scope(r *readers.Reader) string {
	if r.Whole() {
		return ""
	}
	return string(r.Role) + "\x00" + strings.Join(r.Carriers, "\x00")
}

// weigh makes the bytes of the whole, by which the report is weighed, and tells
// since when they are what they are.
func (m *Made) weigh(before *Made) error {
	whole := &readers.Reader{Role: readers.Regulator}
	body, err := m.JSON(whole)
	if err != nil {
		return err
	}
	m.Modified = m.Made
	if before != nil {
		old, err := before.JSON(whole)
		next := before.Modified.Truncate(time.Second).Add(time.Second)
		switch {
		case err == nil && old.ETag == body.ETag:
			m.Modified = before.Modified
		case m.Modified.Before(next):
			// Last-Modified has seconds, and two reports must not have the same one.
			m.Modified = next
		}
	}
	// The figures in memory take about as much as written down.
	m.size = int64(len(body.Plain))
	m.weight = 2 * m.size
	return nil
}

// keeping is what is kept, within a bound; who uses it, locks it.
type keeping struct {
	max, bytes int64
	uses       int64
	at         map[Key]*Made
}

func (k *keeping) get(key Key) *Made {
	m := k.at[key]
	if m != nil {
		k.uses++
		m.used = k.uses
	}
	return m
}

func (k *keeping) put(key Key, m *Made) {
	k.drop(key)
	k.at[key] = m
	k.bytes += m.weight
	k.get(key)
	k.fit(key)
}

func (k *keeping) drop(key Key) {
	if m := k.at[key]; m != nil {
		k.bytes -= m.weight
		delete(k.at, key)
	}
}

// grow counts what was added to a report, if it is kept still.
func (k *keeping) grow(key Key, m *Made, by int64) {
	if k.at[key] != m {
		return
	}
	m.weight += by
	k.bytes += by
	k.fit(key)
}

// fit drops what was not asked for the longest, the one named last.
func (k *keeping) fit(last Key) {
	for k.bytes > k.max {
		oldest := last
		for key, m := range k.at {
			if key != last && (oldest == last || m.used < k.at[oldest].used) {
				oldest = key
			}
		}
		k.drop(oldest)
	}
}
