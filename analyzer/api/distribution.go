package api

// Distribution is how the RTTs lie of a pair that is diagnosed: one that does
// not comply, or only just does. It is of the end whose judged RTT is the longer
// (of equals the first), without what maintenance excuses, and of the part whose
// figures stand for the pair where the distance changed. So its packets are those
// that the verdict is of, but of the other end.
type Distribution struct {
	Pair    [2]string    `json:"pair"`    // clusters
	Plane   string       `json:"plane"`   // as in mesh.yaml
	Carrier string       `json:"carrier"` // that counts for the pair
	Sites   []string     `json:"sites"`   // in the order of pair
	Src     string       `json:"src"`     // site that measured
	Dst     string       `json:"dst"`     // site that answered
	Packets int64        `json:"packets"` // all that were sent and have an RTT or were lost
	Lost    int64        `json:"lost"`    // of these
	ECDF    ECDF         `json:"ecdf"`
	Days    []DayByHours `json:"days"` // in order
}

// ECDF is some points of the empirical distribution function, each of them
// exact: within rtt_us[i], within[i] of the packets had come back. They are at the
// RTTs of these ranks, by nearest rank among all packets, as far as these came
// back: the first and the last that came back; every 2 % up to 90 %, every 0.2 %
// up to 99 %, every 0.02 % up to 99.9 % and every 0.002 % up to 99.99 %. So p50,
// p95 and p99 are among them.
type ECDF struct {
	RTTUS  []int64 `json:"rtt_us"` // ascending
	Within []int64 `json:"within"` // packets, ascending
}

// DayByHours is a day by clock hours, from 0 to 23. An hour that the clock passes
// twice is one; one that it leaves out, or that lies outside the period, has no
// packets.
type DayByHours struct {
	Day     string     `json:"day"`           // such as 2025-06-03, in the mesh's time zone
	Packets [24]int64  `json:"packets"`       // that the judged statistic counts: mean and min leave lost ones out
	Above   [24]int64  `json:"above_packets"` // of these, above the limit; lost ones are
	RTTUS   [24]*int64 `json:"rtt_us"`        // the judged statistic; null without packets, and where it falls among lost ones
}
