// Package csv reads measurements from tables: files with a header, a row a
// packet or a row a summary, whose columns the user names. Package imports
// makes windows of the rows.
//
// Nothing is guessed: the unit of an RTT is in the name of its column or asked
// for, and a moment that happens twice, as clocks are set back, is refused.
package csv

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/imports"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Table says what the columns of a file are.
type Table struct {
	Mesh  *mesh.Mesh
	Sites map[string]string // what a cell says: the site that it means

	Src, Dst       string // columns
	Time           string // column; or
	At             string // the moment of all rows
	RTT            string // column; or
	Min, Mean, Max string // columns, of which one is enough
	Sent, Received string // columns beside Min, Mean, Max; both or none
	Lost           []string
	Unit           imports.Unit // empty: the names of the columns end in it
	Delimiter      rune         // 0: comma, semicolon or tab, whichever the header has
	System         string       // who measured; what two systems measured is kept apart

	// Filled by Check.
	atMS            int64
	rttUnits        map[string]imports.Unit
	session         uint64
	source          string
	timeInMS, alone bool
}

// maxLine bounds a row, in bytes.
const maxLine = 1 << 20

// Check tells what is wrong with the table itself, and makes it ready.
func (t *Table) Check() error {
	summary := []string{t.Min, t.Mean, t.Max}
	t.alone = slices.ContainsFunc(summary, func(s string) bool { return s != "" })
	switch {
	case t.RTT == "" && !t.alone:
		return errors.New("no column has an RTT; give --rtt, or one of --min, --mean, --max")
	case t.RTT != "" && t.alone:
		return errors.New("a row is a packet (--rtt) or a summary (--min, --mean, --max); import the two apart")
	case (t.Time == "") == (t.At == ""):
		return errors.New("give either --time, a column, or --at, the moment of all rows")
	case (t.Sent == "") != (t.Received == ""):
		return errors.New("--sent goes with --received; give both")
	case t.Sent != "" && !t.alone:
		return errors.New("--sent and --received belong to summaries (--min, --mean, --max); with --rtt each row is a packet")
	case len(t.Lost) > 0 && t.alone:
		return errors.New("--lost belongs to --rtt; summaries have --sent and --received")
	}
	if t.System != "" && !wire.IsIdentifier(t.System) {
		return fmt.Errorf("--source %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", t.System, wire.MaxIdentifier)
	}
	t.source = strings.TrimSpace("csv " + t.System)
	for name, id := range t.Sites {
		if t.Mesh.Site(id) == nil {
			return fmt.Errorf("--site %s=%s: the mesh has no site %s", name, id, id)
		}
	}
	t.rttUnits = map[string]imports.Unit{}
	for _, column := range append(summary, t.RTT) {
		if column == "" {
			continue
		}
		unit, err := t.unitOf(column)
		if err != nil {
			return err
		}
		t.rttUnits[column] = unit
	}
	t.timeInMS = strings.HasSuffix(t.Time, "_ms")
	if t.At != "" {
		at, err := t.moment(t.At)
		if err != nil {
			return fmt.Errorf("--at: %w", err)
		}
		t.atMS = at
	}
	form := "samples"
	if t.alone {
		form = "summaries"
	}
	// Below 2^53, which every reader of JSON keeps.
	sum := sha256.Sum256([]byte(t.source + " " + form))
	t.session = binary.BigEndian.Uint64(sum[:]) >> 16
	return nil
}

// unitOf is what an RTT column counts in.
func (t *Table) unitOf(column string) (imports.Unit, error) {
	named := imports.Unit("")
	for _, unit := range []imports.Unit{imports.Milliseconds, imports.Microseconds} {
		if strings.HasSuffix(column, "_"+string(unit)) {
			named = unit
		}
	}
	switch {
	case named == "" && t.Unit == "":
		return "", fmt.Errorf("column %s does not say its unit (its name ends in neither _ms nor _us); give --unit ms or --unit us", column)
	case named != "" && t.Unit != "" && named != t.Unit:
		return "", fmt.Errorf("column %s is in %s by its name, and in %s by --unit", column, named, t.Unit)
	case named != "":
		return named, nil
	}
	return t.Unit, nil
}

// File is a file of the table's form.
func (t *Table) File(name string) imports.File {
	return imports.OfFile(name, t.read)
}

func (t *Table) read(r io.Reader, name string, yield func(imports.Found, error) bool) {
	in := &lines{in: bufio.NewReaderSize(r, 64<<10)}
	header, err := in.next()
	for err == nil && len(bytes.TrimSpace(header)) == 0 {
		header, err = in.next()
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("is empty; its first line has to name the columns")
		}
		yield(imports.Found{}, imports.Refuse("%s: %w", name, err))
		return
	}
	header = bytes.TrimPrefix(header, []byte("\xef\xbb\xbf"))
	p := &parser{table: t, lines: in}
	if err := p.open(header); err != nil {
		yield(imports.Found{}, imports.Refuse("%s:%d: %w", name, in.number, err))
		return
	}
	for {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			return
		}
		found := imports.Found{Line: in.number}
		switch {
		case errors.Is(err, errLong):
			found.Bad = err
		case err != nil:
			yield(found, imports.Refuse("%s:%d: %w", name, in.number, err))
			return
		case len(bytes.TrimSpace(line)) == 0:
			continue
		default:
			found.Row, found.Bad = p.row(line)
		}
		if !yield(found, nil) {
			return
		}
	}
}

