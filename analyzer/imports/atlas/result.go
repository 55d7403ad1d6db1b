package atlas

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/imports"
)

// result is what the firmware versions have in common, under the names that
// each of them used: https://atlas.ripe.net/docs/apis/measurement-result-format/.
// Versions 0 and 1 have no list of packets, and 0 writes numbers as texts.
type result struct {
	Type      string          `json:"type"`
	Protocol  string          `json:"proto"`
	Mode      string          `json:"mode"` // before 4460: ICMP4, ICMP6
	Msm       number          `json:"msm_id"`
	Probe     number          `json:"prb_id"`
	Timestamp number          `json:"timestamp"` // Unix seconds, of the beginning
	DstAddr   string          `json:"dst_addr"`
	Addr      string          `json:"addr"` // before 4460
	Sent      number          `json:"sent"`
	Received  number          `json:"rcvd"`
	Duplicate number          `json:"dup"`
	Min       number          `json:"min"`
	Mean      number          `json:"avg"`
	Max       number          `json:"max"`
	Packets   json.RawMessage `json:"result"`
}

// packet is one of a result. A reply has rtt; one that the probe could not
// assign to the packet that it waited for has dup too, and is of a packet whose
// timeout stands before it, or is a true duplicate. Those that got no reply have
// x, those that were not sent error.
type packet struct {
	RTT   number          `json:"rtt"`
	X     *string         `json:"x"`
	Error *string         `json:"error"`
	Dup   number          `json:"dup"`
	Late  json.RawMessage `json:"late"`
}

// number is a JSON number as it is written, also where it stands in a text.
type number string

// UnmarshalJSON takes numbers and texts; null is none.
func (n *number) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" {
		return nil
	}
	if text[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	if len(text) > 64 || text == "" || strings.Trim(text, "0123456789+-.eE") != "" {
		return fmt.Errorf("%.80s is not a number", data)
	}
	*n = number(text)
	return nil
}

// whole reads a number that counts, up to a most.
func (n number) whole(name string, most uint64) (uint64, error) {
	v, err := strconv.ParseUint(string(n), 10, 64)
	switch {
	case n == "":
		return 0, fmt.Errorf("%s: is missing", name)
	case err != nil || v > most:
		return 0, fmt.Errorf("%s: %s is not within 0 to %d", name, n, most)
	}
	return v, nil
}

// Limits on what identifies a result: from them sessions are made.
const (
	maxProbe     = 9_999_999
	maxMsm       = 90_000_000_000
	maxTimestamp = 7_258_118_399 // the end of 2199
	maxPackets   = 10_000
)

// notPing is why a result is no ping; empty if it is one.
func (r *result) notPing() string {
	switch {
	case r.Type != "" && r.Type != "ping":
		return "results of type " + printable(r.Type) + ", not ping"
	case r.Protocol != "" && !strings.EqualFold(r.Protocol, "ICMP"):
		return "pings by " + printable(r.Protocol) + ", not ICMP"
	case r.Type == "" && r.Sent == "":
		return "results that are no pings"
	}
	return ""
}

// printable makes a text of a file fit for a terminal.
func printable(s string) string {
	return strings.Trim(strconv.QuoteToASCII(fmt.Sprintf("%.60s", s)), `"`)
}

// destination is the address that was pinged. None is given where the probe
// could not resolve the name, and then nothing was sent.
func (r *result) destination() (address netip.Addr, resolved bool, err error) {
	text := r.DstAddr
	if text == "" {
		text = r.Addr
	}
	if text == "" {
		return netip.Addr{}, false, nil
	}
	address, err = netip.ParseAddr(text)
	if err != nil {
		return address, false, fmt.Errorf("dst_addr: %.80q is not an IP address", text)
	}
	return address.Unmap().WithZone(""), true, nil
}

