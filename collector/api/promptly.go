package api

import (
	"io"
	"net/http"
	"time"
)

// drainTime is how long a client may go on sending a body that was answered
// before its end: so that one that sends at the pace of a network still reads
// the answer, and one that does not, is not waited for.
const drainTime = 500 * time.Millisecond

// promptly lets answers leave at once, also those that were found before the
// body had arrived. The server of net/http would wait for the rest of it, to use
// the connection again.
func promptly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor > 1 || r.Body == http.NoBody {
			next.ServeHTTP(w, r) // a stream of HTTP/2 ends alone
			return
		}
		body := &watched{ReadCloser: r.Body}
		r.Body = body
		next.ServeHTTP(&prompt{ResponseWriter: w, body: body}, r)
	})
}

// watched notices the end of a body.
type watched struct {
	io.ReadCloser
	ended bool
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err == io.EOF
	return n, err
}

type prompt struct {
	http.ResponseWriter
	body *watched
}

// Unwrap lets http.ResponseController find the connection.
func (p *prompt) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *prompt) WriteHeader(status int) {
	if !p.body.ended {
		p.Header().Set("Connection", "close")
		_ = http.NewResponseController(p.ResponseWriter).SetReadDeadline(time.Now().Add(drainTime))
	}
	p.ResponseWriter.WriteHeader(status)
}
