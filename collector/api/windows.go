package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// windows answers POST /v1/sites/{site}/windows.
func (a *API) windows(w http.ResponseWriter, r *http.Request) *reply {
	m, site, no := a.visitor(r)
	if no != nil {
		return no
	}
	// Before anything is read: what cannot be served now need not arrive.
	if no := a.gate.full(m, site); no != nil {
		return no
	}
	packed, unpack, no := a.packed(w, r, a.gate.known(m, site))
	if no != nil {
		return no
	}
	leave, no := a.gate.batch(m, site)
	if no != nil {
		return no
	}
	defer leave()
	body, no := unpack(packed)
	if no != nil {
		return no
	}
	batch, no := decodeBatch(body)
	if no != nil {
		return no
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.Limits.StoreTimeout)
	defer cancel()
	ack, err := a.Admitter.Admit(ctx, site, batch)
	if err != nil {
		var fault *admission.Fault
		if errors.As(err, &fault) {
			return faultReply(fault)
		}
		return internal(err)
	}
	a.Metrics.Admitted(ack)
	a.logRefusals(site, ack)
	return jsonReply(http.StatusOK, ack)
}

// logRefusals is loud: a window refused is a measurement lost.
func (a *API) logRefusals(site string, ack *wire.Ack) {
	for _, refusal := range ack.Refused {
		if !a.quarrel.allow() {
			continue
		}
		attrs := []any{
			"site", site, "window", clip(refusal.Key.String()), "code", refusal.Code,
			"message", clip(refusal.Message), "batch", ack.Batch,
		}
		a.Log.Error("window refused for ever", append(attrs, a.quarrel.held()...)...)
	}
}

// packed reads the body of a request, within the limits, and gives the function
// that unpacks it.
func (a *API) packed(w http.ResponseWriter, r *http.Request, site string) ([]byte, func([]byte) ([]byte, *reply), *reply) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, nil, problem(http.StatusUnsupportedMediaType, wire.CodeUnsupported,
			"content-type: %.80q is not application/json", r.Header.Get("Content-Type"))
	}
	encoding := strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ", "))
	unpack := unpacker(encoding)
	if unpack == nil {
		return nil, nil, problem(http.StatusUnsupportedMediaType, wire.CodeUnsupported,
			"content-encoding: %.80q is not one of zstd, gzip, identity", encoding).with("Accept-Encoding", "zstd, gzip, identity")
	}
	packed, no := a.bodies.packed(w, r, site)
	return packed, func(packed []byte) ([]byte, *reply) {
		body, err := unpack(packed)
		switch {
		case err != nil:
			return nil, problem(http.StatusBadRequest, wire.CodeBadRequest, "the body is not valid %s: %v", encoding, err)
		case len(body) > wire.MaxBatchBytes:
			return nil, tooLarge("the batch is more than %d bytes of JSON; send fewer windows at once", wire.MaxBatchBytes)
		}
		return body, nil
	}, no
}

func tooLarge(format string, args ...any) *reply {
	return problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, format, args...)
}

// unpacker finds the function for a content encoding; nil if it is not known.
// Each gives at most one byte more than MaxBatchBytes, whatever a body claims
// to hold.
func unpacker(encoding string) func([]byte) ([]byte, error) {
	switch encoding {
	case "", "identity":
		return func(b []byte) ([]byte, error) { return b, nil }
	case "gzip":
		return unpackGzip
	case "zstd":
		return unpackZstd
	}
	return nil
}

func unpackGzip(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, wire.MaxBatchBytes+1))
}

func unpackZstd(packed []byte) ([]byte, error) {
	// One goroutine, and no window larger than what may come out of it.
	r, err := zstd.NewReader(bytes.NewReader(packed),
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(wire.MaxBatchBytes))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, wire.MaxBatchBytes+1))
}

// decodeBatch reads the batch strictly, and says which code a fault has.
func decodeBatch(body []byte) (*wire.Batch, *reply) {
	switch err := bounded(body); {
	case errors.Is(err, errDeep):
		return nil, problem(http.StatusUnsupportedMediaType, wire.CodeUnsupported, "%v; %s", err, newer)
	case err != nil:
		return nil, tooLarge("%v", err)
	}
	batch, err := wire.DecodeBatch(body)
	if err == nil {
		return batch, nil
	}
	// A batch of another schema fails at the first field that this one does
	// not have; what helps is to name the schema.
	var head struct {
		Schema *string `json:"schema"`
	}
	if json.Unmarshal(body, &head) == nil && head.Schema != nil && *head.Schema != wire.SchemaBatch {
		return nil, problem(http.StatusUnsupportedMediaType, wire.CodeUnsupported, "schema: %.80q is not %q; %s", *head.Schema, wire.SchemaBatch, newer)
	}
	if errors.Is(err, wire.ErrUnknownField) {
		return nil, problem(http.StatusUnsupportedMediaType, wire.CodeUnsupported, "%s; %s", clip(err.Error()), newer)
	}
	return nil, problem(http.StatusBadRequest, wire.CodeBadRequest, "%s", clip(err.Error()))
}

// newer is what may be wrong where a batch has more than this version knows. The
// probe keeps its windows then, where it would set aside those of a bad batch.
const newer = "if the probe is of a later version than this collector, upgrade the collector: its windows wait until then"

// errDeep is told of what a later version may have nested deeper, too.
var errDeep = errors.New("the batch is nested deeper than any that this version knows")

// maxDepth is one level more than a batch has: batch, windows, window, path,
// hops, hop.
const maxDepth = 7

// bounded refuses JSON that would grow beyond measure when it is decoded: two
// bytes make an empty window, and the window takes some hundred. It looks only
// at brackets, commas and strings; whether the rest is JSON the decoder says.
func bounded(data []byte) error {
	var commas [maxDepth]int // of the open bracket at each depth
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '[' || c == '{':
			if depth == maxDepth {
				return errDeep
			}
			commas[depth] = 0
			depth++
		case (c == ']' || c == '}') && depth > 0:
			depth--
		case c == ',' && depth > 0:
			if commas[depth-1]++; commas[depth-1] >= wire.MaxBatchWindows {
				return fmt.Errorf("the batch has a list of more than %d; 1 to %[1]d windows are allowed", wire.MaxBatchWindows)
			}
		}
	}
	return nil
}
