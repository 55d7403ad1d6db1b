package datasource

import (
	"maps"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// ofRule tells whether an alert rule asks, as Grafana says in a header.
func ofRule(headers map[string]string) bool {
	for name, value := range headers {
		if strings.EqualFold(name, "FromAlert") {
			return value == "true"
		}
	}
	return false
}

// forRule makes one table of numbers with labels, and no frame at all of nothing:
// Grafana before 10 takes every frame of several, and one without fields, for a
// series, and the rule fails. Both old and new read the columns of words as labels.
// What is drawn stays as it is.
func forRule(frames data.Frames) data.Frames {
	if len(frames) == 1 && len(frames[0].Fields) == 0 {
		return nil
	}
	names := map[string]bool{}
	for _, frame := range frames {
		if frame.Meta == nil || frame.Meta.Type != data.FrameTypeNumericMulti {
			return frames
		}
		for name := range frame.Fields[0].Labels {
			names[name] = true
		}
	}
	if len(frames) == 0 {
		return nil
	}
	first := frames[0]
	table := data.NewFrame("")
	table.RefID = first.RefID
	meta(table, data.FrameTypeNumericLong, first.Meta.ExecutedQueryString)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		words := make([]string, len(frames))
		for i, frame := range frames {
			words[i] = frame.Fields[0].Labels[name]
		}
		table.Fields = append(table.Fields, data.NewField(name, nil, words))
	}
	numbers := make([]float64, len(frames))
	for i, frame := range frames {
		numbers[i] = frame.Fields[0].At(0).(float64)
	}
	table.Fields = append(table.Fields, data.NewField(first.Fields[0].Name, nil, numbers))
	return data.Frames{table}
}
