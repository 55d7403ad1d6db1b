package wan

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
	"github.com/fibergauge/fibergauge/mesh"
)

// Bounds on what a file may ask for.
const (
	maxRTTMS    = 10_000 // above the time after which a probe gives a packet up, so that lateness can be shown
	maxStretch  = 100
	maxExtraMS  = 1000 // of jitter and of reordering
	maxHops     = 60   // a TTL of 64 survives it
	maxEventSec = 10 * 365 * 86400
)

// checker holds a file against its document and mesh; every check returns the
// first fault with its place.
type checker struct {
	*WAN
	doc *yamlfile.Document
}

func (w *WAN) check(doc *yamlfile.Document) error {
	c := &checker{w, doc}
	return yamlfile.First(
		c.checkHead, c.checkLinks, c.checkEvents, c.checkAbsent, c.checkCollector, c.checkHistory, c.checkComplete,
	)
}

func (c *checker) checkHead() error {
	if c.Version != FormatVersion {
		return c.doc.Errorf("version", "is %d; this program reads version %d", c.Version, FormatVersion)
	}
	return c.settings("defaults", c.Defaults)
}

func (c *checker) checkLinks() error {
	for i, l := range c.Links {
		at := fmt.Sprintf("links[%d]", i)
		if err := c.ends(at, l.Ends); err != nil {
			return err
		}
		if err := c.settings(at, l.Settings); err != nil {
			return err
		}
		if l.Settings == (Settings{}) {
			return c.doc.Errorf(at, "says nothing of its links; give rtt_ms, stretch or another setting")
		}
	}
	return nil
}

func (c *checker) checkEvents() error {
	for i, e := range c.Events {
		at := fmt.Sprintf("events[%d]", i)
		s, err := c.span(at, e.At, e.For)
		if err != nil {
			return err
		}
		c.events = append(c.events, s)
		if err := c.ends(at, e.Ends); err != nil {
			return err
		}
		if err := c.settings(at, e.Settings); err != nil {
			return err
		}
		if e.Settings == (Settings{}) {
			return c.doc.Errorf(at, "changes nothing; give cut, rtt_ms, stretch or another setting")
		}
	}
	return nil
}

func (c *checker) checkAbsent() error {
	for i, pattern := range c.Absent {
		at := fmt.Sprintf("absent[%d]", i)
		if err := c.pattern(at, pattern); err != nil {
			return err
		}
		probing := func(s mesh.Site) bool { return s.Matches(pattern) && s.Role.Probes() }
		if !slices.ContainsFunc(c.mesh.Sites, probing) {
			return c.doc.Errorf(at, "%q names only reflectors, which have no probe to leave out", pattern)
		}
	}
	return nil
}

func (c *checker) checkCollector() error {
	for i := range c.Collector {
		o, at := &c.Collector[i], fmt.Sprintf("collector[%d]", i)
		if o.For == "" {
			return c.doc.Errorf(at+".for", "is missing; say how long the collector is away, such as 20s")
		}
		var err error
		if o.span, err = c.span(at, o.At, o.For); err != nil {
			return err
		}
		if o.How != Stop && o.How != Kill {
			return c.doc.Errorf(at+".how", "%q is not a way to go; allowed: stop, kill", o.How)
		}
		if i > 0 && o.span.from <= c.Collector[i-1].span.until {
			return c.doc.Errorf(at+".at", "%s is not after the end of collector[%d]; give outages in their order and apart", o.At, i-1)
		}
	}
	return nil
}

// checkComplete finds a link that nothing is said of.
func (c *checker) checkComplete() error {
	for i := range c.mesh.Sites {
		for j := range i {
			a, b := &c.mesh.Sites[j], &c.mesh.Sites[i]
			if !connected(a, b) {
				continue
			}
			if s, _ := c.layers(a, b); s.RTTMS == nil && s.Stretch == nil {
				return c.doc.Errorf("defaults", "leave the link %s – %s without a delay; give rtt_ms or stretch here or under links", a.ID, b.ID)
			}
		}
	}
	return nil
}

