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
	case test.Method == MethodSTAMP:
		return c.doc.Errorf(at+".method", "%q is not measured by this version yet; allowed: icmp", test.Method)
	case test.Method != MethodICMP:
		return c.doc.Errorf(at+".method", "%q is not a method; allowed: icmp", test.Method)
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
	for i := range c.Sites {
		for j := range c.Sites {
			if c.Measures(test, &c.Sites[i], &c.Sites[j]) {
				links++
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