// lines reads a file line by line. A cell that goes on in the next line is
// refused: no measurement needs one, and a quote too many would take in the rest
// of the file.
type lines struct {
	in     *bufio.Reader
	number int
	line   []byte
}

var errLong = fmt.Errorf("the row has more than %d bytes", maxLine)

func (l *lines) next() ([]byte, error) {
	l.number++
	l.line = l.line[:0]
	long := false
	for {
		part, err := l.in.ReadSlice('\n')
		if long = long || len(l.line)+len(part) > maxLine; !long {
			l.line = append(l.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(l.line) > 0 || long):
		case err != nil:
			return nil, err
		}
		if long {
			return nil, errLong
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(l.line, []byte("\n")), []byte("\r")), nil
	}
}

// parser reads rows by the header of one file.
type parser struct {
	table   *Table
	lines   *lines
	feed    feeder
	cells   *csv.Reader
	names   int
	columns map[string]int
}

// feeder hands a reader of encoding/csv one line at a time.
type feeder struct{ rest []byte }

func (f *feeder) Read(into []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(into, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (p *parser) open(header []byte) error {
	delimiter, err := p.table.delimiter(string(header))
	if err != nil {
		return err
	}
	p.cells = csv.NewReader(&p.feed)
	p.cells.Comma, p.cells.FieldsPerRecord, p.cells.ReuseRecord = delimiter, -1, true
	names, err := p.split(header)
	if err != nil {
		return err
	}
	p.names = len(names)
	p.columns = map[string]int{}
	t := p.table
	for _, wanted := range []string{t.Src, t.Dst, t.Time, t.RTT, t.Min, t.Mean, t.Max, t.Sent, t.Received} {
		if wanted == "" {
			continue
		}
		place := -1
		for i, name := range names {
			if strings.TrimSpace(name) != wanted {
				continue
			}
			if place >= 0 {
				return fmt.Errorf("column %s is there twice", wanted)
			}
			place = i
		}
		if place < 0 {
			return fmt.Errorf("there is no column %s; columns are %.400q", wanted, strings.Join(names, ", "))
		}
		p.columns[wanted] = place
	}
	return nil
}

// delimiter is the one asked for, or the one that the header has.
func (t *Table) delimiter(header string) (rune, error) {
	if t.Delimiter != 0 {
		return t.Delimiter, nil
	}
	var has []rune
	for _, c := range ",;\t" {
		if strings.ContainsRune(header, c) {
			has = append(has, c)
		}
	}
	if len(has) != 1 {
		return 0, errors.New("the header does not show whether comma, semicolon or tab is between the columns; give --delimiter")
	}
	return has[0], nil
}

func (p *parser) split(line []byte) ([]string, error) {
	p.feed.rest = line
	cells, err := p.cells.Read()
	p.feed.rest = nil
	if err == nil {
		return cells, nil
	}
	if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, fmt.Errorf("character %d: %w", wrong.Column, wrong.Err)
	}
	return nil, err
}

func (p *parser) row(line []byte) (imports.Row, error) {
	cells, err := p.split(line)
	if err != nil {
		return imports.Row{}, err
	}
	if len(cells) != p.names {
		return imports.Row{}, fmt.Errorf("the row has %d cells, the header %d", len(cells), p.names)
	}
	t := p.table
	cell := func(column string) string { return strings.TrimSpace(cells[p.columns[column]]) }
	r := imports.Row{AtMS: t.atMS, Session: t.session, Source: t.source}
	for _, end := range []struct {
		column string
		site   **mesh.Site
	}{{t.Src, &r.Src}, {t.Dst, &r.Dst}} {
		if *end.site, err = t.site(cell(end.column)); err != nil {
			return r, fmt.Errorf("%s: %w", end.column, err)
		}
	}
	if t.Time != "" {
		if r.AtMS, err = t.moment(cell(t.Time)); err != nil {
			return r, fmt.Errorf("%s: %w", t.Time, err)
		}
	}
	if t.alone {
		return r, t.summary(&r, cell)
	}
	text := cell(t.RTT)
	if text == "" || slices.Contains(t.Lost, text) {
		r.Counts.Lost = 1
		return r, nil
	}
	us, err := t.rtt(t.RTT, text)
	r.RTTUS = []uint32{us}
	return r, err
}

func (t *Table) site(name string) (*mesh.Site, error) {
	if id, mapped := t.Sites[name]; mapped {
		return t.Mesh.Site(id), nil
	}
	if site := t.Mesh.Site(name); site != nil {
		return site, nil
	}
	return nil, fmt.Errorf("the mesh has no site %.80q; map it by --site NAME=SITE", name)
}

func (t *Table) rtt(column, text string) (uint32, error) {
	us, err := imports.ParseRTT(text, t.rttUnits[column])
	switch {
	case err == nil:
		return us, nil
	case strings.Contains(text, ","):
		err = fmt.Errorf("%w; write a decimal point", err)
	case t.RTT != "":
		err = fmt.Errorf("%w; if it stands for a lost packet, give --lost=%.20q", err, text)
	}
	return 0, fmt.Errorf("%s: %w", column, err)
}

// summary fills a row that sums up.
func (t *Table) summary(r *imports.Row, cell func(string) string) error {
	r.Alone, r.Once = true, true
	s := imports.Summary{}
	given := 0
	for _, statistic := range []struct {
		column string
		value  **uint32
	}{{t.Min, &s.Min}, {t.Mean, &s.Mean}, {t.Max, &s.Max}} {
		if statistic.column == "" || cell(statistic.column) == "" {
			continue
		}
		us, err := t.rtt(statistic.column, cell(statistic.column))
		if err != nil {
			return err
		}
		given++
		*statistic.value = &us
	}
	if t.Sent != "" {
		sent, err := count(cell(t.Sent))
		if err != nil {
			return fmt.Errorf("%s: %w", t.Sent, err)
		}
		received, err := count(cell(t.Received))
		if err != nil {
			return fmt.Errorf("%s: %w", t.Received, err)
		}
		switch {
		case received > sent:
			return fmt.Errorf("%s: %d is more than were sent, %d", t.Received, received, sent)
		case received == 0 && given > 0:
			return fmt.Errorf("%s: none was received, and yet there is an RTT", t.Received)
		case received == 0 && sent > 0:
			r.Counts.Lost = sent
			return nil
		}
		r.Counts.Received, r.Counts.Lost = received, sent-received
	}
	if given == 0 {
		return errors.New("the row has no RTT")
	}
	r.Summary = &s
	return nil
}

// count reads a number of packets.
func count(text string) (uint32, error) {
	n := uint32(0)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' || n > 1_000_000 {
			return 0, fmt.Errorf("%.80q is not a number of packets", text)
		}
		n = 10*n + uint32(text[i]-'0')
	}
	if text == "" {
		return 0, errors.New("is empty")
	}
	return n, nil
}