// settings checks one set of them. at is the path of the entry.
func (c *checker) settings(at string, s Settings) error {
	if s.RTTMS != nil && s.Stretch != nil {
		return c.doc.Errorf(at+".stretch", "stands beside rtt_ms; give one of them")
	}
	for _, f := range []struct {
		name      string
		value     *float64
		low, high float64
		unit      string
	}{
		{"rtt_ms", s.RTTMS, 0, maxRTTMS, "ms"},
		{"stretch", s.Stretch, 0.01, maxStretch, "times the theoretical RTT"},
		{"asymmetry", s.Asymmetry, 0, 1, "of the RTT"},
		{"loss_percent", s.LossPercent, 0, 100, "percent"},
		{"duplicate_percent", s.DuplicatePercent, 0, 100, "percent"},
		{"reorder_percent", s.ReorderPercent, 0, 100, "percent"},
		{"reorder_ms", s.ReorderMS, 0, maxExtraMS, "ms"},
	} {
		if f.value != nil && !(*f.value >= f.low && *f.value <= f.high) {
			return c.doc.Errorf(at+"."+f.name, "%v is not within %v to %v %s", *f.value, f.low, f.high, f.unit)
		}
	}
	if s.Hops != nil && (*s.Hops < 0 || *s.Hops > maxHops) {
		return c.doc.Errorf(at+".hops", "%d is not within 0 to %d", *s.Hops, maxHops)
	}
	if j := s.Jitter; j != nil {
		if !slices.Contains(distributions, j.Distribution) {
			return c.doc.Errorf(at+".jitter.distribution", "%q is not a distribution; allowed: none, uniform, normal, exponential", j.Distribution)
		}
		if !(j.MedianMS >= 0 && j.MedianMS <= maxExtraMS) {
			return c.doc.Errorf(at+".jitter.median_ms", "%v is not within 0 to %v ms", j.MedianMS, maxExtraMS)
		}
		if j.Distribution == None && j.MedianMS != 0 {
			return c.doc.Errorf(at+".jitter.median_ms", "is %v, but without jitter it is 0; name a distribution or leave it out", j.MedianMS)
		}
	}
	return nil
}

func (c *checker) ends(at string, e Ends) error {
	for _, end := range []struct{ field, pattern string }{{".from", e.From}, {".to", e.To}} {
		if end.pattern == "" {
			continue
		}
		if err := c.pattern(at+end.field, end.pattern); err != nil {
			return err
		}
	}
	for i, id := range e.Carriers {
		if !slices.ContainsFunc(c.mesh.Carriers, func(x mesh.Carrier) bool { return x.ID == id }) {
			return c.doc.Errorf(fmt.Sprintf("%s.carriers[%d]", at, i), "%q is not a carrier of the mesh", id)
		}
	}
	for i, plane := range e.Planes {
		if !slices.Contains(c.mesh.Planes, plane) {
			return c.doc.Errorf(fmt.Sprintf("%s.planes[%d]", at, i), "%q is not a plane of the mesh", plane)
		}
	}
	for i := range c.mesh.Sites {
		for j := range i {
			a, b := &c.mesh.Sites[j], &c.mesh.Sites[i]
			if connected(a, b) && e.match(a, b) != apart {
				return nil
			}
		}
	}
	return c.doc.Errorf(at, "selects no link; a link joins two sites of one carrier and plane")
}

func (c *checker) pattern(at, pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return c.doc.Errorf(at, "%q is not a shell pattern; * and ? and [a-z] are", pattern)
	}
	if !slices.ContainsFunc(c.mesh.Sites, func(s mesh.Site) bool { return s.Matches(pattern) }) {
		return c.doc.Errorf(at, "%q matches no site or cluster of the mesh", pattern)
	}
	return nil
}

// span reads the times of an entry. An absent length means to the end.
func (c *checker) span(at, begin, length string) (span, error) {
	if begin == "" {
		return span{}, c.doc.Errorf(at+".at", "is missing; say how long after the start, such as 10s")
	}
	from, err := duration(begin)
	if err != nil {
		return span{}, c.doc.Errorf(at+".at", "%v", err)
	}
	if length == "" {
		return span{from, forever}, nil
	}
	d, err := duration(length)
	if err != nil {
		return span{}, c.doc.Errorf(at+".for", "%v", err)
	}
	if d == 0 {
		return span{}, c.doc.Errorf(at+".for", "%q is no time at all; leave it out to mean to the end", length)
	}
	return span{from, from + d}, nil
}

func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxEventSec*time.Second || strings.HasPrefix(text, "+") {
		return 0, fmt.Errorf("%q is not a length of time such as 10s, 1m30s or 500ms", text)
	}
	return d, nil
}
