package measure

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Methods that this version measures.
const (
	MethodICMP  = "icmp"  // echo, RFC 792 and RFC 4443
	MethodSTAMP = "stamp" // RFC 8762
)

// Bounds of what is measured, those of the mesh.
const (
	minInterval = 10 * time.Millisecond
	maxInterval = time.Minute
	minSize     = 72 // holds what pro-bing puts into a packet, with IPv6 header
	maxSize     = 9000
	// Each target takes a socket and some 50 KiB.
	maxTargets = 20_000
)

// key names a flow.
type key struct{ test, dst string }

// planned is one flow as the assignment wants it. Flows whose plans are equal
// but for the labels go on without a break.
type planned struct {
	spec   Spec
	stamp  wire.STAMPTarget // with MethodSTAMP
	grid   window.Grid
	labels window.Labels
}

// same tells whether two plans need the same packets.
func (p planned) same(q planned) bool {
	return p.spec == q.spec && p.stamp == q.stamp && p.grid == q.grid && p.labels.Method == q.labels.Method
}

// Check tells whether an assignment is for this site and can be measured. Tests
// by methods that this version does not know are allowed, and left out.
func Check(a *wire.Assignment, site string) error {
	if a.Site != site {
		return fmt.Errorf("read assignment: it is for site %.80q, this is %q; check --collector and --site", a.Site, site)
	}
	_, _, err := plan(a, window.Labels{})
	return err
}

// plan makes the flows of an assignment. unknown counts the targets whose
// method this version does not know.
func plan(a *wire.Assignment, base window.Labels) (flows map[key]planned, unknown int, err error) {
	fail := func(format string, args ...any) (map[key]planned, int, error) {
		return nil, 0, fmt.Errorf("read assignment: "+format, args...)
	}
	for _, id := range []string{a.Site, a.Cluster, a.Carrier, a.Plane} {
		if !wire.IsIdentifier(id) {
			return fail("%.80q is not an identifier", id)
		}
	}
	if !wire.IsDigest(a.MeshSHA256) {
		return fail("mesh_sha256: %.80q is not a SHA-256 in hex", a.MeshSHA256)
	}
	source, err := netip.ParseAddr(a.Address)
	if err != nil {
		return fail("address: %.80q is not an IP address", a.Address)
	}
	base.Src, base.SrcCluster, base.Carrier, base.Plane, base.MeshSHA256 = a.Site, a.Cluster, a.Carrier, a.Plane, a.MeshSHA256
	flows = map[key]planned{}
	for _, task := range a.Tasks {
		if err := checkTask(task); err != nil {
			return fail("test %.80q: %w", task.Test, err)
		}
		if task.Method != MethodICMP && task.Method != MethodSTAMP {
			unknown += len(task.Targets)
			continue
		}
		for _, target := range task.Targets {
			if len(flows) == maxTargets {
				return fail("more than %d targets are more than one probe can measure", maxTargets)
			}
			address, err := netip.ParseAddr(target.Address)
			if err != nil || !canMeasure(address, source) || !wire.IsIdentifier(target.Site) || !wire.IsIdentifier(target.Cluster) || target.Site == a.Site {
				return fail("test %q: target %.80q in %.80q at %.80q cannot be measured", task.Test, target.Site, target.Cluster, target.Address)
			}
			k := key{task.Test, target.Site}
			if _, twice := flows[k]; twice {
				return fail("test %q: target %q stands there twice", task.Test, target.Site)
			}
			p := planned{
				spec:   Spec{Address: address.Unmap(), SizeBytes: task.SizeBytes, DSCP: task.DSCP, Interval: time.Duration(task.IntervalMS) * time.Millisecond},
				grid:   window.Grid{Interval: time.Duration(task.IntervalMS) * time.Millisecond, Length: time.Duration(task.WindowS) * time.Second},
				labels: base,
			}
			if source.Unmap().Is4() == p.spec.Address.Is4() {
				p.spec.Source = source.Unmap()
			}
			p.labels.Dst, p.labels.DstCluster, p.labels.Test, p.labels.Method, p.labels.DSCP = target.Site, target.Cluster, task.Test, task.Method, task.DSCP
			if task.Method == MethodSTAMP {
				if target.STAMP == nil {
					return fail("test %q: target %q: stamp: is missing", task.Test, target.Site)
				}
				p.stamp = *target.STAMP
				if err := CheckSTAMP(p.spec, p.stamp); err != nil {
					return fail("test %q: target %q: %w", task.Test, target.Site, err)
				}
			}
			flows[k] = p
		}
	}
	return flows, unknown, nil
}

// CheckSTAMP tells whether a reflector can be spoken to in a way, and by packets
// of a size.
func CheckSTAMP(s Spec, t wire.STAMPTarget) error {
	least := stamp.SizeUnauthenticated
	if t.Authenticated {
		least = stamp.SizeAuthenticated
	}
	switch {
	case t.Port < 1 || t.Port > math.MaxUint16:
		return fmt.Errorf("stamp.port: %d is not within 1 to 65535", t.Port)
	case t.Timestamps != "ntp" && t.Timestamps != "ptp":
		return fmt.Errorf("stamp.timestamps: %.40q is not ntp or ptp", t.Timestamps)
	case s.payload() < least:
		return fmt.Errorf("%d bytes leave %d for a STAMP packet, which needs %d", s.SizeBytes, s.payload(), least)
	}
	return nil
}

// canMeasure tells whether an address is that of one host, and of another one.
func canMeasure(address, own netip.Addr) bool {
	a := address.Unmap()
	return a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() && a != own.Unmap()
}

func checkTask(t wire.Task) error {
	interval, length := time.Duration(t.IntervalMS)*time.Millisecond, time.Duration(t.WindowS)*time.Second
	switch {
	case !wire.IsIdentifier(t.Test) || !wire.IsIdentifier(t.Method):
		return fmt.Errorf("name or method %.80q is not an identifier", t.Method)
	case interval < minInterval || interval > maxInterval:
		return fmt.Errorf("interval_ms: %d is not within %d to %d", t.IntervalMS, minInterval.Milliseconds(), maxInterval.Milliseconds())
	case length <= 0 || length > wire.MaxWindow || wire.MaxWindow%length != 0 || length%interval != 0:
		return fmt.Errorf("window_s: %d does not divide %v, or interval_ms %d does not divide it", t.WindowS, wire.MaxWindow, t.IntervalMS)
	case t.SizeBytes < minSize || t.SizeBytes > maxSize:
		return fmt.Errorf("size_bytes: %d is not within %d to %d", t.SizeBytes, minSize, maxSize)
	case t.DSCP < 0 || t.DSCP > 63:
		return fmt.Errorf("dscp: %d is not within 0 to 63", t.DSCP)
	}
	return nil
}

// seedOf makes a flow's own seed, so that two flows never send in step.
func seedOf(seed uint64, src string, k key) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s %s", seed, src, k.dst, k.test))
	return binary.BigEndian.Uint64(sum[:])
}
