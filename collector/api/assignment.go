package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/collector/assignment"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// visitor finds who asks, and lets them in if they do not ask too often. Whether
// the mesh has such a site is not asked: one that was taken out of it may still
// have windows to send.
func (a *API) visitor(r *http.Request) (*mesh.Mesh, string, *reply) {
	id, denial := a.Identify(r)
	if denial != nil {
		return nil, "", faultReply(&admission.Fault{Code: denial.Code, Message: denial.Message})
	}
	m := a.Mesh()
	if m == nil {
		return nil, "", problem(http.StatusServiceUnavailable, wire.CodeStoreUnavailable,
			"no mesh is served yet, because the store has not archived it; ask again later").after(storePause)
	}
	if no := a.gate.request(m, id); no != nil {
		return nil, "", no
	}
	return m, id, nil
}

// assignment answers GET /v1/sites/{site}/assignment. The tag is the hash of
// the body, so it changes with the mesh and with the times in it, and every
// collector gives the same.
func (a *API) assignment(_ http.ResponseWriter, r *http.Request) *reply {
	m, id, no := a.visitor(r)
	if no != nil {
		return no
	}
	site := m.Site(id)
	if site == nil {
		return faultReply(admission.UnknownSite(id))
	}
	answer := jsonReply(http.StatusOK, assignment.For(m, site, a.Now()))
	sum := sha256.Sum256(answer.body)
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	if matches(r.Header.Values("If-None-Match"), tag) {
		answer = &reply{status: http.StatusNotModified}
	}
	return answer.with("ETag", tag).with("Cache-Control", "no-cache")
}

// matches holds a tag against If-None-Match (RFC 9110, section 13.1.2), by the
// weak comparison that it asks for.
func matches(headers []string, tag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

// healthz says that the process answers.
func (a *API) healthz(http.ResponseWriter, *http.Request) *reply { return text("ok\n") }

// readyz says whether windows would be taken now.
func (a *API) readyz(_ http.ResponseWriter, r *http.Request) *reply {
	if a.Mesh() == nil {
		return problem(http.StatusServiceUnavailable, wire.CodeStoreUnavailable,
			"not ready: no mesh is served yet, because the store has not archived it").after(storePause)
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.Limits.ReadyTimeout)
	defer cancel()
	if err := a.Ready(ctx); err != nil {
		no := problem(http.StatusServiceUnavailable, wire.CodeStoreUnavailable, "not ready: the store does not answer").after(storePause)
		no.err = err
		return no
	}
	return text("ready\n")
}

func text(s string) *reply {
	return (&reply{status: http.StatusOK, body: []byte(s)}).with("Content-Type", "text/plain; charset=utf-8")
}
