// Package wan is the emulated long-haul network: it reads wan.yaml, which says
// how long the packets between two sites of a mesh take and what befalls them,
// and tells the fate of every packet from it.
//
// It is pure: no clock, no I/O beyond reading the file, and everything random
// follows from the seed in the file, so that the same packets meet the same
// fates on every machine. The emulator asks it for packets that exist; whoever
// wants a year of windows without a network may ask it just the same.
package wan

import (
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
	"github.com/fibergauge/fibergauge/mesh"
)

// FormatVersion is the version of the file format that this package reads.
const FormatVersion = 1

// WAN is one wan.yaml, checked against the mesh that it is for. The exported
// fields mirror the file; lab/README.md documents each.
type WAN struct {
	Version   int      `yaml:"version"`
	Seed      uint64   `yaml:"seed"`
	Defaults  Settings `yaml:"defaults"`
	Links     []Link   `yaml:"links"`
	Events    []Event  `yaml:"events"`
	Absent    []string `yaml:"absent"`
	Collector []Outage `yaml:"collector"`
	History   *History `yaml:"history"`

	mesh   *mesh.Mesh
	bytes  []byte
	events []span // of Events, in their order
}

// Settings are what can be said of a link. A field that is absent leaves in
// force what was said before.
type Settings struct {
	RTTMS            *float64 `yaml:"rtt_ms"`            // RTT without jitter
	Stretch          *float64 `yaml:"stretch"`           // RTT without jitter over the theoretical RTT
	Asymmetry        *float64 `yaml:"asymmetry"`         // share of the RTT spent on the way from → to
	Jitter           *Jitter  `yaml:"jitter"`            // extra delay of each packet on each way
	LossPercent      *float64 `yaml:"loss_percent"`      // of the packets on each way
	DuplicatePercent *float64 `yaml:"duplicate_percent"` // of the packets on each way
	ReorderPercent   *float64 `yaml:"reorder_percent"`   // of the packets on each way, held back by ReorderMS
	ReorderMS        *float64 `yaml:"reorder_ms"`        // how long a reordered packet is held back
	Hops             *int     `yaml:"hops"`              // routers on each way, each taking one off the TTL
	Cut              *bool    `yaml:"cut"`               // nothing passes
}

// Ends select links: all pairs of sites of one carrier and plane of which one
// end matches From and the other To. The way From → To is the forward one;
// where both orders match, it runs in the order of the sites in the mesh.
type Ends struct {
	From     string       `yaml:"from"` // shell pattern over site or cluster identifiers; all if absent
	To       string       `yaml:"to"`
	Carriers []string     `yaml:"carriers"` // only these, if any
	Planes   []mesh.Plane `yaml:"planes"`
}

// Link says something of the links that its ends select. The entries apply in
// their order: of two that set one field, the later wins.
type Link struct {
	Ends     `yaml:",inline"`
	Settings `yaml:",inline"`
}

// Event changes links for a time. Events apply over the links, in their order.
type Event struct {
	At       string `yaml:"at"`  // after the start, such as 10s
	For      string `yaml:"for"` // such as 5s; to the end if absent
	Ends     `yaml:",inline"`
	Settings `yaml:",inline"`
}

// Outage is a time without the collector.
type Outage struct {
	At  string `yaml:"at"`
	For string `yaml:"for"`
	How How    `yaml:"how"`

	span span
}

// How says in which way the collector goes.
type How string

// Ways of ending a collector.
const (
	Stop How = "stop" // SIGTERM
	Kill How = "kill" // SIGKILL, as a crash or a loss of power would
)

// span is [from, until) after the start of a run.
type span struct{ from, until time.Duration }

// forever is later than any run ends.
const forever = time.Duration(1<<63 - 1)

// Load reads a wan.yaml for a mesh. Errors name file, line and field.
func Load(file string, m *mesh.Mesh) (*WAN, error) {
	w := &WAN{mesh: m}
	doc, data, err := yamlfile.Read(file, w)
	if err != nil {
		return nil, err
	}
	return w.finish(doc, data)
}

// Parse reads a wan.yaml for a mesh from bytes; name stands in the errors for
// the file.
func Parse(name string, data []byte, m *mesh.Mesh) (*WAN, error) {
	w := &WAN{mesh: m}
	doc, err := yamlfile.Parse(name, data, w)
	if err != nil {
		return nil, err
	}
	return w.finish(doc, data)
}

func (w *WAN) finish(doc *yamlfile.Document, data []byte) (*WAN, error) {
	w.bytes = data
	if err := w.check(doc); err != nil {
		return nil, err
	}
	return w, nil
}

// Bytes are the file's bytes. They must not be changed.
func (w *WAN) Bytes() []byte { return w.bytes }

// Beyond lists, each on one line, what a run of the given length never comes
// to: most likely a slip.
func (w *WAN) Beyond(length time.Duration) []string {
	var late []string
	for i, s := range w.events {
		if s.from >= length {
			late = append(late, fmt.Sprintf("events[%d] begins at %s, after the end of a run of %s", i, s.from, length))
		}
	}
	for i := range w.Collector {
		if s := w.Collector[i].span; s.from >= length {
			late = append(late, fmt.Sprintf("collector[%d] begins at %s, after the end of a run of %s", i, s.from, length))
		}
	}
	return late
}

// IsAbsent tells whether the probe of a site is never started.
func (w *WAN) IsAbsent(s *mesh.Site) bool {
	for _, pattern := range w.Absent {
		if s.Matches(pattern) {
			return true
		}
	}
	return false
}

// Begin and End of the outage, after the start of the run.
func (o *Outage) Begin() time.Duration { return o.span.from }

// End is when the collector is started again.
func (o *Outage) End() time.Duration { return o.span.until }
