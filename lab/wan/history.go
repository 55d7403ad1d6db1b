package wan

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// History says what befalls links and probes over days and years, for whoever
// asks for a Past. A run of the emulator knows nothing of it. What is absent has
// the default that lab/README.md states.
type History struct {
	Diurnal      *Diurnal           `yaml:"diurnal"`
	PathChanges  *PathChanges       `yaml:"path_changes"`
	Lossy        *Lossy             `yaml:"lossy"`
	Silent       *Silent            `yaml:"silent"`
	Maintenance  *MaintenanceEffect `yaml:"maintenance"`
	ClockErrorUS *int               `yaml:"clock_error_us"` // bound on the error of every probe's clock; 0: none follows UTC
}

// Diurnal is what the load of a day does. It is none twelve hours from its peak
// and rises with the square of the nearness to it.
type Diurnal struct {
	Peak    *string  `yaml:"peak"`     // time of day in the zone of the mesh, such as 21:00
	DelayMS *float64 `yaml:"delay_ms"` // added to the RTT at the peak
	Jitter  *float64 `yaml:"jitter"`   // multiplies the jitter at the peak
	Loss    *float64 `yaml:"loss"`     // multiplies the loss at the peak
}

// PathChanges lead a link over another path for a while, or for good.
type PathChanges struct {
	PerYear        *float64 `yaml:"per_year"`        // of each link, on average
	LastingPercent *float64 `yaml:"lasting_percent"` // of them, which hold until the next lasting one
	Hours          *float64 `yaml:"hours"`           // mean length of the others
	StepPercent    *float64 `yaml:"step_percent"`    // by how much the path is longer than the first, on average
	Hops           *int     `yaml:"hops"`            // by how many routers it differs from the first, at most
}

// Lossy are times in which a link loses packets.
type Lossy struct {
	PerYear     *float64 `yaml:"per_year"`     // of each link, on average
	Minutes     *float64 `yaml:"minutes"`      // mean length
	LossPercent *float64 `yaml:"loss_percent"` // of the packets on each way; 100 cuts the link
}

// Silent are times in which a probe does not run. Half of them begin with a
// stop in good order, half with a crash.
type Silent struct {
	PerYear *float64 `yaml:"per_year"` // of each probe, on average
	Hours   *float64 `yaml:"hours"`    // mean length
}

// MaintenanceEffect is what the maintenance of the mesh does to the links of its
// sites.
type MaintenanceEffect string

// Effects of maintenance.
const (
	MaintenanceCut  MaintenanceEffect = "cut"  // nothing passes
	MaintenanceNone MaintenanceEffect = "none" // nobody notices
)

// past is a History with nothing left out.
type past struct {
	peak                                   time.Duration // after midnight
	delay                                  time.Duration
	jitter, loss                           float64
	pathsPerYear, lasting, pathHours, step float64 // lasting is a share; step, too
	hops                                   int
	lossyPerYear, lossyMinutes, lossyLoss  float64
	silentPerYear, silentHours             float64
	maintenance                            MaintenanceEffect
	clockErrorUS                           int
}

// past fills in what the file leaves out.
func (h *History) past() past {
	if h == nil {
		h = &History{}
	}
	d, c, l, s := or(h.Diurnal, Diurnal{}), or(h.PathChanges, PathChanges{}), or(h.Lossy, Lossy{}), or(h.Silent, Silent{})
	peak, _ := timeOfDay(or(d.Peak, "21:00")) // checked
	return past{
		peak: peak, delay: time.Duration(math.Round(or(d.DelayMS, 0.1) * float64(time.Millisecond))),
		jitter: or(d.Jitter, 3), loss: or(d.Loss, 4),
		pathsPerYear: or(c.PerYear, 6), lasting: or(c.LastingPercent, 15) / 100, pathHours: or(c.Hours, 8),
		step: or(c.StepPercent, 6) / 100, hops: or(c.Hops, 3),
		lossyPerYear: or(l.PerYear, 10), lossyMinutes: or(l.Minutes, 40), lossyLoss: or(l.LossPercent, 15) / 100,
		silentPerYear: or(s.PerYear, 2), silentHours: or(s.Hours, 3),
		maintenance: or(h.Maintenance, MaintenanceCut), clockErrorUS: or(h.ClockErrorUS, 0),
	}
}

