package api

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

// Serve answers on a listener until the context ends, then finishes the
// requests in hand for at most grace. HTTP/1.1 and HTTP/2 are spoken, by TLS
// where the listener gives connections of package tls. The listener is closed on return.
func (a *API) Serve(ctx context.Context, listener net.Listener, grace time.Duration) error {
	limits := a.Limits
	limits.Connections = withinDescriptors(limits.Connections, a.Log)
	open := newConnections(limits, a.Metrics)
	server := &http.Server{
		Handler:                      open.handler(promptly(a)),
		ConnState:                    open.state,
		ConnContext:                  open.context,
		DisableGeneralOptionsHandler: true, // its answer is no Problem
		ReadHeaderTimeout:            10 * time.Second,
		ReadTimeout:                  a.Limits.BodyTimeout + 10*time.Second,
		WriteTimeout:                 a.Limits.BodyTimeout + a.Limits.StoreTimeout + 20*time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               16 << 10,
		ErrorLog:                     log.New(newServerLog(a.Metrics, a.Now, a.Log), "", 0),
		Protocols:                    new(http.Protocols),
		// One probe needs few, and each may hold what has arrived and is not read.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 32, MaxReceiveBufferPerStream: 256 << 10, MaxReceiveBufferPerConnection: 1 << 20},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)

	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// Requests in hand have contexts of their own: a stop must not cut
		// off a write to the store.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := server.Shutdown(bounded)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("stop: requests were still in hand after %s and are cut off; their probes send them again", grace)
			err = errors.Join(err, server.Close())
		}
		stopped <- err
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serve: %w", errors.Join(err, server.Close()))
	}
	return <-stopped
}
