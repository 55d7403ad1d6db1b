package mesh

import (
	"fmt"
	"path"
	"slices"
)

func (c *checker) checkTests() error {
	if len(c.Measure) == 0 {
		return c.doc.Errorf("measure", "is missing; a mesh has at least one test")
	}
	seen := map[string]bool{}
	for i := range c.Measure {
		test, at := &c.Measure[i], fmt.Sprintf("measure[%d]", i)
		if err := c.fresh(at+".test", test.Name, seen); err != nil {
			return err
		}
		if err := c.checkTest(at, test); err != nil {
			return err
		}
	}
	if c.Judged == "" || c.Test(c.Judged) == nil {
		return c.doc.Errorf("judged", "%q is not a test of this mesh; tests are %s", c.Judged, list(c.Measure, func(t Test) string { return t.Name }))
	}
	return nil
}

func (c *checker) checkTest(at string, test *Test) error {
	switch {
	case test.Method != MethodICMP && test.Method != MethodSTAMP:
		return c.doc.Errorf(at+".method", "%q is not a method; allowed: icmp, stamp", test.Method)
	case test.WindowS < 1 || 900%test.WindowS != 0:
		return c.doc.Errorf(at+".window_s", "%d does not divide 15 minutes; 60 does", test.WindowS)
	case test.IntervalMS < 10 || test.WindowS*1000%test.IntervalMS != 0:
		return c.doc.Errorf(at+".interval_ms", "%d is not at least 10 and a divisor of the window's %d ms", test.IntervalMS, test.WindowS*1000)
	case test.SizeBytes < 72 || test.SizeBytes > 9000:
		return c.doc.Errorf(at+".size_bytes", "%d is not within 72 to 9000, the IP header included", test.SizeBytes)
	case test.DSCP < 0 || test.DSCP > 63:
		return c.doc.Errorf(at+".dscp", "%d is not within 0 to 63", test.DSCP)
	case len(test.Links) == 0:
		return c.doc.Errorf(at+".links", "is missing; write - {} for all links")
	}
	for i, pattern := range test.Links {
		if err := c.linkPattern(fmt.Sprintf("%s.links[%d]", at, i), pattern); err != nil {
			return err
		}
	}
	links := 0
	for j := range c.Sites {
		before := links
		for i := range c.Sites {
			if c.Measures(test, &c.Sites[i], &c.Sites[j]) {
				links++
			}
		}
		if links > before && test.Method == MethodSTAMP {
			if err := c.checkSTAMPSize(at, test, &c.Sites[j]); err != nil {
				return err
			}
		}
	}
	if links == 0 {
		return c.doc.Errorf(at+".links", "matches no link; a link joins two sites of one carrier and plane, from a probe to a reflector")
	}
	if links > maxLinks {
		return c.doc.Errorf(at+".links", "matches %d links; at most %d are allowed", links, maxLinks)
	}
	return nil
}

// Least lengths of an IPv6 packet with a STAMP packet in it, unauthenticated and
// authenticated (RFC 8762, section 4.2). An IPv4 one is 20 bytes shorter.
const (
	minSTAMP              = 40 + 8 + 44
	minSTAMPAuthenticated = 40 + 8 + 112
)

func (c *checker) checkSTAMPSize(at string, test *Test, dst *Site) error {
	least, kind := minSTAMP, "a STAMP packet"
	if dst.Reflector().Authenticated {
		least, kind = minSTAMPAuthenticated, "an authenticated STAMP packet"
	}
	if test.SizeBytes < least {
		return c.doc.Errorf(at+".size_bytes", "%d is less than the %d that %s to site %s needs, with an IPv6 header; 128 leaves room for its extensions, 192 if it is authenticated", test.SizeBytes, least, kind, dst.ID)
	}
	return nil
}

func (c *checker) linkPattern(at string, p LinkPattern) error {
	for _, end := range []struct{ field, pattern string }{{".from", p.From}, {".to", p.To}} {
		if _, err := path.Match(end.pattern, ""); err != nil {
			return c.doc.Errorf(at+end.field, "%q is not a shell pattern; * and ? and [a-z] are", end.pattern)
		}
		matches := func(s Site) bool { return s.Matches(end.pattern) }
		if !slices.ContainsFunc(c.Sites, matches) {
			return c.doc.Errorf(at+end.field, "%q matches no site or cluster of this mesh", end.pattern)
		}
	}
	for i, id := range p.Carriers {
		if !slices.ContainsFunc(c.Carriers, func(x Carrier) bool { return x.ID == id }) {
			return c.doc.Errorf(fmt.Sprintf("%s.carriers[%d]", at, i), "%q is not a carrier of this mesh; carriers are %s", id, list(c.Carriers, func(x Carrier) string { return x.ID }))
		}
	}
	for i, plane := range p.Planes {
		if !slices.Contains(c.Planes, plane) {
			return c.doc.Errorf(fmt.Sprintf("%s.planes[%d]", at, i), "%q is not a plane of this mesh; planes are %s", plane, list(c.Planes, func(x Plane) string { return string(x) }))
		}
	}
	return nil
}