// moment reads a moment, in Unix milliseconds.
func (t *Table) moment(text string) (int64, error) {
	ms, err := t.instant(text)
	if err == nil && (ms <= 0 || ms > lastSecond*1000) {
		return 0, fmt.Errorf("%.80q is not between 1970 and 2200", text)
	}
	return ms, err
}

func (t *Table) instant(text string) (int64, error) {
	if isDigits(text) || isDigits(strings.Replace(text, ".", "", 1)) {
		return t.unix(text)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UnixMilli(), nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"} {
		wall, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		return inZone(wall, t.Mesh.Location())
	}
	return 0, fmt.Errorf("%.80q is neither RFC 3339 (2025-06-01T00:00:00+08:00) nor Unix seconds nor a time in the mesh's zone (2025-06-01 00:00:00)", text)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// lastSecond is the end of the year 2199. What is above counts in other units.
const lastSecond = 7_258_118_399

// unix reads seconds, with a fraction or without, and milliseconds where the
// name of the column ends so. A fraction counts to the millisecond.
func (t *Table) unix(text string) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	ms := int64(0)
	for i := range len(whole) {
		if ms = 10*ms + int64(whole[i]-'0'); ms > lastSecond*1000 {
			break
		}
	}
	if !t.timeInMS || t.At != "" {
		if ms > lastSecond {
			return 0, fmt.Errorf("%.80q is too large for Unix seconds; milliseconds stand in a column whose name ends in _ms", text)
		}
		ms *= 1000
		for i, weight := 0, int64(100); i < len(fraction) && weight > 0; i, weight = i+1, weight/10 {
			ms += int64(fraction[i]-'0') * weight
		}
	}
	return ms, nil
}

// inZone is the moment at which clocks of a zone show a time. None does while
// they are set forward, two do while they are set back.
func inZone(wall time.Time, zone *time.Location) (int64, error) {
	shown := wall.Format("2006-01-02 15:04:05")
	var at []time.Time
	// Offsets are those in force a day before and after.
	for _, near := range []time.Time{wall.Add(-24 * time.Hour), wall.Add(24 * time.Hour)} {
		_, offset := near.In(zone).Zone()
		candidate := wall.Add(-time.Duration(offset) * time.Second)
		if candidate.In(zone).Format("2006-01-02 15:04:05") != shown {
			continue
		}
		if len(at) == 0 || !at[0].Equal(candidate) {
			at = append(at, candidate)
		}
	}
	switch len(at) {
	case 0:
		return 0, fmt.Errorf("clocks in %s never show %s; write it with its offset", zone, shown)
	case 2:
		return 0, fmt.Errorf("clocks in %s show %s twice; write it with its offset", zone, shown)
	}
	return at[0].UnixMilli(), nil
}
