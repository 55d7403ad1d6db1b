package datasource

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// version of the types of frames that Grafana's data plane describes.
var version = data.FrameTypeVersion{0, 1}

func meta(frame *data.Frame, kind data.FrameType, executed string) {
	frame.Meta = &data.FrameMeta{Type: kind, ExecutedQueryString: executed}
	if kind != "" {
		frame.Meta.TypeVersion = version
	}
}

// table is a frame of rows, to be shown as such also in Explore.
func table(name, executed string, fields ...*data.Field) *data.Frame {
	frame := data.NewFrame(name, fields...)
	frame.Meta = &data.FrameMeta{
		Type: data.FrameTypeTable, TypeVersion: version, ExecutedQueryString: executed, PreferredVisualization: data.VisTypeTable,
	}
	return frame
}

// nothing says why there is no data.
func nothing(executed, why string) data.Frames {
	frame := data.NewFrame("")
	frame.Meta = &data.FrameMeta{ExecutedQueryString: executed}
	notice(frame, data.NoticeSeverityInfo, "%s", why)
	return data.Frames{frame}
}

func notice(frame *data.Frame, severity data.NoticeSeverity, format string, a ...any) {
	frame.AppendNotices(data.Notice{Severity: severity, Text: fmt.Sprintf(format, a...)})
}

// field makes a column. A display name of its own is only given where it says
// more.
func field[T any](name, display, unit string, values []T) *data.Field {
	f := data.NewField(name, nil, values)
	f.Config = &data.FieldConfig{DisplayNameFromDS: display, Unit: unit}
	return f
}

// decimals sets how exactly a column is shown.
func decimals(f *data.Field, n uint16) *data.Field {
	f.Config.SetDecimals(n)
	return f
}

// toLink leads from a cell to the dashboard about a pair. Time and variables go
// with it. The pair may be a part of the row, by ${__data.fields.…}, or the cell's
// own value.
func (q *Query) toLink(pair string) []data.DataLink {
	return []data.DataLink{{
		Title: "This link",
		URL:   "/d/" + url.PathEscape(either(q.Dashboard, "fibergauge-link")) + "?${__url_time_range}&${__all_variables}&var-pair=" + pair,
	}}
}

// pairField is a column of pairs as queries have them, shown by their names. Each
// leads to its dashboard, whatever other columns a panel leaves out.
func (n *network) pairField(q *Query, pairs [][2]string) *data.Field {
	values, texts := make([]string, len(pairs)), data.ValueMapper{}
	for i, pair := range pairs {
		pair = n.ordered(pair)
		values[i] = pair[0] + "/" + pair[1]
		texts[values[i]] = data.ValueMappingResult{Text: n.pairName(pair), Index: i}
	}
	f := field("pair", "", "", values)
	f.Config.Mappings = data.ValueMappings{texts}
	f.Config.Links = q.toLink("${__value.raw}")
	return f
}

// hidden is a column that others need and nobody looks at.
func hidden(f *data.Field) *data.Field {
	f.Config.Custom = map[string]any{"hidden": true, "hideFrom": map[string]bool{"viz": true}}
	return f
}

// timeField is the times of a series. The step makes Grafana break the line where
// a step is missing.
func timeField(times []time.Time, step time.Duration) *data.Field {
	f := data.NewField("time", nil, times)
	f.Config = &data.FieldConfig{Interval: float64(step.Milliseconds())}
	return f
}

// lineFrame is a series of one value. Its name gives way to an alias, for which
// known is what is not among the labels.
func (q *Query) lineFrame(l *line, labels data.Labels, name string, show shown, known map[string]string, executed string) *data.Frame {
	value := data.NewField(q.Metric, labels, l.values)
	value.Config = &data.FieldConfig{DisplayNameFromDS: name, Unit: show.unit}
	value.Config.SetDecimals(show.decimals)
	if q.Alias != "" {
		value.Config.DisplayNameFromDS = named(q.Alias, labels, known, map[string]string{"metric": q.Metric})
	}
	frame := data.NewFrame("", timeField(l.times, l.step), value)
	meta(frame, data.FrameTypeTimeSeriesMulti, executed)
	return frame
}

// named fills an alias in: {{from}} and the like are labels.
func named(alias string, of ...map[string]string) string {
	for _, values := range of {
		for name, value := range values {
			alias = strings.ReplaceAll(alias, "{{"+name+"}}", value)
		}
	}
	return alias
}

// momentOf reads a time that the analyzer gave.
func momentOf(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, fmt.Errorf("the analyzer gives the time %.40q: %w", text, err)
	}
	return at, nil
}

// momentsOf reads where something begins and ends.
func momentsOf(from, to string) (begin, end time.Time, err error) {
	if begin, err = momentOf(from); err == nil {
		end, err = momentOf(to)
	}
	return begin, end, err
}

// momentOrNone is momentOf what may be missing.
func momentOrNone(text *string) (*time.Time, error) {
	if text == nil {
		return nil, nil
	}
	at, err := momentOf(*text)
	return &at, err
}
