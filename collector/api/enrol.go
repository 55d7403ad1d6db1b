package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// maxEnrolment is the most that an enrolment may have.
const maxEnrolment = 64 << 10

// crowd keeps strangers, who need no certificate to enrol, from keeping the
// collector busy: an address may try now and then, and all together not much.
type crowd struct {
	now func() time.Time
	all *rate.Limiter

	mu        sync.Mutex // protects all following fields
	addresses map[netip.Addr]*rate.Limiter
}

// maxCrowd bounds the addresses that are remembered.
const maxCrowd = 10_000

func newCrowd(now func() time.Time) *crowd {
	return &crowd{now: now, all: rate.NewLimiter(50, 100), addresses: map[netip.Addr]*rate.Limiter{}}
}

func (c *crowd) allow(remote string) bool {
	// Where there is no address, all come through one Unix socket.
	port, _ := netip.ParseAddrPort(remote)
	address := port.Addr().Unmap().WithZone("")
	if address.Is6() {
		// One client has a whole /64.
		prefix, _ := address.Prefix(64)
		address = prefix.Addr()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.addresses[address]
	if own == nil {
		if len(c.addresses) >= maxCrowd {
			clear(c.addresses)
		}
		own = rate.NewLimiter(1, 10)
		c.addresses[address] = own
	}
	// An address that asks too often takes nothing from the others.
	return own.AllowN(c.now(), 1) && c.all.AllowN(c.now(), 1)
}

// enrol answers POST /v1/enrol.
func (a *API) enrol(w http.ResponseWriter, r *http.Request) *reply {
	if a.Enroller == nil {
		return noAuthority()
	}
	if !a.crowd.allow(r.RemoteAddr) {
		return problem(http.StatusTooManyRequests, wire.CodeOverloaded, "too many enrolments are tried; try again in a while").after(10 * time.Second)
	}
	return a.certificate(w, r, a.Enroller.Enrol)
}

// renew answers POST /v1/sites/{site}/certificate.
func (a *API) renew(w http.ResponseWriter, r *http.Request) *reply {
	if a.Enroller == nil {
		return noAuthority()
	}
	_, site, no := a.visitor(r)
	if no != nil {
		return no
	}
	return a.certificate(w, r, func(ctx context.Context, e *wire.Enrolment) (*wire.Certificate, error) {
		return a.Enroller.Renew(ctx, site, e)
	})
}

func noAuthority() *reply {
	return problem(http.StatusNotFound, wire.CodeNotFound,
		"this collector issues no certificates; go to the one that runs with --pki, or to the authority that issued the one in force")
}

// certificate reads an enrolment and answers with what issue gives.
func (a *API) certificate(w http.ResponseWriter, r *http.Request, issue func(context.Context, *wire.Enrolment) (*wire.Certificate, error)) *reply {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return problem(http.StatusUnsupportedMediaType, wire.CodeUnsupported,
			"content-type: %.80q is not application/json", r.Header.Get("Content-Type"))
	}
	if r.Header.Get("Content-Encoding") != "" {
		return problem(http.StatusUnsupportedMediaType, wire.CodeUnsupported, "content-encoding: an enrolment is sent as it is")
	}
	// Read as batches are, so that a slow sender is cut off first.
	r.Body = http.MaxBytesReader(w, r.Body, maxEnrolment)
	body, no := a.bodies.packed(w, r, strangers)
	switch {
	case r.ContentLength > maxEnrolment, no != nil && no.status == http.StatusRequestEntityTooLarge:
		return tooLarge("an enrolment has at most %d bytes", maxEnrolment)
	case no != nil:
		return no
	}
	e, err := wire.DecodeEnrolment(body)
	if err != nil {
		return problem(http.StatusBadRequest, wire.CodeBadRequest, "%s", clip(err.Error()))
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.Limits.StoreTimeout)
	defer cancel()
	answer, err := issue(ctx, e)
	var fault *admission.Fault
	switch {
	case errors.As(err, &fault):
		return faultReply(fault)
	case err != nil:
		return internal(err)
	}
	return jsonReply(http.StatusOK, answer).with("Cache-Control", "no-store")
}