func (c *checker) checkHistory() error {
	h := c.History
	if h == nil {
		return nil
	}
	d, p, l, s := or(h.Diurnal, Diurnal{}), or(h.PathChanges, PathChanges{}), or(h.Lossy, Lossy{}), or(h.Silent, Silent{})
	if d.Peak != nil {
		if _, err := timeOfDay(*d.Peak); err != nil {
			return c.doc.Errorf("history.diurnal.peak", "%v", err)
		}
	}
	for _, f := range []struct {
		field     string
		value     *float64
		low, high float64
		unit      string
	}{
		{"diurnal.delay_ms", d.DelayMS, 0, maxExtraMS, "ms"},
		{"diurnal.jitter", d.Jitter, 1, 100, "times the jitter"},
		{"diurnal.loss", d.Loss, 1, 1000, "times the loss"},
		{"path_changes.per_year", p.PerYear, 0, maxPerYear, "a year"},
		{"path_changes.lasting_percent", p.LastingPercent, 0, 100, "percent"},
		{"path_changes.hours", p.Hours, 0, maxHours, "hours"},
		{"path_changes.step_percent", p.StepPercent, 0, 500, "percent"},
		{"lossy.per_year", l.PerYear, 0, maxPerYear, "a year"},
		{"lossy.minutes", l.Minutes, 0, 60 * maxHours, "minutes"},
		{"lossy.loss_percent", l.LossPercent, 0, 100, "percent"},
		{"silent.per_year", s.PerYear, 0, maxPerYear, "a year"},
		{"silent.hours", s.Hours, 0, maxHours, "hours"},
	} {
		if f.value != nil && !(*f.value >= f.low && *f.value <= f.high) {
			return c.doc.Errorf("history."+f.field, "%v is not within %v to %v %s", *f.value, f.low, f.high, f.unit)
		}
	}
	if p.Hops != nil && (*p.Hops < 0 || *p.Hops > maxHops) {
		return c.doc.Errorf("history.path_changes.hops", "%d is not within 0 to %d", *p.Hops, maxHops)
	}
	if h.Maintenance != nil && !slices.Contains([]MaintenanceEffect{MaintenanceCut, MaintenanceNone}, *h.Maintenance) {
		return c.doc.Errorf("history.maintenance", "%q is no effect; allowed: cut, none", *h.Maintenance)
	}
	if h.ClockErrorUS != nil && (*h.ClockErrorUS < 0 || *h.ClockErrorUS > 1_000_000) {
		return c.doc.Errorf("history.clock_error_us", "%d is not within 0 to 1000000 µs", *h.ClockErrorUS)
	}
	return nil
}

// Bounds on how often and how long things happen.
const (
	maxPerYear = 1000
	maxHours   = 240
	// longest is where the longest of them are cut, in means.
	longest = 10
)

func timeOfDay(text string) (time.Duration, error) {
	m := regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not a time of day such as 21:00", text)
	}
	hours, _ := strconv.Atoi(m[1]) // digits
	minutes, _ := strconv.Atoi(m[2])
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute, nil
}

// FirstYear is the first of which a Past knows.
const FirstYear = 2000

// Past tells how links and probes behaved at any time from FirstYear on. What
// happened follows from the file and the mesh alone: each link and each probe
// has for each year in UTC draws of its own, so that any day may be asked for
// without those before it. It is immutable.
type Past struct {
	past
	seed  uint64
	wan   *WAN
	mesh  *mesh.Mesh
	works []works
}

// works are one entry under maintenance, in Unix ns.
type works struct {
	sites       []string
	from, until int64
}

// Past makes the past of the links of the file. Its events, which count from the
// start of a run, are left out.
func (w *WAN) Past() *Past {
	p := &Past{past: w.History.past(), seed: w.Seed, wan: w, mesh: w.mesh}
	if p.maintenance == MaintenanceCut {
		for _, m := range w.mesh.Maintenance {
			// The mesh was checked when it was loaded: its moments can be read.
			from, _ := m.From.In(w.mesh.Location())
			until, _ := m.Until.In(w.mesh.Location())
			p.works = append(p.works, works{m.Sites, from.UnixNano(), until.UnixNano()})
		}
	}
	return p
}