// fill gives a row the packets of a result.
func (r *result) fill(row *imports.Row) error {
	if len(r.Packets) == 0 || string(r.Packets) == "null" {
		return r.fillSummary(row)
	}
	var packets []packet
	if err := json.Unmarshal(r.Packets, &packets); err != nil {
		return fmt.Errorf("result: %w", plain(err))
	}
	if len(packets) > maxPackets {
		return fmt.Errorf("result: %d packets are more than %d", len(packets), maxPackets)
	}
	for i := range packets {
		if err := packets[i].count(row); err != nil {
			return fmt.Errorf("result[%d]: %w", i, err)
		}
	}
	return r.agrees(row)
}

// count adds a packet to a row.
func (p *packet) count(row *imports.Row) error {
	switch {
	case p.Error != nil:
		row.Counts.SendError++
	case p.X != nil:
		row.Counts.Lost++
	case len(p.Late) > 0:
		// Its timeout stands before it.
		row.Counts.Late++
	case p.RTT == "":
		return errors.New("has none of rtt, x and error")
	default:
		us, err := imports.ParseRTT(string(p.RTT), imports.Milliseconds)
		if err != nil {
			return fmt.Errorf("rtt: %w", err)
		}
		if p.Dup != "" && p.Dup != "0" {
			row.Counts.Duplicate++
			return nil
		}
		row.RTTUS = append(row.RTTUS, us)
	}
	return nil
}

// agrees holds the packets against the counts that stand beside them.
func (r *result) agrees(row *imports.Row) error {
	answered, lost := uint64(len(row.RTTUS)), uint64(row.Counts.Lost)
	if row.Counts.Late > row.Counts.Lost {
		return fmt.Errorf("result: %d late replies to %d packets that were not answered", row.Counts.Late, lost)
	}
	if r.Received != "" {
		received, err := r.Received.whole("rcvd", maxPackets)
		if err != nil {
			return err
		}
		if received != answered {
			return fmt.Errorf("rcvd: is %d, and %d packets have an rtt and are no duplicate", received, answered)
		}
	}
	if r.Sent != "" {
		sent, err := r.Sent.whole("sent", maxPackets)
		if err != nil {
			return err
		}
		// Whether packets count that could not be sent differs.
		if sent < answered+lost || sent > answered+lost+uint64(row.Counts.SendError) {
			return fmt.Errorf("sent: is %d, and result has %d answered, %d not, %d not sent", sent, answered, lost, row.Counts.SendError)
		}
	}
	return nil
}

// fillSummary gives a row what the oldest firmware tells.
func (r *result) fillSummary(row *imports.Row) error {
	row.Alone = true
	sent, err := r.Sent.whole("sent", maxPackets)
	if err != nil {
		return err
	}
	received, err := r.Received.whole("rcvd", maxPackets)
	if err != nil {
		return err
	}
	if received > sent {
		return fmt.Errorf("rcvd: is %d, more than sent, %d", received, sent)
	}
	row.Counts.Lost = uint32(sent - received)
	if r.Duplicate != "" {
		duplicate, err := r.Duplicate.whole("dup", maxPackets)
		if err != nil {
			return err
		}
		row.Counts.Duplicate = uint32(duplicate)
	}
	if received == 0 {
		return nil
	}
	row.Counts.Received = uint32(received)
	s := &imports.Summary{}
	for _, statistic := range []struct {
		name  string
		text  number
		value **uint32
	}{{"min", r.Min, &s.Min}, {"avg", r.Mean, &s.Mean}, {"max", r.Max, &s.Max}} {
		if statistic.text == "" {
			continue
		}
		us, err := imports.ParseRTT(string(statistic.text), imports.Milliseconds)
		if err != nil {
			return fmt.Errorf("%s: %w", statistic.name, err)
		}
		*statistic.value = &us
	}
	if *s == (imports.Summary{}) {
		return errors.New("has neither result nor any of min, avg and max")
	}
	row.Summary = s
	return nil
}

// plain takes what encoding/json says into words for users.
func plain(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("a JSON %s is not a result of a measurement", wrong.Value)
		}
		return fmt.Errorf("%s: a JSON %s does not fit there", wrong.Field, wrong.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}
