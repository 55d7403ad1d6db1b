package policy

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// changed is the default policy with parts of its text replaced.
func changed(t *testing.T, pairs ...string) *Policy {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(DefaultBytes()), pairs[i]) {
			t.Fatalf("the default policy does not have %q", pairs[i])
		}
	}
	p, err := Parse("p.yaml", []byte(strings.NewReplacer(pairs...).Replace(string(DefaultBytes()))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDiff(t *testing.T) {
	flagged := []string{"Flagged, but judged all the same:"}
	for _, c := range []struct {
		name    string
		changes []string
		want    []Difference
	}{
		{"nothing", nil, nil},
		{"a number written otherwise", []string{"factor: 1.5 ", "factor: 1.500 "}, nil},
		{"a comment", []string{"# of this file format", "# of the format"}, nil},
		{"a number in a group", []string{"factor: 1.5 ", "factor: 1.6 "},
			[]Difference{{"theory.factor", "1.5", "1.6", []string{`"a latency no higher than 1.5x the theoretical latency"`}}}},
		{"a field with its comment above", []string{"statistic: p95", "statistic: p99"},
			[]Difference{{"measurement.statistic", "p95", "p99", []string{
				"What is compared with the limit, over all packets that an end sent. p50, p95",
				"and p99 are by nearest rank and count each lost packet as endless; mean and",
				"min are over the received packets and leave losses out.",
			}}}},
		{"comments above and at the end", []string{"ends_differ_ms: 1 ", "ends_differ_ms: 2 "},
			[]Difference{{"plausibility.ends_differ_ms", "1", "2", append(flagged, "the ends differ by more than this")}}},
		{"a field under the comment of those before", []string{"ratio_above: 5", "ratio_above: 4"},
			[]Difference{{"plausibility.ratio_above", "5", "4", flagged}}},
		{"lists", []string{"clusters: [all]", "clusters: [aa, bb]", "{year: 2025, percent: 80}", "{year: 2025, percent: 82.5}"},
			[]Difference{
				{"rate.clusters", "[all]", "[aa, bb]", []string{"all, or the identifiers of the clusters whose pairs count."}},
				{"rate.targets", "[{year: 2023, percent: 65}, {year: 2024, percent: 75}, {year: 2025, percent: 80}]",
					"[{year: 2023, percent: 65}, {year: 2024, percent: 75}, {year: 2025, percent: 82.5}]", []string{
						"Share of the pairs that has to comply, in percent, by the year of the first",
						"day of the period. The last one holds for later years; before the first",
						"there is none.",
					}},
			}},
		{"fields that only one has", []string{"convention: group-index ", "convention: us-per-km ", "  group_index: 1.468", "  us_per_km: 5 #"},
			[]Difference{
				{"theory.convention", "group-index", "us-per-km", []string{"group-index: distance × group_index / c; us-per-km: distance × us_per_km"}},
				{"theory.group_index", "1.468", "", []string{"G.652 fibre at 1550 nm, 4.8967 µs/km; only with group-index"}},
				{"theory.us_per_km", "", "5", []string{"one way; only with us-per-km"}},
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Diff(Default(), changed(t, c.changes...))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A field that somebody adds has to be found by Diff without a change here, and
// default.yaml has to say what it is.
func TestDiffFindsAndExplainsEveryField(t *testing.T) {
	var fields func(path string, v reflect.Value)
	explained := defaultDocs()
	fields = func(path string, v reflect.Value) {
		for field := range v.Type().Fields() {
			if !field.IsExported() {
				continue
			}
			at := strings.TrimPrefix(path+"."+field.Tag.Get("yaml"), ".")
			if value := v.FieldByIndex(field.Index); value.Kind() == reflect.Struct {
				fields(at, value)
				continue
			}
			other := *Default()
			target := reflect.ValueOf(&other).Elem()
			for name := range strings.SplitSeq(at, ".") {
				for f := range target.Type().Fields() {
					if f.Tag.Get("yaml") == name {
						target = target.FieldByIndex(f.Index)
						break
					}
				}
			}
			if target.IsZero() {
				target.Set(nonZero(target.Type()))
			} else {
				target.SetZero()
			}
			if got := Diff(Default(), &other); len(got) != 1 || got[0].Field != at {
				t.Errorf("a change of %s gives %+v", at, got)
			}
			if len(explained.of(at)) == 0 {
				t.Errorf("default.yaml does not say what %s is", at)
			}
		}
	}
	fields("", reflect.ValueOf(*Default()))
}

func nonZero(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		v.SetString("7")
	case reflect.Int:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		return reflect.MakeSlice(t, 1, 1)
	case reflect.Pointer:
		return reflect.New(t.Elem())
	}
	return v
}

// Types that no field has yet are compared and written all the same.
func TestDiffOfOtherTypes(t *testing.T) {
	type inner struct {
		Share Decimal `yaml:"share"`
	}
	type outer struct {
		inner `yaml:",inline"`
		One   *inner            `yaml:"one"`
		Many  map[string]inner  `yaml:"many"`
		On    bool              `yaml:"on"`
		Text  map[string]string `yaml:"text"`
	}
	type found struct{ Path, A, B string }
	for _, c := range []struct {
		name string
		a, b outer
		want []found
	}{
		{"equal", outer{One: &inner{"1.0"}, Many: map[string]inner{"x": {"2"}}}, outer{One: &inner{"1"}, Many: map[string]inner{"x": {"2.0"}}}, nil},
		{"behind a pointer", outer{One: &inner{"1"}}, outer{One: &inner{"2"}}, []found{{"one.share", "1", "2"}}},
		{"only one", outer{}, outer{One: &inner{"2"}}, []found{{"one", "", "{share: 2}"}}},
		{"map", outer{Many: map[string]inner{"b": {"1"}, "a": {"2"}}}, outer{Many: map[string]inner{"b": {"1"}}}, []found{{"many", "{a: {share: 2}, b: {share: 1}}", "{b: {share: 1}}"}}},
		{"another key", outer{Text: map[string]string{"a": "x"}}, outer{Text: map[string]string{"b": "x"}}, []found{{"text", "{a: x}", "{b: x}"}}},
		{"truth", outer{}, outer{On: true}, []found{{"on", "false", "true"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []found
			compareFields("", reflect.ValueOf(c.a), reflect.ValueOf(c.b), func(path string, a, b reflect.Value) {
				got = append(got, found{path, oneLine(a), oneLine(b)})
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
