package serve

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/shelf"
)

// send answers with bytes that are kept: compressed if the reader takes that,
// and not at all if the reader has them (RFC 9110, section 13).
func (s *Server) send(w http.ResponseWriter, r *http.Request, kind string, body *shelf.Body, modified time.Time) {
	header := w.Header()
	header.Add("Vary", "Accept-Encoding")
	header.Set("Cache-Control", "private, no-cache") // kept by whoever asked, and asked for again each time
	if !modified.IsZero() {
		header.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
	}
	packed := acceptable(r.Header.Values("Accept-Encoding"), "gzip") > 0
	tag := body.ETag
	if packed {
		tag = body.GzipETag()
	}
	header.Set("ETag", tag)
	switch status := condition(r.Header, modified, body.ETag, body.GzipETag()); status {
	case http.StatusNotModified:
		w.WriteHeader(status)
		return
	case http.StatusPreconditionFailed:
		header.Del("ETag")
		header.Del("Last-Modified")
		problem(w, status, "what is here now is not what If-Match or If-Unmodified-Since names; ask without them")
		return
	}
	data := body.Plain
	if packed {
		data = body.Gzip()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(data)))
	s.deliver(w, data)
}

// deliver gives the reader some time to take an answer.
func (s *Server) deliver(w http.ResponseWriter, data []byte) {
	// A recorder in a test has no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(takeTimeout))
	if _, err := w.Write(data); err != nil {
		s.Log.Debug("answer not delivered", "error", err)
	}
}

// condition gives the status that the header asks for instead of 200, if any, in
// the order of RFC 9110, section 13.2.2. What is there has any of the tags, each
// of another coding.
func condition(header http.Header, modified time.Time, tags ...string) int {
	if !modified.IsZero() { // zero: not known
		modified = modified.Truncate(time.Second) // as Last-Modified says it
	}
	if match := header.Values("If-Match"); len(match) > 0 {
		if !names(match, false, tags) {
			return http.StatusPreconditionFailed
		}
	} else if at, err := http.ParseTime(header.Get("If-Unmodified-Since")); err == nil && !modified.IsZero() && modified.After(at) {
		return http.StatusPreconditionFailed
	}
	if match := header.Values("If-None-Match"); len(match) > 0 {
		if names(match, true, tags) {
			return http.StatusNotModified
		}
	} else if at, err := http.ParseTime(header.Get("If-Modified-Since")); err == nil && !modified.IsZero() && !modified.After(at) {
		return http.StatusNotModified
	}
	return http.StatusOK
}

// names tells whether a list of entity tags has one of ours, which hold no
// commas. A weak one counts only where weak is set.
func names(lists []string, weak bool, ours []string) bool {
	for _, list := range lists {
		for tag := range strings.SplitSeq(list, ",") {
			tag = strings.TrimSpace(tag)
			if weak {
				tag = strings.TrimPrefix(tag, "W/")
			}
			for _, our := range ours {
				if tag == our || tag == "*" {
					return true
				}
			}
		}
	}
	return false
}

// acceptable is how much a reader wants something, from 0 to 1, by the lines of a
// header such as Accept-Encoding (RFC 9110, section 12.4.2). What is not named is
// what * says, and else 0.
func acceptable(lists []string, name string) float64 {
	rest := 0.0
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			named, parameters, _ := strings.Cut(item, ";")
			switch named = strings.TrimSpace(named); {
			case strings.EqualFold(named, name):
				return quality(parameters)
			case named == "*":
				rest = quality(parameters)
			}
		}
	}
	return rest
}

// quality is the q among parameters: 1 without one, 0 where it is none.
func quality(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

// wanted is how much a reader wants a media type, from 0 to 1, by the lines of
// Accept: what names it best decides (RFC 9110, section 12.5.1).
func wanted(lists []string, kind string) (q float64) {
	kind, _, _ = strings.Cut(kind, ";")
	group, _, _ := strings.Cut(kind, "/")
	best := 0
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			named, parameters, _ := strings.Cut(item, ";")
			named = strings.TrimSpace(named)
			how := 0
			switch {
			case strings.EqualFold(named, kind):
				how = 3
			case strings.EqualFold(named, group+"/*"):
				how = 2
			case named == "*/*":
				how = 1
			}
			if how > best {
				best, q = how, quality(parameters)
			}
		}
	}
	return q
}

// sendJSON answers with what is made for one request: readers can ask whether it
// is what they have, but it is not kept.
func (s *Server) sendJSON(w http.ResponseWriter, r *http.Request, v any, modified time.Time) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.send(w, r, "application/json", shelf.NewBody(body.Bytes()), modified)
}

// fresh answers with what is of this moment only.
func (s *Server) fresh(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	s.deliver(w, body)
}
