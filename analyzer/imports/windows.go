package imports

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// maxPackets is what no window of any test holds more of.
const maxPackets = 90_000

// build makes windows out of the staged rows.
func (p *Plan) build(ctx context.Context) error {
	var (
		before staged
		now    *making
		any    bool
	)
	done := 0
	for r, err := range p.staged.ordered(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if done++; done%10_000 == 0 {
			p.progress("making windows of row", done, p.Report.Rows)
		}
		if any && r.once && p.again(&before, &r) {
			continue
		}
		if now != nil && !now.takes(&r) {
			if err := p.finish(now); err != nil {
				return err
			}
			now = nil
		}
		if now == nil {
			if !any || before.src != r.src || before.dst != r.dst {
				p.Report.Links++
			}
			now = &making{first: r}
		}
		if err := now.add(&r); err != nil {
			return err
		}
		before, any = r, true
	}
	if now != nil {
		if err := p.finish(now); err != nil {
			return err
		}
	}
	return p.staged.kept()
}

// again tells whether a row tells what the one before it told, and counts it:
// as repeated, or as bad where the two contradict each other.
func (p *Plan) again(before, r *staged) bool {
	if before.src != r.src || before.dst != r.dst || before.session != r.session || before.atMS != r.atMS || before.alone != r.alone {
		return false
	}
	if before.tag != r.tag && !r.alone {
		return false
	}
	if before.tag == r.tag && before.text == r.text {
		p.Report.Repeated++
		return true
	}
	p.Report.bad(p.staged.files[r.file].Name, r.line, fmt.Errorf("contradicts %s:%d, which tells of the same link and moment", p.staged.files[before.file].Name, before.line))
	return true
}

// making is a window that rows are added to.
type making struct {
	first   staged
	counts  wire.Counts
	rtts    []uint32
	summary *Summary
}

func (m *making) takes(r *staged) bool {
	f := &m.first
	return f.src == r.src && f.dst == r.dst && f.session == r.session && f.startMS == r.startMS && f.alone == r.alone
}

func (m *making) add(r *staged) error {
	var b body
	if err := json.Unmarshal([]byte(r.text), &b); err != nil {
		return fmt.Errorf("order the rows: %w", err)
	}
	answered := uint64(len(b.RTTUS)) + uint64(b.Counts.Received)
	if sent := uint64(m.counts.Sent) + answered + uint64(b.Counts.Lost) + uint64(m.counts.SendError) + uint64(b.Counts.SendError); sent > maxPackets {
		return Refuse("a window cannot hold %d packets, at most %d; is the test's window_s too long for these rows, or does one row stand for too many?", sent, maxPackets)
	}
	m.counts.Received += uint32(answered)
	m.counts.Sent += uint32(answered) + b.Counts.Lost
	m.counts.Lost += b.Counts.Lost
	m.counts.Late += b.Counts.Late
	m.counts.Duplicate += b.Counts.Duplicate
	m.counts.SendError += b.Counts.SendError
	m.rtts = append(m.rtts, b.RTTUS...)
	m.summary = b.Summary
	return nil
}

func (p *Plan) finish(m *making) error {
	w := p.window(m)
	if err := w.Check(); err != nil {
		return Refuse("%s:%d: window %s: %w", p.staged.files[m.first.file].Name, m.first.line, w.Key, err)
	}
	p.Report.Windows++
	return p.staged.keep(w)
}

func (p *Plan) window(m *making) *wire.Window {
	s, test, length := p.staged, p.options.Test, p.windowMS()
	src, dst := s.sites.items[m.first.src], s.sites.items[m.first.dst]
	slices.Sort(m.rtts)
	w := &wire.Window{
		Key:        wire.Key{Src: src.ID, Dst: dst.ID, Test: test.Name, Session: uint64(m.first.session), StartMS: m.first.startMS},
		SrcCluster: src.Cluster, DstCluster: dst.Cluster, Carrier: src.Carrier, Plane: string(src.Plane), Method: string(test.Method),
		EndMS: m.first.startMS - m.first.startMS%length + length, EndReason: wire.EndFull,
		Counts: m.counts, RTTs: wire.AppendRTTs(nil, m.rtts), Stats: wire.StatsOf(m.rtts),
		// The files do not tell how their systems take the time, and user space is
		// what is believed least.
		Timestamps: wire.TimestampsUser, Clock: wire.Clock{State: wire.ClockUnknown},
		Origin: wire.OriginImported, MeshSHA256: p.options.Mesh.SHA256(), ProbeVersion: s.sources.items[m.first.source],
	}
	w.Scheduled = w.Sent + w.SendError
	if !m.first.alone {
		w.Scheduled = max(w.Scheduled, uint32(length/int64(test.IntervalMS)))
	}
	if v := m.summary; v != nil {
		w.Summary = &wire.Summary{MinUS: v.Min, MaxUS: v.Max, Source: s.sources.items[m.first.source]}
		if v.Mean != nil {
			mean := float64(*v.Mean)
			w.Summary.MeanUS = &mean
		}
	}
	return w
}
