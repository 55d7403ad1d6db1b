package reflect

import "log/slog"

// Counters says what became of the requests since the start. Received is the
// sum of those behind it up to Unsent.
type Counters struct {
	Received uint64 // packets that came to the sockets and were read

	Answered uint64
	// Not answered, in the order of the checks.
	NotAllowed uint64 // the source is in no prefix allowed; the kernel lets few of these through where it filters
	OverRate   uint64 // the source sends more than it may
	Short      uint64 // no test packet: less than 14 bytes, or than 112 where authentication is asked
	BadHMAC    uint64 // the key is another, or the packet was altered
	Loop       uint64 // from a port on which reflectors or other answering services listen
	Unsent     uint64 // the system refused to send the reply

	TLVsNotIntact uint64 // answered, but the HMAC over the TLVs did not fit or was missing
	Unstamped     uint64 // answered with the process's moment of receiving, because the kernel gave none
	Evicted       uint64 // sessions that had to go for younger ones
	Overflows     uint64 // packets that the sockets dropped before they were read
	Filtered      uint64 // packets that the kernel dropped before they were read: not allowed, or with a wrong checksum

	Sessions int // that are remembered now
}

// LogValue shows the counters in a log, those of drops only where there are
// any.
func (c Counters) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Uint64("received", c.Received), slog.Uint64("answered", c.Answered), slog.Int("sessions", c.Sessions)}
	for _, count := range []struct {
		name string
		n    uint64
	}{
		{"not_allowed", c.NotAllowed}, {"over_rate", c.OverRate}, {"short", c.Short},
		{"bad_hmac", c.BadHMAC}, {"loop", c.Loop}, {"unsent", c.Unsent}, {"tlvs_not_intact", c.TLVsNotIntact},
		{"unstamped", c.Unstamped}, {"evicted", c.Evicted}, {"overflows", c.Overflows}, {"filtered", c.Filtered},
	} {
		if count.n > 0 {
			attrs = append(attrs, slog.Uint64(count.name, count.n))
		}
	}
	return slog.GroupValue(attrs...)
}

// add adds what was counted since the last time.
func (c *Counters) add(d *Counters) {
	c.Received += d.Received
	c.Answered += d.Answered
	c.NotAllowed += d.NotAllowed
	c.OverRate += d.OverRate
	c.Short += d.Short
	c.BadHMAC += d.BadHMAC
	c.Loop += d.Loop
	c.Unsent += d.Unsent
	c.TLVsNotIntact += d.TLVsNotIntact
	c.Unstamped += d.Unstamped
	c.Evicted += d.Evicted
}
