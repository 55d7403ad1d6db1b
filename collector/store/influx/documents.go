package influx

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
)

// pieceBytes is how much of a document stands in one field: a string field
// holds 64 KB in some of InfluxData's products.
const pieceBytes = 60_000

// setDocument adds a document to the fields of a point: under its name, and
// what does not fit in one field under name_001, name_002 and so on.
func setDocument(fields map[string]any, name string, document []byte) {
	fields[name] = string(document[:min(pieceBytes, len(document))])
	for i := 1; i*pieceBytes < len(document); i++ {
		fields[fmt.Sprintf("%s_%03d", name, i)] = string(document[i*pieceBytes : min((i+1)*pieceBytes, len(document))])
	}
}

// document is one that was read: the time of its point, and its text.
type document struct {
	atNS int64
	text string
}

// selection says which documents to read.
type selection struct {
	measurement string
	document    string // name
	small       string // a short field that every point of the measurement has
	tags        []tag  // that the points must have
	order       []string
	fromNS      int64 // inclusive
	toNS        int64 // exclusive
}

// tag is a tag's name and value. Values come from users.
type tag struct{ name, value string }

// between is the selection with another range, cut to what can be stored.
func (s selection) between(fromNS, toNS int64) selection {
	s.fromNS, s.toNS = max(fromNS, 0), min(toNS, endNS)
	return s
}

// flux is the head of every query: the rows of one field, or of a document
// with all its pieces.
func (s selection) flux(bucket, fieldPredicate string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "from(bucket: %s)\n\t|> range(start: %s, stop: %s)\n\t|> filter(fn: (r) => r._measurement == %s",
		quote(bucket), moment(s.fromNS), moment(s.toNS), quote(s.measurement))
	for _, t := range s.tags {
		// In brackets, because "test" is a keyword of the Flux in 1.8.
		fmt.Fprintf(&b, " and r[%s] == %s", quote(t.name), quote(t.value))
	}
	fmt.Fprintf(&b, " and %s)\n", fieldPredicate)
	return b.String()
}

// quote makes a Flux string literal of any bytes. Everything that could mean
// something to Flux becomes a hexadecimal escape.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("._-/ ", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func moment(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// documents reads what is selected, by (time, tags in order). The answer is
// held in memory: choose the range so that it fits.
func (s *Reader) documents(ctx context.Context, sel selection) ([]document, error) {
	if sel.fromNS >= sel.toNS {
		return nil, ctx.Err()
	}
	order := ""
	for _, column := range append(append([]string{"_time"}, sel.order...), "_field") {
		order += ", " + quote(column)
	}
	// group joins the series into one table, so that the sort is over all.
	query := sel.flux(s.config.Bucket, fmt.Sprintf("r._field =~ /^%s(_[0-9]+)?$/", sel.document)) +
		"\t|> group()\n\t|> sort(columns: [" + order[2:] + "])\n" +
		"\t|> keep(columns: [\"_time\", \"_field\", \"_value\"])\n"
	var documents []document
	pieces := 0 // of the last document
	err := s.query(ctx, query, func(r row) error {
		if r.field == sel.document {
			documents, pieces = append(documents, document{r.atNS, r.value}), 1
			return nil
		}
		last := len(documents) - 1
		if last < 0 || documents[last].atNS != r.atNS || r.field != fmt.Sprintf("%s_%03d", sel.document, pieces) {
			return fmt.Errorf("%s at %s: the piece before %s is missing; the store was altered", sel.measurement, moment(r.atNS), r.field)
		}
		documents[last].text += r.value
		pieces++
		return nil
	})
	return documents, err
}

// small reads the short field of what is selected, by (time, tags in order).
func (s *Reader) small(ctx context.Context, sel selection) ([]document, error) {
	if sel.fromNS >= sel.toNS {
		return nil, ctx.Err()
	}
	query := sel.flux(s.config.Bucket, "r._field == "+quote(sel.small)) +
		"\t|> group()\n\t|> sort(columns: [\"_time\"])\n\t|> keep(columns: [\"_time\", \"_field\", \"_value\"])\n"
	var documents []document
	err := s.query(ctx, query, func(r row) error {
		documents = append(documents, document{r.atNS, r.value})
		return nil
	})
	return documents, err
}

// extent narrows a selection to the times between which there is something;
// fromNS is not below toNS if there is nothing.
func (s *Reader) extent(ctx context.Context, sel selection) (selection, error) {
	if sel.fromNS >= sel.toNS {
		return sel, ctx.Err()
	}
	query := "data = " + sel.flux(s.config.Bucket, "r._field == "+quote(sel.small)) +
		"data |> first() |> keep(columns: [\"_time\"]) |> yield(name: \"first\")\n" +
		"data |> last() |> keep(columns: [\"_time\"]) |> yield(name: \"last\")\n"
	first, end := sel.toNS, sel.fromNS
	err := s.query(ctx, query, func(r row) error {
		first, end = min(first, r.atNS), max(end, r.atNS+1)
		return nil
	})
	return sel.between(first, end), err
}

// chunk is a part of a selection, and what stands there.
type chunk struct {
	selection
	documents []document
}

// chunks reads a selection in parts of at most lengthNS, by time. Callers ask
// for all times, so it looks first for where there is something, and again
// after a part where there was nothing.
func (s *Reader) chunks(ctx context.Context, sel selection, lengthNS int64) iter.Seq2[chunk, error] {
	return func(yield func(chunk, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(chunk{}, err)
			return
		}
		look := sel.toNS-sel.fromNS > lengthNS
		for sel.fromNS < sel.toNS {
			if look {
				var err error
				if sel, err = s.extent(ctx, sel); err != nil {
					yield(chunk{}, err)
					return
				}
			}
			part := sel.between(sel.fromNS, min((sel.fromNS/lengthNS+1)*lengthNS, sel.toNS))
			documents, err := s.documents(ctx, part)
			if err != nil {
				yield(chunk{}, err)
				return
			}
			if len(documents) > 0 && !yield(chunk{part, documents}, nil) {
				return
			}
			look = len(documents) == 0
			sel = sel.between(part.toNS, sel.toNS)
		}
	}
}

// row is one line of an answer.
type row struct {
	atNS         int64
	field, value string
}

// query runs Flux and hands each row to each.
func (s *Reader) query(ctx context.Context, flux string, each func(row) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.timeout)
	defer cancel()
	// A QueryAPI is for one goroutine, and costs nothing.
	result, err := s.client.QueryAPI(s.config.Org).Query(ctx, flux)
	if err != nil {
		return err
	}
	defer func() {
		// An end that the caller chose must not wait for the rest of the body.
		cancel()
		_ = result.Close()
	}()
	for result.Next() {
		values := result.Record().Values()
		at, ok := values["_time"].(time.Time)
		if !ok {
			return fmt.Errorf("an answer has no time: %.200s", fmt.Sprint(values))
		}
		field, _ := values["_field"].(string)
		value, _ := values["_value"].(string)
		if err := each(row{at.UnixNano(), field, value}); err != nil {
			return err
		}
	}
	return result.Err()
}

// decode reads a document strictly: a field that this program does not know
// would be lost on the way.
func decode(d document, into any) error {
	dec := json.NewDecoder(strings.NewReader(d.text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("document at %s: %w", moment(d.atNS), err)
	}
	return nil
}

// encode writes a document; it panics where the type holds what JSON cannot.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("influx: " + strconv.Quote(err.Error()))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
