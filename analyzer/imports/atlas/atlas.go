// Package atlas reads results of RIPE Atlas ping measurements, of all versions
// of the probes' firmware, as the API gives them: an array, or a result a line.
// Package imports makes windows of them.
//
// A result names a probe by number and a target by address. Which sites these
// are, only the user knows; what is mapped to none is left out and counted.
package atlas

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/imports"
	"github.com/fibergauge/fibergauge/mesh"
)

// Atlas says which sites the probes and targets of results are.
type Atlas struct {
	Probes  map[uint64]*mesh.Site
	Targets map[netip.Addr]*mesh.Site // win over the sites' addresses
	Options *imports.Options
	// sites are those of the mesh by their addresses; several may have had the
	// same one after each other.
	sites map[netip.Addr][]*mesh.Site
}

// New prepares reading for a mesh. Probes and targets are given by the
// identifiers of their sites.
func New(o *imports.Options, probes map[uint64]string, targets map[netip.Addr]string) (*Atlas, error) {
	a := &Atlas{Options: o, Probes: map[uint64]*mesh.Site{}, Targets: map[netip.Addr]*mesh.Site{}, sites: map[netip.Addr][]*mesh.Site{}}
	for i := range o.Mesh.Sites {
		site := &o.Mesh.Sites[i]
		if address, err := netip.ParseAddr(site.Address); err == nil {
			a.sites[address.Unmap()] = append(a.sites[address.Unmap()], site)
		}
	}
	for id, name := range probes {
		site := o.Mesh.Site(name)
		if site == nil {
			return nil, fmt.Errorf("probe %d: the mesh has no site %s", id, name)
		}
		a.Probes[id] = site
	}
	for address, name := range targets {
		site := o.Mesh.Site(name)
		if site == nil {
			return nil, fmt.Errorf("target %s: the mesh has no site %s", address, name)
		}
		a.Targets[address.Unmap()] = site
	}
	return a, nil
}

// maxResult bounds one result, in bytes.
const maxResult = 4 << 20

// File is a file of results.
func (a *Atlas) File(name string) imports.File {
	return imports.OfFile(name, a.read)
}

func (a *Atlas) read(r io.Reader, name string, yield func(imports.Found, error) bool) {
	in := bufio.NewReaderSize(r, 64<<10)
	first, line, err := firstByte(in)
	switch {
	case errors.Is(err, io.EOF):
		yield(imports.Found{}, imports.Refuse("%s: is empty", name))
	case err != nil:
		yield(imports.Found{}, imports.Refuse("%s: %w", name, err))
	case first == '[':
		a.readArray(in, line, name, yield)
	default:
		a.readLines(in, line, name, yield)
	}
}

// firstByte finds the first byte that tells something, which stays unread, and
// its line.
func firstByte(in *bufio.Reader) (first byte, line int, err error) {
	if mark, err := in.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		if _, err := in.Discard(3); err != nil {
			return 0, 0, err
		}
	}
	for line = 1; ; {
		c, err := in.ReadByte()
		switch {
		case err != nil:
			return 0, line, err
		case c == '\n':
			line++
		case c != ' ' && c != '\t' && c != '\r':
			return c, line, in.UnreadByte()
		}
	}
}

// readLines reads a result from each line.
func (a *Atlas) readLines(in *bufio.Reader, line int, name string, yield func(imports.Found, error) bool) {
	var text []byte
	for ; ; line++ {
		text = text[:0]
		long := false
		var err error
		for {
			var part []byte
			part, err = in.ReadSlice('\n')
			if long = long || len(text)+len(part) > maxResult; !long {
				text = append(text, part...)
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			yield(imports.Found{}, imports.Refuse("%s:%d: %w", name, line, err))
			return
		}
		found := imports.Found{Line: line}
		switch text = bytes.TrimSpace(text); {
		case long:
			found.Bad = fmt.Errorf("the result has more than %d bytes", maxResult)
		case len(text) > 0:
			a.result(text, &found)
		}
		if (long || len(text) > 0) && !yield(found, nil) || err != nil {
			return
		}
	}
}

// readArray reads the results of one array. Where it is broken, nobody knows
// where the next result begins.
func (a *Atlas) readArray(in io.Reader, line int, name string, yield func(imports.Found, error) bool) {
	counted := &counter{in: in, line: line}
	dec := json.NewDecoder(counted)
	broken := func(err error) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		at, _ := counted.at(dec.InputOffset())
		yield(imports.Found{}, imports.Refuse("%s:%d: the array is broken here or soon after: %w", name, at, plain(err)))
	}
	counted.most = maxResult
	if _, err := dec.Token(); err != nil {
		broken(err)
		return
	}
	var raw json.RawMessage
	for dec.More() {
		counted.most = dec.InputOffset() + maxResult
		if err := dec.Decode(&raw); err != nil {
			broken(err)
			return
		}
		at, _ := counted.at(dec.InputOffset() - int64(len(raw)))
		found := imports.Found{Line: at}
		a.result(raw, &found)
		if !yield(found, nil) {
			return
		}
	}
	counted.most = dec.InputOffset() + maxResult
	if _, err := dec.Token(); err != nil {
		broken(err)
		return
	}
	if _, err := dec.Token(); err == nil || !errors.Is(err, io.EOF) {
		at, _ := counted.at(dec.InputOffset())
		yield(imports.Found{}, imports.Refuse("%s:%d: more follows after the array", name, at))
	}
}

