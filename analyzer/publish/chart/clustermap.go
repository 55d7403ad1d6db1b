package chart

import "math"

// Map shows where the clusters lie and how each of their pairs was judged. It
// is equirectangular: degrees of longitude are as long as they are at the
// latitude in the middle, so that the scale bar holds there in both directions.
// There is no outline of a country and no tile; a faint net of degrees gives
// the bearing. Longitudes may not cross 180°.
type Map struct {
	Size
	Caption
	Clusters []MapCluster
	Links    []MapLink
	Verdicts VerdictWords
}

// MapCluster is a cluster, north and east in degrees.
type MapCluster struct {
	Name           string
	LatDeg, LonDeg float64
}

// MapLink is a pair: the places of both among the clusters.
type MapLink struct {
	A, B    int
	Verdict Verdict
}

// kmPerDegree of latitude, on the sphere of the mean radius 6371.0088 km (IUGG).
const kmPerDegree = 111.19508

type mapPlot struct {
	*canvas
	in       Map
	frame    box
	mid      Point // degrees in the middle: longitude, latitude
	perKM    float64
	shrink   float64 // cosine of the latitude in the middle
	latRange [2]float64
	lonRange [2]float64
}

// Figure draws the map.
func (in Map) Figure() Figure {
	p := &mapPlot{canvas: newCanvas(in.Size), in: in}
	p.project()
	net := p.degrees()
	p.links()
	taken := []box{p.bar()}
	taken = append(taken, p.bearings(net, taken[0])...)
	p.clusters(taken)
	y := p.frame.y1 + 0.4*p.em
	y = p.legend(p.items(), 0, y)
	return p.figure(y, in.Caption)
}

// project finds the scale at which all clusters have room, with a margin for
// their names.
func (p *mapPlot) project() {
	lat, lon := [2]float64{90, -90}, [2]float64{180, -180}
	for _, c := range p.in.Clusters {
		lat = [2]float64{min(lat[0], c.LatDeg), max(lat[1], c.LatDeg)}
		lon = [2]float64{min(lon[0], c.LonDeg), max(lon[1], c.LonDeg)}
	}
	if len(p.in.Clusters) == 0 {
		lat, lon = [2]float64{0, 0}, [2]float64{0, 0}
	}
	p.mid = Point{(lon[0] + lon[1]) / 2, (lat[0] + lat[1]) / 2}
	p.shrink = max(0.05, math.Cos(p.mid.Y*math.Pi/180))
	east := max((lon[1]-lon[0])*kmPerDegree*p.shrink, 20)
	north := max((lat[1]-lat[0])*kmPerDegree, 20)
	side, above := min(7*p.em, 0.16*p.width), 3*p.em
	width := p.width - 1
	height := min(max((width-2*side)*north/east, 12*p.em), 0.85*p.width)
	p.perKM = min((width-2*side)/east, height/north)
	p.frame = box{0.5, 0.5, p.width - 0.5, height + 2*above}
	half := func(points, km float64) float64 { return points / 2 / p.perKM / km }
	dLat, dLon := half(p.frame.y1-p.frame.y0, kmPerDegree), half(p.frame.x1-p.frame.x0, kmPerDegree*p.shrink)
	p.latRange = [2]float64{p.mid.Y - dLat, p.mid.Y + dLat}
	p.lonRange = [2]float64{p.mid.X - dLon, p.mid.X + dLon}
}

func (p *mapPlot) at(lat, lon float64) Point {
	return Point{
		(p.frame.x0+p.frame.x1)/2 + (lon-p.mid.X)*kmPerDegree*p.shrink*p.perKM,
		(p.frame.y0+p.frame.y1)/2 - (lat-p.mid.Y)*kmPerDegree*p.perKM,
	}
}

// bearing is a line of the net: where its words begin, and the words.
type bearing struct {
	at    Point
	words string
}

// degrees draws the net and the frame over it, and gives what is to be written
// at the left ends of the parallels and the upper ones of the meridians.
func (p *mapPlot) degrees() []bearing {
	step, decimals := roundStep(max(p.latRange[1]-p.latRange[0], p.lonRange[1]-p.lonRange[0]) / 6)
	var lines [][]Point
	var net []bearing
	for i := math.Ceil(p.latRange[0] / step); i*step <= p.latRange[1]; i++ {
		if y := p.at(i*step, 0).Y; math.Abs(i*step) <= 90 {
			lines = append(lines, []Point{{p.frame.x0, y}, {p.frame.x1, y}})
			net = append(net, bearing{Point{p.frame.x0 + 0.4*p.em, y - 0.25*p.em}, degree(i*step, decimals, "NS")})
		}
	}
	for i := math.Ceil(p.lonRange[0] / step); i*step <= p.lonRange[1]; i++ {
		x := p.at(0, i*step).X
		lines = append(lines, []Point{{x, p.frame.y0}, {x, p.frame.y1}})
		net = append(net, bearing{Point{x + 0.3*p.em, p.frame.y0 + p.em}, degree(i*step, decimals, "EW")})
	}
	p.lines(lines, Stroke{Ink: InkGrid, Width: 0.5})
	p.add(Path{Parts: [][]Point{p.frame.ring()}, Closed: true, Stroke: Stroke{Ink: InkFrame, Width: 0.6}})
	return net
}

