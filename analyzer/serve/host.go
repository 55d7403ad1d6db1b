package serve

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ownNames lets through what is asked under a name of this machine. A page from
// elsewhere that is open in a browser here can have its own name point at
// loopback (DNS rebinding), and then reads what nobody has to log in for.
func (s *Server) ownNames(handler http.Handler) http.Handler {
	if s.Readers != nil { // nobody has a session under that name
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackName(r.Host) {
			problem(w, http.StatusMisdirectedRequest, "without --readers only this machine is answered, as localhost or by its loopback address; a proxy has to send one of these as Host")
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// loopbackName tells whether a Host, with or without a port, is a name that
// only this machine has for itself (RFC 6761, section 6.3).
func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.Unmap().IsLoopback()
}
