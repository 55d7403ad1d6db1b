package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Revise adds to a report what it changes of an earlier one over the same
// period, which it replaces. It does nothing and gives false where both say the
// same, whatever version of the program said it.
func Revise(was, is *api.Report, replaced api.Replaced, reason string) (changed bool, err error) {
	before, err := content(was)
	if err != nil {
		return false, err
	}
	now, err := content(is)
	if err != nil || bytes.Equal(before, now) {
		return false, err
	}
	r := api.Revision{
		Number: replaced.Number + 1, Replaces: replaced, Reason: reason,
		Causes: causesOf(was, is), Rates: []api.RevisedRate{}, Verdicts: []api.RevisedVerdict{},
	}
	// The planes of the new report, then those that only the old one has.
	for i := range is.Planes {
		revisePlane(&r, planeNamed(was, is.Planes[i].Plane), &is.Planes[i])
	}
	for i := range was.Planes {
		if planeNamed(is, was.Planes[i].Plane) == nil {
			revisePlane(&r, &was.Planes[i], nil)
		}
	}
	is.Revisions = append(slices.Clone(was.Revisions), r)
	return true, nil
}

// content is what a report says, without what names the revision and the
// program. It goes through JSON once more, so that a report that was read and
// one that was made are the same to the last type.
func content(r *api.Report) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("compare with the revision before: %w", err)
	}
	var plain api.Report
	if err := json.Unmarshal(data, &plain); err != nil {
		return nil, fmt.Errorf("compare with the revision before: %w", err)
	}
	plain.GeneratedBy, plain.Revisions = "", nil
	return json.Marshal(&plain)
}

func causesOf(was, is *api.Report) []api.RevisionCause {
	all := []api.RevisionCause{
		{Cause: api.CauseData, Was: was.DataSHA256, Is: is.DataSHA256},
		{Cause: api.CauseMesh, Was: was.MeshSHA256, Is: is.MeshSHA256},
		{Cause: api.CausePolicy, Was: was.PolicySHA256, Is: is.PolicySHA256},
		{Cause: api.CauseProgram, Was: was.GeneratedBy, Is: is.GeneratedBy},
		{Cause: api.CauseComplete, Was: strconv.FormatBool(was.Period.Complete), Is: strconv.FormatBool(is.Period.Complete)},
	}
	return slices.DeleteFunc(all, func(c api.RevisionCause) bool { return c.Was == c.Is })
}

func planeNamed(r *api.Report, name string) *api.Plane {
	for i := range r.Planes {
		if r.Planes[i].Plane == name {
			return &r.Planes[i]
		}
	}
	return nil
}

// revisePlane adds what differs on a plane; nil where a report does not have it.
func revisePlane(r *api.Revision, was, is *api.Plane) {
	rates := api.RevisedRate{}
	none := &api.Plane{}
	if was != nil {
		rates.Plane, rates.Was = was.Plane, &was.Rate
	} else {
		was = none
	}
	if is != nil {
		rates.Plane, rates.Is = is.Plane, &is.Rate
	} else {
		is = none
	}
	if !reflect.DeepEqual(rates.Was, rates.Is) {
		r.Rates = append(r.Rates, rates)
	}
	before := map[[2]string]*api.Pair{}
	for i := range was.Pairs {
		before[was.Pairs[i].Pair] = &was.Pairs[i]
	}
	for i := range is.Pairs {
		now := &is.Pairs[i]
		old := before[now.Pair]
		delete(before, now.Pair)
		switch {
		case old == nil:
			r.Verdicts = append(r.Verdicts, api.RevisedVerdict{Plane: rates.Plane, Pair: now.Pair, Is: now.Verdict})
		case old.Verdict != now.Verdict:
			r.Verdicts = append(r.Verdicts, api.RevisedVerdict{Plane: rates.Plane, Pair: now.Pair, Was: old.Verdict, Is: now.Verdict})
		case !sameFigures(old, now):
			r.Figures++
		}
	}
	for i := range was.Pairs {
		if gone := before[was.Pairs[i].Pair]; gone != nil {
			r.Verdicts = append(r.Verdicts, api.RevisedVerdict{Plane: rates.Plane, Pair: gone.Pair, Was: gone.Verdict})
		}
	}
}

// sameFigures tells whether a pair is measured and limited as before.
func sameFigures(a, b *api.Pair) bool {
	return reflect.DeepEqual(a.MeasuredRTTMS, b.MeasuredRTTMS) && reflect.DeepEqual(a.Ratio, b.Ratio) &&
		a.Unbounded == b.Unbounded && reflect.DeepEqual(a.Bounds, b.Bounds) && a.LimitRTTMS == b.LimitRTTMS && a.Carrier == b.Carrier
}