// ClockErrorUS bounds the error of every probe's clock, in microseconds; 0 where
// none follows UTC.
func (p *Past) ClockErrorUS() int { return p.clockErrorUS }

// Stream is where somebody draws who needs more than the fates of packets: one
// for each list of names.
func (p *Past) Stream(names ...string) Stream {
	return streamOf(p.seed, append([]string{"past"}, names...)...)
}

// Silence is a time, in Unix ns, in which a probe did not run.
type Silence struct {
	From, Until int64
	Crash       bool // nothing was finished
}

// Silences lists the times before the end of a year in which the probe of a
// site did not run, in order and apart.
func (p *Past) Silences(site string, year int) []Silence {
	var all []Silence
	stream := p.Stream("silent", site)
	for y := FirstYear; y <= year; y++ {
		for _, e := range happenings(stream, y, p.silentPerYear, p.silentHours*float64(time.Hour)) {
			all = append(all, Silence{e.from, e.until, e.draws.Share() < 0.5})
		}
	}
	slices.SortFunc(all, func(a, b Silence) int { return int(min(max(a.From-b.From, -1), 1)) })
	apart := all[:0]
	for _, s := range all {
		if n := len(apart); n > 0 && s.From <= apart[n-1].Until {
			apart[n-1].Until = max(apart[n-1].Until, s.Until)
			continue
		}
		apart = append(apart, s)
	}
	return apart
}

// happening is one thing that happens in a time, Unix ns, and further draws for
// it.
type happening struct {
	from, until int64
	draws       Draws
}

// happenings draws those that begin in a year: perYear of them on average, of
// exponential length.
func happenings(stream Stream, year int, perYear, mean float64) []happening {
	begin := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	length := float64(time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC).Sub(begin))
	draws := stream.Draws(uint64(year))
	n := int(perYear + draws.Share())
	found := make([]happening, 0, n)
	for range n {
		one := draws.next()
		e := happening{draws: Draws(one)}
		e.from = begin.UnixNano() + int64(length*e.draws.Share())
		lasts := min(-math.Log1p(-e.draws.Share())*mean, longest*mean)
		e.until = e.from + int64(max(lasts, float64(time.Second)))
		found = append(found, e)
	}
	return found
}

// Course is how the line between two sites behaved over a time.
type Course struct {
	forward int // number of the site from which the forward way leaves
	stages  []Stage
}

// Stage is a part of a course in which the line keeps one profile.
type Stage struct {
	From int64 // Unix ns; until that of the next
	Profile
	Path uint64 // names the path; 0 is the first
}

// Forward tells whether the way from a site is the forward one.
func (c *Course) Forward(site int) bool { return site == c.forward }

// At gives the number of the stage in force at a time, Unix ns, searching from
// that of an earlier one.
func (c *Course) At(t int64, earlier int) int {
	i := min(max(earlier, 0), len(c.stages)-1)
	for i > 0 && c.stages[i].From > t {
		i--
	}
	for i+1 < len(c.stages) && c.stages[i+1].From <= t {
		i++
	}
	return i
}

// Stage gives one by its number.
func (c *Course) Stage(i int) *Stage { return &c.stages[i] }

// quarter is how long the load of the day is held.
const quarter = 15 * time.Minute

// Course tells how the line between two connected sites behaved over [from,
// until), with the distances that count at a moment.
func (p *Past) Course(a, b int, distances, from, until time.Time) *Course {
	i, j := min(a, b), max(a, b)
	x, y := &p.mesh.Sites[i], &p.mesh.Sites[j]
	settings, backwards := p.wan.layers(x, y)
	base := settings.profile(theoreticalRTT(theory.InFibre(), p.mesh.Route(x, y, distances)))
	c := &Course{forward: i}
	if backwards {
		c.forward = j
	}
	first, last := from.UnixNano(), until.UnixNano()
	l := p.lineage(x.ID, y.ID, from.UTC().Year(), until.UTC().Year())
	edges := []int64{first}
	for t := (first/int64(quarter) + 1) * int64(quarter); t < last; t += int64(quarter) {
		edges = append(edges, t)
	}
	for _, e := range slices.Concat(l.cut, l.lossy, l.paths) {
		edges = append(edges, e.from, e.until)
	}
	slices.Sort(edges)
	for _, t := range slices.Compact(edges) {
		if t >= first && t < last {
			profile, path := p.at(base, l, t)
			c.stages = append(c.stages, Stage{From: t, Profile: profile, Path: path})
		}
	}
	return c
}

