package chart

import (
	"fmt"
	"testing"
)

func heat() Heat {
	random := seeded()
	in := Heat{
		Caption:  Caption{"Packets above the limit", "By hour and day."},
		DayLabel: "day of October 2026", HourLabel: "hour", ShareLabel: "packets above the limit:", NoDataLabel: "no data",
	}
	for day := range 31 {
		d := HeatDay{Label: fmt.Sprint(day + 1)}
		for hour := range 24 {
			v := 0.0
			if hour >= 19 && hour < 23 {
				v = 0.3 * random.Float64() * random.Float64()
			} else if random.IntN(8) == 0 {
				v = 0.02 * random.Float64()
			}
			if day >= 14 && day < 17 {
				v += 0.7 * random.Float64()
			}
			if day == 23 && hour > 5 || day == 24 || day == 6 && hour == 3 {
				continue
			}
			d.Shares[hour] = &v
		}
		in.Days = append(in.Days, d)
	}
	return in
}

func heatSamples(all map[string]Figure) {
	in := heat()
	all["heat"] = in.Figure()
	in.WidthPT = 300
	all["-heat-small"] = in.Figure()
	in = heat()
	in.Name, in.WithoutLegend, in.WidthPT = "Zhangjiakou – Shaoguan", true, 231
	all["-heat-tiled"] = Tile(Caption{"Packets above the limit", "By hour and day."}, 1, 4,
		Tile(Caption{}, 2, 20, in.Figure(), in.Figure(), in.Figure()), heat().Legend())
	in = heat()
	in.DayLabel, in.HourLabel, in.ShareLabel, in.NoDataLabel = "2026年10月 日期", "时", "超限报文占比：", "无数据"
	all["heat-zh"] = in.Figure()
	for i := range in.Days {
		in.Days[i].Shares = [24]*float64{}
	}
	all["-heat-nothing"] = in.Figure()
	in.Days = in.Days[:1]
	all["-heat-one"] = in.Figure()
	in.Days = nil
	all["-heat-empty"] = in.Figure()
	in = heat()
	for i := range in.Days {
		in.Days[i].Label = fmt.Sprintf("2026-10-%02d", i+1)
		for h := range 24 {
			in.Days[i].Shares[h] = ptr([]float64{0, 0.005, 0.03, 0.1, 0.3, 0.9}[(i+h)%6])
		}
	}
	all["-heat-worst"] = in.Figure()
}

// TestHeatCoversEveryHour: each hour of each day has the ink of its step, once.
func TestHeatCoversEveryHour(t *testing.T) {
	in := heat()
	in.Steps = heatSteps
	p := &heatPlot{canvas: newCanvas(Size{}), in: in}
	p.cell.w, p.cell.h = 1, 1
	seen := map[[2]int]int{}
	for step := -1; step <= 5; step++ {
		for _, a := range p.areas(step) {
			for day := int(a.x0); day < int(a.x1); day++ {
				for hour := int(a.y0); hour < int(a.y1); hour++ {
					seen[[2]int{day, hour}]++
					if p.step(day, hour) != step {
						t.Errorf("hour %d of day %d is drawn as step %d and is of %d", hour, day, step, p.step(day, hour))
					}
				}
			}
		}
	}
	if len(seen) != 31*24 {
		t.Errorf("%d hours are drawn", len(seen))
	}
	for at, n := range seen {
		if n != 1 {
			t.Errorf("%v is drawn %d times", at, n)
		}
	}
}

func TestHeatSteps(t *testing.T) {
	p := &heatPlot{canvas: newCanvas(Size{}), in: Heat{Steps: heatSteps, Days: make([]HeatDay, 1)}}
	for v, want := range map[float64]int{0: 0, 1e-9: 1, 0.01: 1, 0.0100001: 2, 0.05: 2, 0.051: 3, 0.2: 3, 0.5: 4, 0.51: 5, 1: 5} {
		p.in.Days[0].Shares[0] = &v
		if got := p.step(0, 0); got != want {
			t.Errorf("a share of %v is step %d, not %d", v, want, got)
		}
	}
}
