package endtoend

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// colourful is a mesh with everything at once that a mesh may have: three
// carriers, two planes, IPv6, a site that only answers, two sites of one
// carrier in one cluster.
const colourful = `
version: 1
name: colourful
time_zone: Asia/Shanghai
hubs:
  - {id: west, name: {en: West}}
  - {id: east, name: {en: East}}
clusters:
  - {id: aa, hub: west, name: {en: Aa}, location: {lat: 40.6, lon: 115.1}}
  - {id: bb, hub: east, name: {en: Bb}, location: {lat: 31.1, lon: 121.1}}
  - {id: cc, hub: east, name: {en: Cc}, location: {lat: 31.4, lon: 118.4}}
  - {id: dd, hub: west, name: {en: Dd}, location: {lat: 37.5, lon: 105.2}}
carriers:
  - {id: one, name: {en: One}}
  - {id: two, name: {en: Two}}
  - {id: six, name: {en: Six}}
planes: [optical, private-ip]
sites:
  - {id: aa1, cluster: aa, carrier: one, plane: optical, address: 192.0.2.1, role: both}
  - {id: bb1, cluster: bb, carrier: one, plane: optical, address: 192.0.2.2, role: both}
  - {id: cc1, cluster: cc, carrier: one, plane: optical, address: 192.0.2.3, role: reflector}
  - {id: dd1, cluster: dd, carrier: one, plane: optical, address: 192.0.2.4, role: both}
  - {id: aa2, cluster: aa, carrier: two, plane: private-ip, address: 192.0.2.11, role: both}
  - {id: bb2, cluster: bb, carrier: two, plane: private-ip, address: 192.0.2.12, role: both}
  - {id: bb3, cluster: bb, carrier: two, plane: private-ip, address: 192.0.2.13, role: both}
  - {id: aa6, cluster: aa, carrier: six, plane: optical, address: "2001:db8::1", role: both}
  - {id: bb6, cluster: bb, carrier: six, plane: optical, address: "2001:db8::2", role: both}
  - {id: cc6, cluster: cc, carrier: six, plane: optical, address: "2001:db8::3", role: both}
distances:
  - {clusters: [aa, bb], km: 1537, class: A, source: register}
measure:
  - {test: ping, method: icmp, links: [{}], interval_ms: 500, size_bytes: 100, dscp: 46, window_s: 5}
judged: ping
`

// colourfulWAN loses everything between aa1 and bb1, never starts the probe of
// dd1, and slows carrier two towards bb3.
const colourfulWAN = `
version: 1
seed: 7
defaults: {stretch: 1.2, jitter: {distribution: exponential, median_ms: 0.05}}
links:
  - {from: aa1, to: bb1, loss_percent: 100}
  - {from: aa2, to: bb3, stretch: 2}
absent: [dd1]
`

// bySTAMP is colourful by STAMP, which one reflector wants authenticated and
// another in PTP's format.
var bySTAMP = strings.NewReplacer(
	"method: icmp", "method: stamp", "size_bytes: 100", "size_bytes: 192",
	"192.0.2.12, role: both", "192.0.2.12, role: both, stamp: {authenticated: true}",
	`"2001:db8::2", role: both`, `"2001:db8::2", role: both, stamp: {timestamps: ptp, port: 4862}`,
).Replace(colourful)

func TestMeshesOfEveryShape(t *testing.T) {
	for method, mesh := range map[string]string{"icmp": colourful, "stamp": bySTAMP} {
		t.Run(method, func(t *testing.T) {
			r := runLab(t, mesh, colourfulWAN, 20*time.Second)
			if r.holdMedians(t) == 0 {
				t.Error("no median was compared")
			}
			if s := r.report.Data.Timestamps; s.User+s.Hardware > 0 || s.Kernel == 0 {
				t.Errorf("timestamps %+v, want all by the kernel", s)
			}
			r.holdShapes(t)
			if method == "stamp" {
				r.holdSTAMP(t)
			}
		})
	}
}

// holdSTAMP looks at what only STAMP tells.
func (r *run) holdSTAMP(t *testing.T) {
	authenticated, forward, answered := 0, uint32(0), 0
	for _, record := range records(t, r) {
		w := record.Window
		if w.Method != "stamp" {
			t.Errorf("window %v is by %s", w.Key, w.Method)
		}
		if w.STAMP == nil {
			continue
		}
		answered++
		if w.STAMP.Authenticated {
			authenticated++
		}
		if w.STAMP.Authenticated != (w.Dst == "bb2") {
			t.Errorf("window %v: authenticated %v", w.Key, w.STAMP.Authenticated)
		}
		if d := w.STAMP.DSCPReceived; d == nil || *d != 46 {
			t.Errorf("window %v: DSCP as received %v, want 46", w.Key, d)
		}
		forward += w.STAMP.ForwardLost + w.STAMP.ReverseLost
	}
	if answered == 0 || authenticated == 0 {
		t.Errorf("%d windows were answered, %d of them authenticated", answered, authenticated)
	}
	if forward > 0 {
		t.Errorf("%d packets are told as lost on a link that loses none", forward)
	}
}

