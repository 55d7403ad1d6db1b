package chart

import (
	"fmt"
	"math"
	"testing"
)

var located = [][2]float64{
	{40.612, 115.065}, {31.154, 121.114}, {31.353, 118.429}, {24.8, 113.583}, {30.574, 103.921},
	{29.782, 106.497}, {26.396, 106.474}, {40.38, 111.83}, {35.734, 107.638}, {37.517, 105.19},
}

func clusterMap(names []string, words VerdictWords) Map {
	in := Map{Caption: Caption{"Clusters and their pairs", "Lines between clusters."}, Verdicts: words}
	random := seeded()
	for i, at := range located {
		in.Clusters = append(in.Clusters, MapCluster{names[i], at[0], at[1]})
	}
	for a := range names {
		for b := a + 1; b < len(names); b++ {
			v := Compliant
			switch n := random.IntN(10); {
			case n > 7:
				v = NonCompliant
			case n == 7:
				v = NotDemonstrated
			}
			in.Links = append(in.Links, MapLink{a, b, v})
		}
	}
	return in
}

func mapSamples(all map[string]Figure) {
	in := clusterMap(english, wordsEN)
	all["map"] = in.Figure()
	in.WidthPT = 300
	all["-map-small"] = in.Figure()
	all["map-zh"] = clusterMap(chinese, wordsZH).Figure()
	zh := clusterMap(chinese, wordsZH)
	zh.WidthPT = 300
	all["-map-small-zh"] = zh.Figure()
	zh.Clusters, zh.Links = zh.Clusters[:1], nil
	all["-map-one"] = zh.Figure()
	zh.Clusters = nil
	all["-map-none"] = zh.Figure()
	two := clusterMap(english, wordsEN)
	two.Clusters, two.Links = two.Clusters[4:6], []MapLink{{0, 1, NonCompliant}, {0, 9, Compliant}}
	all["-map-two"] = two.Figure()
	crowd := Map{Verdicts: wordsEN}
	random := seeded()
	for i := range 30 {
		crowd.Clusters = append(crowd.Clusters, MapCluster{fmt.Sprintf("Data centre %d", i+1), 31 + 0.6*random.Float64(), 118 + 3*random.Float64()})
		for j := range i {
			crowd.Links = append(crowd.Links, MapLink{j, i, []Verdict{Compliant, NonCompliant, NotDemonstrated}[(i+j)%3]})
		}
	}
	all["-map-crowd"] = crowd.Figure()
	south := clusterMap(english, wordsEN)
	for i := range south.Clusters {
		south.Clusters[i].LatDeg, south.Clusters[i].LonDeg = -south.Clusters[i].LatDeg, south.Clusters[i].LonDeg-180
	}
	all["-map-south"] = south.Figure()
}

func TestMapNamesEveryCluster(t *testing.T) {
	for name, in := range map[string]Map{"zh": clusterMap(chinese, wordsZH), "en": clusterMap(english, wordsEN)} {
		words := wordsOf(in.Figure())
		for _, c := range in.Clusters {
			lines, _ := wrap(c.Name, 8, 104, 2)
			for _, line := range lines {
				if words[line] != 1 {
					t.Errorf("%s: %s stands there %d times", name, line, words[line])
				}
			}
		}
	}
}

// TestMapIsToScale: Zhangjiakou and Horinger are 275 km from each other.
func TestMapIsToScale(t *testing.T) {
	p := &mapPlot{canvas: newCanvas(Size{}), in: clusterMap(chinese, wordsZH)}
	p.project()
	a, b := p.of(0), p.of(7)
	km := math.Hypot(a.X-b.X, a.Y-b.Y) / p.perKM
	if lat := 32.7; math.Abs(km-275*math.Cos(lat*math.Pi/180)/math.Cos(40.5*math.Pi/180)) > 5 {
		t.Errorf("%.0f km on the map", km)
	}
}
