package influx

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// genuine passes on only such success as InfluxDB itself gives. The client
// takes any 2xx for a confirmed write, also the login page of a proxy or the
// welcome page of a wrong URL, and the windows would be acknowledged and lost.
type genuine struct{ http.RoundTripper }

func (g genuine) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.RoundTripper.RoundTrip(r)
	if err != nil || answer.StatusCode < 200 || answer.StatusCode >= 300 {
		return answer, err
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case strings.HasSuffix(r.URL.Path, "/api/v2/write") && answer.StatusCode != http.StatusNoContent,
		strings.HasSuffix(r.URL.Path, "/api/v2/query") && media != "text/csv":
		_ = answer.Body.Close() // nothing in it is wanted
		return nil, fmt.Errorf("the answer is %q of type %q, which InfluxDB does not give; check url, and proxies on the way", answer.Status, media)
	}
	return answer, nil
}

// stay lets a redirection be an error: a write that follows one becomes a GET
// without its points.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// byInflux tells whether a refusal comes from InfluxDB, and not from a proxy
// before it or from the TLS server that was spoken to in clear.
func byInflux(header http.Header) bool {
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return media == "application/json" || header.Get("X-Influxdb-Version") != "" || header.Get("X-Influxdb-Error") != ""
}