// lineage is what happened to a line. Of several paths at once the one that
// stands last counts.
type lineage struct{ cut, lossy, paths []happening }

// endless is later than anything.
const endless = math.MaxInt64

func (p *Past) lineage(a, b string, firstYear, lastYear int) lineage {
	var l lineage
	lossy, paths := p.Stream("lossy", a, b), p.Stream("path", a, b)
	for y := max(firstYear-1, FirstYear); y <= lastYear; y++ {
		l.lossy = append(l.lossy, happenings(lossy, y, p.lossyPerYear, p.lossyMinutes*float64(time.Minute))...)
	}
	var lasting, others []happening
	for y := FirstYear; y <= lastYear; y++ {
		for _, e := range happenings(paths, y, p.pathsPerYear, p.pathHours*float64(time.Hour)) {
			if e.draws.Share() < p.lasting {
				e.until = endless
				lasting = append(lasting, e)
			} else if y >= firstYear-1 {
				others = append(others, e)
			}
		}
	}
	byTime := func(a, b happening) int { return int(min(max(a.from-b.from, -1), 1)) }
	slices.SortFunc(lasting, byTime)
	slices.SortFunc(others, byTime)
	l.paths = append(lasting, others...)
	for _, w := range p.works {
		if slices.Contains(w.sites, a) || slices.Contains(w.sites, b) {
			l.cut = append(l.cut, happening{from: w.from, until: w.until})
		}
	}
	return l
}

func (e *happening) covers(t int64) bool { return e.from <= t && t < e.until }

// at is the profile of a line at a time, and its path.
func (p *Past) at(base Profile, l lineage, t int64) (profile Profile, path uint64) {
	profile = base
	for i := len(l.paths) - 1; i >= 0; i-- {
		if e := &l.paths[i]; e.covers(t) {
			path = p.reroute(&profile, e)
			break
		}
	}
	load := p.load(t)
	added := time.Duration(math.Round(load * float64(p.delay)))
	profile.RTT += added
	profile.Forward += added / 2
	profile.Jitter.MedianMS *= 1 + float64(load*(p.jitter-1))
	profile.Loss = min(profile.Loss*(1+float64(load*(p.loss-1))), 1)
	for i := range l.lossy {
		if l.lossy[i].covers(t) {
			profile.Loss = max(profile.Loss, p.lossyLoss)
		}
	}
	profile.Cut = profile.Cut || slices.ContainsFunc(l.cut, func(e happening) bool { return e.covers(t) })
	return profile, path
}

// reroute leads a line over another path, which is never shorter than the first,
// and names it.
func (p *Past) reroute(profile *Profile, e *happening) (path uint64) {
	draws := e.draws
	step := 1 + float64(2*p.step*draws.Share())
	profile.RTT = time.Duration(math.Round(float64(profile.RTT) * step))
	profile.Forward = time.Duration(math.Round(float64(profile.Forward) * step))
	if p.hops > 0 {
		change := 1 + int(draws.Share()*float64(p.hops))
		if draws.Share() < 0.5 {
			change = -change
		}
		profile.Hops = min(max(profile.Hops+change, 0), maxHops)
	}
	return draws.next() | 1
}

// load is that of the quarter of an hour in which a time lies, 0 to 1.
func (p *Past) load(t int64) float64 {
	middle := time.Unix(0, t-t%int64(quarter)+int64(quarter)/2).In(p.mesh.Location())
	clock := time.Duration(middle.Hour())*time.Hour + time.Duration(middle.Minute())*time.Minute + time.Duration(middle.Second())*time.Second
	apart := (clock - p.peak).Abs()
	apart = min(apart, 24*time.Hour-apart)
	near := 1 - float64(apart)/float64(12*time.Hour)
	return near * near
}
