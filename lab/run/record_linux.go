package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/mesh"

	"github.com/fibergauge/fibergauge/lab/emulator"
)

// notice stands above everything that a run gives out.
const notice = "The delays are emulated: invented in wan.yaml and made by one machine. No real network was measured."

// Emulated is emulated.json: what the run asked of its network, for holding
// what was measured against it.
type Emulated struct {
	Schema     string          `json:"schema"` // SchemaEmulated
	Notice     string          `json:"notice"`
	MeshSHA256 string          `json:"mesh_sha256"`
	WANSHA256  string          `json:"wan_sha256"`
	Seed       uint64          `json:"seed"`
	From       string          `json:"from"`  // of the report, RFC 3339
	Begun      string          `json:"begun"` // when the time of the events began
	To         string          `json:"to"`    // of the report, exclusive
	Links      []EmulatedLink  `json:"links"`
	Absent     []string        `json:"absent,omitempty"` // sites whose probe was not started
	Collector  []EmulatedGap   `json:"collector,omitempty"`
	Emulator   emulator.Counts `json:"emulator"`
}

// SchemaEmulated is the schema of emulated.json.
const SchemaEmulated = "fibergauge.emulated/1"

// EmulatedLink is what a probe at Src has to find of the link to Dst.
type EmulatedLink struct {
	Src           string   `json:"src"`
	Dst           string   `json:"dst"`
	TheoreticalUS float64  `json:"theoretical_rtt_us"`
	RTTUS         float64  `json:"rtt_us"`            // at the start, without jitter
	ExpectedP50US *float64 `json:"expected_p50_us"`   // over the answered packets of the whole run; null where none is
	Answered      float64  `json:"expected_answered"` // share of the packets
}

// EmulatedGap is a time without the collector, in seconds after Begun.
type EmulatedGap struct {
	FromS float64 `json:"from_s"`
	ToS   float64 `json:"to_s"`
	How   string  `json:"how"`
}

// record writes emulated.json.
func (s *stage) record() error {
	sum := sha256.Sum256(s.wan.Bytes())
	e := Emulated{
		Schema: SchemaEmulated, Notice: notice,
		MeshSHA256: s.mesh.SHA256(), WANSHA256: hex.EncodeToString(sum[:]), Seed: s.wan.Seed,
		From: moment(s.from), Begun: moment(s.begun), To: moment(s.to),
		Links: s.links(), Emulator: s.emulator.Counts(),
	}
	for i := range s.mesh.Sites {
		if site := &s.mesh.Sites[i]; site.Role.Probes() && s.wan.IsAbsent(site) {
			e.Absent = append(e.Absent, site.ID)
		}
	}
	for i := range s.wan.Collector {
		o := &s.wan.Collector[i]
		e.Collector = append(e.Collector, EmulatedGap{o.Begin().Seconds(), o.End().Seconds(), string(o.How)})
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("write emulated.json: %w", err)
	}
	return s.folder.write("emulated.json", out.Bytes())
}

func (s *stage) links() []EmulatedLink {
	links := []EmulatedLink{}
	length := max(s.to.Sub(s.begun), time.Millisecond)
	for _, l := range Measured(s.mesh, s.from) {
		p50, answered := s.network.Expected(l[0], l[1], length, Timeout)
		dst := &s.mesh.Sites[l[1]]
		if s.mesh.Test(s.mesh.Judged).Method == mesh.MethodSTAMP && dst.Role.Probes() && s.wan.IsAbsent(dst) {
			answered = 0 // echo is answered by the system, STAMP by a program
		}
		link := EmulatedLink{
			Src: s.mesh.Sites[l[0]].ID, Dst: s.mesh.Sites[l[1]].ID,
			TheoreticalUS: us(s.network.Theoretical(l[0], l[1])),
			RTTUS:         us(s.network.Profile(l[0], l[1], 0).RTT),
			Answered:      answered,
		}
		if answered > 0 {
			expected := us(p50)
			link.ExpectedP50US = &expected
		}
		links = append(links, link)
	}
	return links
}

// us is a duration in microseconds, to the nanosecond.
func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