// counter knows the lines of what was read of a file, and lets nobody read more
// than most: a decoder would hold a value of any size.
type counter struct {
	in   io.Reader
	most int64 // offset
	read int64
	line int     // at the first of ends, or where at was last asked for
	ends []int64 // offsets of the line ends that were read since
}

// Read reads no further than most.
func (c *counter) Read(into []byte) (int, error) {
	if c.read >= c.most {
		return 0, fmt.Errorf("a result has more than %d bytes", maxResult)
	}
	n, err := c.in.Read(into[:min(int64(len(into)), c.most-c.read)])
	for i, b := range into[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.read+int64(i))
		}
	}
	c.read += int64(n)
	return n, err
}

// at is the line of an offset, none before those asked for already.
func (c *counter) at(offset int64) (line int, passed int) {
	for passed < len(c.ends) && c.ends[passed] < offset {
		passed++
	}
	c.line += passed
	c.ends = c.ends[passed:]
	return c.line, passed
}

// result reads one result.
func (a *Atlas) result(text []byte, found *imports.Found) {
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		found.Bad = plain(err)
		if _, broken := errors.AsType[*json.SyntaxError](err); broken {
			found.Bad = fmt.Errorf("is not a result in JSON: %w", err)
		}
		return
	}
	if found.LeftOut = r.notPing(); found.LeftOut == "" {
		found.LeftOut, found.Bad = a.row(&r, &found.Row)
	}
}

// row makes a row of a ping, or says why it is left out.
func (a *Atlas) row(r *result, row *imports.Row) (leftOut string, err error) {
	probe, err := r.Probe.whole("prb_id", maxProbe)
	if err != nil {
		return "", err
	}
	msm, err := r.Msm.whole("msm_id", maxMsm)
	if err != nil {
		return "", err
	}
	seconds, err := r.Timestamp.whole("timestamp", maxTimestamp)
	if err != nil {
		return "", err
	}
	address, resolved, err := r.destination()
	if err != nil {
		return "", err
	}
	at := time.Unix(int64(seconds), 0)
	src, known := a.Probes[probe]
	if !known {
		return fmt.Sprintf("of probe %d, which is no site; map it by --probe %d=SITE", probe, probe), nil
	}
	if !resolved {
		return fmt.Sprintf("of probe %d without dst_addr: it resolved no address and sent nothing", probe), nil
	}
	dst := a.target(address, at)
	if dst == nil {
		return fmt.Sprintf("to %s, which is no site; map it by --target %s=SITE", address, address), nil
	}
	if err := a.Options.Unmeasured(src, dst, at); err != nil {
		return fmt.Sprintf("from %s to %s: %v", src.ID, dst.ID, err), nil
	}
	*row = imports.Row{
		Src: src, Dst: dst, AtMS: at.UnixMilli(), Once: true, Tag: address.String(),
		Source: fmt.Sprintf("ripe-atlas msm %d prb %d", msm, probe),
	}
	if err := r.fill(row); err != nil {
		return "", err
	}
	if len(row.RTTUS) == 0 && row.Counts == (imports.Counts{}) {
		return "that sent nothing", nil
	}
	// Two probes, two measurements and the two kinds of rows never share a window.
	row.Session = (msm*(maxProbe+1) + probe) * 10
	if row.Alone {
		row.Session++
	}
	return "", nil
}

// target is the site that has an address at a moment.
func (a *Atlas) target(address netip.Addr, at time.Time) *mesh.Site {
	if site := a.Targets[address]; site != nil {
		return site
	}
	for _, site := range a.sites[address] {
		if site.ActiveAt(at) {
			return site
		}
	}
	return nil
}