// holdShapes holds each link, and each pair, against what was emulated.
func (r *run) holdShapes(t *testing.T) {

	for _, test := range []struct {
		name        string
		a, b        string
		verdict     api.Verdict
		reasons     []string
		singleEnded bool
	}{
		{"everything lost", "aa1", "bb1", api.NonCompliant, []string{api.ReasonUnbounded}, false},
		{"probe never started", "aa1", "dd1", api.NotDemonstrated, []string{api.ReasonNoWindows}, false},
		{"reflector only", "aa1", "cc1", api.Compliant, []string{}, true},
		{"second carrier", "aa2", "bb2", api.Compliant, []string{}, false},
		{"too slow", "aa2", "bb3", api.NonCompliant, []string{api.ReasonAboveLimit}, false},
		{"IPv6", "aa6", "bb6", api.Compliant, []string{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			link := r.link(t, test.a, test.b)
			if link.Verdict != test.verdict || link.SingleEnded != test.singleEnded {
				t.Errorf("%s, single-ended %v; want %s, %v (%+v)", link.Verdict, link.SingleEnded, test.verdict, test.singleEnded, link)
			}
			for _, code := range test.reasons {
				if !slices.Contains(codes(link.Reasons), code) {
					t.Errorf("reasons %v, want %s among them", codes(link.Reasons), code)
				}
			}
			if len(test.reasons) == 0 && len(link.Reasons) != 0 {
				t.Errorf("reasons %v, want none", codes(link.Reasons))
			}
		})
	}

	// aa-bb on the optical plane: carrier one loses everything, carrier six
	// complies over IPv6; the best carrier counts.
	for _, p := range r.report.Planes {
		if p.Rate.Total != 6 {
			t.Errorf("%s: the rate is over %d pairs, want 6", p.Plane, p.Rate.Total)
		}
		for _, pair := range p.Pairs {
			if p.Plane == "optical" && pair.Pair == [2]string{"aa", "bb"} && (pair.Carrier != "six" || pair.Verdict != api.Compliant) {
				t.Errorf("aa-bb on the optical plane is %s by %s; want compliant by six", pair.Verdict, pair.Carrier)
			}
			if p.Plane == "private-ip" && pair.Pair == [2]string{"aa", "bb"} && pair.Verdict != api.Compliant {
				t.Errorf("aa-bb on the private IP plane is %s; want compliant, because the best site counts", pair.Verdict)
			}
			if p.Plane == "private-ip" && pair.Pair == [2]string{"cc", "dd"} && !slices.Contains(codes(pair.Reasons), api.ReasonNoSites) {
				t.Errorf("cc-dd on the private IP plane has reasons %v; want %s", codes(pair.Reasons), api.ReasonNoSites)
			}
		}
	}
}

const plainWAN = "version: 1\nseed: 1\ndefaults: {stretch: 1.1, jitter: {distribution: exponential, median_ms: 0.02}}\n"

func TestTwoClusters(t *testing.T) {
	r := runLab(t, ring(2, 500*time.Millisecond), plainWAN, 12*time.Second)
	if r.report.Rate.Total != 1 || r.report.Rate.Compliant != 1 {
		t.Errorf("%d of %d pairs comply, want 1 of 1", r.report.Rate.Compliant, r.report.Rate.Total)
	}
	if compared := r.holdMedians(t); compared != 2 {
		t.Errorf("%d medians compared, want 2", compared)
	}
}

// TestThirtyClusters fills the machine: 30 probes, 870 links. What user space
// timing adds at the 95th percentile is then the machine's, so the verdicts say
// nothing; that every pair has one, and the medians, do.
func TestThirtyClusters(t *testing.T) {
	r := runLab(t, ring(30, time.Second), plainWAN, 24*time.Second)
	if r.report.Rate.Total != 435 || r.report.Rate.NotDemonstrated != 0 {
		t.Errorf("%d of %d pairs are not demonstrated, want none of 435", r.report.Rate.NotDemonstrated, r.report.Rate.Total)
	}
	if compared := r.holdMedians(t); compared != 870 {
		t.Errorf("%d medians compared, want 870", compared)
	}
}