// degree writes one with its side of the equator or of Greenwich.
func degree(v float64, decimals int, sides string) string {
	side := sides[:1]
	switch {
	case v < 0:
		side = sides[1:]
	case v == 0:
		side = ""
	}
	return decimal(math.Abs(v), decimals) + "°" + side
}

// bearings writes the degrees where nothing else is, and gives where.
func (p *mapPlot) bearings(net []bearing, bar box) []box {
	size := 0.8 * p.em
	taken := []box{bar}
	for i := range p.in.Clusters {
		at := p.of(i)
		taken = append(taken, box{at.X, at.Y, at.X, at.Y}.grown(0.7*p.em))
	}
	points := len(taken)
	for _, b := range net {
		room := box{b.at.X, b.at.Y - ascent*size, b.at.X + TextWidth(b.words, size, false), b.at.Y + descent*size}
		if room.within(p.frame) && free(room.grown(0.2*p.em), taken) {
			p.sized(b.at.X, b.at.Y, b.words, Start, InkFaint, size)
			taken = append(taken, room)
		}
	}
	return taken[points:]
}

// styles of verdicts. What fails lies on top.
func (v Verdict) line() Stroke {
	ink, _ := v.inks()
	switch v {
	case Compliant:
		return Stroke{Ink: ink, Width: 0.9}
	case NonCompliant:
		return Stroke{Ink: ink, Width: 1.5, Dash: Dashed}
	}
	return Stroke{Ink: ink, Width: 1.2, Dash: Dotted}
}

func (p *mapPlot) links() {
	for _, v := range []Verdict{Compliant, NotDemonstrated, NonCompliant} {
		var parts [][]Point
		for _, l := range p.in.Links {
			if l.Verdict.line() == v.line() && p.valid(l) {
				parts = append(parts, []Point{p.of(l.A), p.of(l.B)})
			}
		}
		p.lines(parts, v.line())
	}
}

func (p *mapPlot) valid(l MapLink) bool {
	n := len(p.in.Clusters)
	return l.A >= 0 && l.B >= 0 && l.A < n && l.B < n
}

func (p *mapPlot) of(cluster int) Point {
	c := p.in.Clusters[cluster]
	return p.at(c.LatDeg, c.LonDeg)
}

// bar draws the scale bar in the lower left and gives the room it takes.
func (p *mapPlot) bar() box {
	width := (p.frame.x1 - p.frame.x0) / 4
	km, decimals := roundStep(width / p.perKM / 2)
	words := decimal(km, decimals) + " km"
	x0, y := p.frame.x0+p.em, p.frame.y1-p.em
	x1 := x0 + km*p.perKM
	end := 0.4 * p.em
	room := box{x0 - 0.4*p.em, y - 2*p.em, max(x1, x0+TextWidth(words, p.em, false)) + 0.4*p.em, y + 0.3*p.em}
	p.fill(InkPaper, room.ring())
	p.lines([][]Point{{{x0, y - end}, {x0, y}, {x1, y}, {x1, y - end}}}, Stroke{Ink: InkText, Width: 1})
	p.text(x0, y-0.7*p.em, words, Start, InkText)
	return room
}

// clusters draws the points and their names on a ground that the lines do not
// show through.
func (p *mapPlot) clusters(taken []box) {
	var points, sizes []Point
	var names [][]string
	for i, c := range p.in.Clusters {
		name, ok := wrap(c.Name, p.em, 13*p.em, 2)
		if !ok {
			name = []string{fit(c.Name, p.em, 13*p.em)}
		}
		w := 0.0
		for _, line := range name {
			w = max(w, TextWidth(line, p.em, false))
		}
		points, names = append(points, p.of(i)), append(names, name)
		sizes = append(sizes, Point{w + 0.4*p.em, 1.2 * p.em * float64(len(name))})
	}
	var lines [][2]Point
	for _, l := range p.in.Links {
		if p.valid(l) {
			lines = append(lines, [2]Point{p.of(l.A), p.of(l.B)})
		}
	}
	found, ok := places(points, sizes, p.em, p.frame.grown(-0.3*p.em), taken, lines)
	for i, f := range found {
		if ok[i] && f.away {
			to := f.box.nearest(points[i])
			p.line(points[i].X, points[i].Y, to.X, to.Y, Stroke{Ink: InkText, Width: 0.5})
		}
	}
	for i, f := range found {
		if ok[i] {
			p.fill(InkPaper, f.box.ring())
			for j, line := range names[i] {
				p.text((f.box.x0+f.box.x1)/2, f.box.y0+(0.92+1.2*float64(j))*p.em, line, Middle, InkText)
			}
		}
	}
	for _, at := range points {
		p.add(Circle{Center: at, Radius: 0.38 * p.em, Stroke: Stroke{Ink: InkPaper, Width: 1}, Fill: InkText})
	}
}

func (p *mapPlot) items() []item {
	var items []item
	for _, w := range []struct {
		v     Verdict
		words string
	}{{Compliant, p.in.Verdicts.Compliant}, {NonCompliant, p.in.Verdicts.NonCompliant}, {NotDemonstrated, p.in.Verdicts.NotDemonstrated}} {
		if w.words != "" {
			items = append(items, item{func(x, y float64) { p.line(x-p.em, y, x+p.em, y, w.v.line()) }, w.words})
		}
	}
	return items
}
