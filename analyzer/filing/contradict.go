package filing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
)

// contradictions are what a report says twice and differently: rate and pairs of
// the headline are those of its plane, and the hash of the policy is that of its
// text. Filed is what the plane or the text says, both in the way of JSON.
func contradictions(r *api.Report) (all []Difference) {
	if hash := manifest.Hash([]byte(r.Policy.Text)); hash != r.PolicySHA256 {
		all = append(all, Difference{"policy_sha256", strconv.Quote(hash), strconv.Quote(r.PolicySHA256)})
	}
	i := slices.IndexFunc(r.Planes, func(p api.Plane) bool { return p.Plane == r.Plane })
	if i < 0 {
		return append(all, Difference{"plane", "none of planes", strconv.Quote(r.Plane)})
	}
	differ("rate", tree(r.Planes[i].Rate), tree(r.Rate), &all)
	differ("pairs", tree(r.Planes[i].Pairs), tree(r.Pairs), &all)
	return all
}

// tree is a value as JSON has it: maps, lists and literals.
func tree(v any) (t any) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&t) != nil {
		return nil
	}
	return t
}

// differ adds the values that differ between two trees.
func differ(path string, a, b any, all *[]Difference) {
	switch was := a.(type) {
	case map[string]any:
		is, same := b.(map[string]any)
		if !same {
			break
		}
		keys := maps.Clone(was)
		maps.Copy(keys, is)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			differ(path+"."+key, was[key], is[key], all)
		}
		return
	case []any:
		is, same := b.([]any)
		if !same || len(was) != len(is) {
			break
		}
		for i := range was {
			differ(fmt.Sprintf("%s[%d]", path, i), was[i], is[i], all)
		}
		return
	}
	if was, is := literal(a), literal(b); was != is {
		*all = append(*all, Difference{path, was, is})
	}
}

func literal(v any) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return ""
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

// miscounted are rates that are not those of the verdicts beside them. Filed is
// what these come to.
func miscounted(r *api.Report) (all []Difference) {
	for i := range r.Planes {
		p := &r.Planes[i]
		counts := map[api.Verdict]int{}
		for n := range p.Pairs {
			counts[p.Pairs[n].Verdict]++
		}
		for _, c := range []struct {
			field       string
			counted, is int
		}{
			{"compliant", counts[api.Compliant], p.Rate.Compliant},
			{"non_compliant", counts[api.NonCompliant], p.Rate.NonCompliant},
			{"not_demonstrated", counts[api.NotDemonstrated], p.Rate.NotDemonstrated},
			{"total", len(p.Pairs), p.Rate.Total},
		} {
			if c.counted != c.is {
				all = append(all, Difference{fmt.Sprintf("planes[%d].rate.%s", i, c.field), strconv.Itoa(c.counted), strconv.Itoa(c.is)})
			}
		}
		fraction, met := follows(&p.Rate)
		differ(fmt.Sprintf("planes[%d].rate.fraction", i), tree(fraction), tree(p.Rate.Fraction), &all)
		differ(fmt.Sprintf("planes[%d].rate.met", i), tree(met), tree(p.Rate.Met), &all)
	}
	return all
}

// follows is what comes of the numbers of a rate: its fraction, and whether it
// meets the target.
func follows(r *api.Rate) (fraction float64, met *bool) {
	if r.Total <= 0 {
		return 0, nil
	}
	fraction = float64(r.Compliant) / float64(r.Total)
	if r.Target == nil {
		return fraction, nil
	}
	// The target is the decimal that was written, not the double next to it.
	target, ok := new(big.Rat).SetString(strconv.FormatFloat(*r.Target, 'g', -1, 64))
	if !ok {
		return fraction, nil
	}
	is := big.NewRat(int64(r.Compliant), int64(r.Total)).Cmp(target) >= 0
	return fraction, &is
}

// misquoted are what a revision says of the one before that this does not say of
// itself: the entries of revisions before it, its rates and its verdicts. Filed is
// what it does say.
func misquoted(was, is *api.Report) (all []Difference) {
	n := len(is.Revisions) - 1
	if n < 0 {
		return nil // facts tell
	}
	differ("revisions", tree(append([]api.Revision{}, was.Revisions...)), tree(is.Revisions[:n]), &all)
	planes := map[string]*api.Plane{}
	for i := range was.Planes {
		planes[was.Planes[i].Plane] = &was.Planes[i]
	}
	last := &is.Revisions[n]
	for i, c := range last.Rates {
		var rate *api.Rate
		if p := planes[c.Plane]; p != nil {
			rate = &p.Rate
		}
		differ(fmt.Sprintf("revisions[%d].rates[%d].was", n, i), tree(rate), tree(c.Was), &all)
	}
	for i, c := range last.Verdicts {
		var verdict api.Verdict
		if p := planes[c.Plane]; p != nil {
			if at := slices.IndexFunc(p.Pairs, func(p api.Pair) bool { return p.Pair == c.Pair }); at >= 0 {
				verdict = p.Pairs[at].Verdict
			}
		}
		differ(fmt.Sprintf("revisions[%d].verdicts[%d].was", n, i), tree(verdict), tree(c.Was), &all)
	}
	return all
}
