package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// answer is what the collector said.
type answer struct {
	status     int
	body       []byte
	tag        string
	retryAfter time.Duration // 0: nothing was said
}

// refusal is an answer that is not the one hoped for.
type refusal struct {
	status  int
	code    wire.Code
	message string
	after   time.Duration
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the collector answers %d %s", r.status, http.StatusText(r.status))
	if r.message != "" {
		text += fmt.Sprintf(": %.300s (%s)", r.message, r.code)
	}
	return text
}

// exchange sends a request and reads the answer. path begins with a slash.
func (u *Uplink) exchange(ctx context.Context, method, path string, header http.Header, body io.Reader) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.cfg.Collector.base+"/v1/sites/"+url.PathEscape(u.cfg.Site)+path, body)
	if err != nil {
		return nil, err
	}
	req.Header = header
	req.Header.Set("User-Agent", u.cfg.UserAgent)
	res, err := u.cfg.Client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL, which the log names once
		}
		return nil, fmt.Errorf("reach collector %s: %w", u.cfg.Collector, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer of collector %s: %w", u.cfg.Collector, err)
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("the answer of collector %s is above %d bytes", u.cfg.Collector, maxAnswer)
	}
	return &answer{status: res.StatusCode, body: data, tag: res.Header.Get("ETag"), retryAfter: retryAfter(res.Header.Get("Retry-After"), time.Now())}, nil
}

// refused turns an answer into an error.
func (a *answer) refused() *refusal {
	r := &refusal{status: a.status, after: a.retryAfter}
	var p wire.Problem
	if json.Unmarshal(a.body, &p) == nil && p.Schema == wire.SchemaError {
		r.code, r.message = p.Code, p.Message
	}
	return r
}

// retryAfter reads the header: seconds or a date (RFC 9110, 10.2.3), at most
// maxRetryAfter.
func retryAfter(s string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
