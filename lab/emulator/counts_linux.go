package emulator

import (
	"sync/atomic"
	"time"
)

// Counts are what the emulator did since its start.
type Counts struct {
	Entered     uint64 `json:"entered"`       // packets that the sites sent
	Delivered   uint64 `json:"delivered"`     // copies included
	Lost        uint64 `json:"lost"`          // by the model: loss and cuts
	Duplicated  uint64 `json:"duplicated"`    // by the model
	Outside     uint64 `json:"outside"`       // to or from an address that no site has
	Unconnected uint64 `json:"unconnected"`   // between sites that no line joins
	Expired     uint64 `json:"expired"`       // TTL used up by the hops of the way
	Overflow    uint64 `json:"overflow"`      // refused by the receiving device, or too many on the way
	LateP50US   uint32 `json:"late_p50_us"`   // by how much packets left after their time
	LateP99US   uint32 `json:"late_p99_us"`   //
	LateMaxUS   uint32 `json:"late_max_us"`   //
	RealTime    bool   `json:"real_time"`     // the thread had real-time priority
	InFlightMax int    `json:"in_flight_max"` // most packets held at once
}

// counters are written by the emulator's thread and read by any.
type counters struct {
	entered, delivered, lost, duplicated             atomic.Uint64
	outside, unconnected, expired, overflow, flights atomic.Uint64
	realTime                                         atomic.Bool
	lateMaxUS                                        atomic.Uint64
	late                                             [lateBuckets]atomic.Uint64 // by whole microseconds; the last takes the rest
}

const lateBuckets = 20_000

func (c *counters) sent(late time.Duration) {
	us := uint64(max(0, late.Microseconds()))
	c.late[min(us, lateBuckets-1)].Add(1)
	if us > c.lateMaxUS.Load() {
		c.lateMaxUS.Store(us)
	}
}

// lateness gives the percentile of the lateness by nearest rank, in
// microseconds.
func (c *counters) lateness(percent uint64) uint32 {
	total := uint64(0)
	for i := range c.late {
		total += c.late[i].Load()
	}
	rank, seen := (total*percent+99)/100, uint64(0)
	for i := range c.late {
		if seen += c.late[i].Load(); seen >= rank && seen > 0 {
			return uint32(i)
		}
	}
	return 0
}

// Counts may be called at any time.
func (e *Emulator) Counts() Counts {
	c := &e.counters
	return Counts{
		Entered: c.entered.Load(), Delivered: c.delivered.Load(), Lost: c.lost.Load(),
		Duplicated: c.duplicated.Load(), Outside: c.outside.Load(), Unconnected: c.unconnected.Load(),
		Expired: c.expired.Load(), Overflow: c.overflow.Load(),
		LateP50US: c.lateness(50), LateP99US: c.lateness(99), LateMaxUS: uint32(c.lateMaxUS.Load()),
		RealTime: c.realTime.Load(), InFlightMax: int(c.flights.Load()),
	}
}
