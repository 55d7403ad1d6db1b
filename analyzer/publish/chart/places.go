package chart

import (
	"math"
	"slices"
)

// place is where the words of a point stand.
type place struct {
	box  box
	away bool // so far from its point that a line has to join them
}

// places finds room for the words of points, each of a width and height: beside each where the fewest of
// the lines pass, else as near as there is room. No words lie over others, over
// a point or outside the frame. Points with the fewest choices are not tried
// first: the order of the input is, so that a small change moves little. False
// where there was no room at all.
func places(points, sizes []Point, em float64, frame box, taken []box, lines [][2]Point) ([]place, []bool) {
	r := 0.65 * em
	for _, p := range points {
		taken = append(taken, box{p.X - r, p.Y - r, p.X + r, p.Y + r})
	}
	found := make([]place, len(points))
	ok := make([]bool, len(points))
	for i, p := range points {
		found[i], ok[i] = near(p, sizes[i], em, frame, taken, lines)
		if !ok[i] {
			found[i], ok[i] = far(p, sizes[i], em, frame, taken)
		}
		if ok[i] {
			taken = append(taken, found[i].box)
		}
	}
	return found, ok
}

// around gives the eight places beside a point, the best first.
func around(p, size Point, em float64) []box {
	w, h, gap := size.X, size.Y, 0.7*em
	at := func(x, y float64) box { return box{x, y, x + w, y + h} }
	return []box{
		at(p.X+gap, p.Y-h/2), at(p.X-gap-w, p.Y-h/2), at(p.X-w/2, p.Y-gap-h), at(p.X-w/2, p.Y+gap),
		at(p.X+0.5*gap, p.Y-gap-h), at(p.X-0.5*gap-w, p.Y-gap-h), at(p.X+0.5*gap, p.Y+gap), at(p.X-0.5*gap-w, p.Y+gap),
	}
}

func near(p, size Point, em float64, frame box, taken []box, lines [][2]Point) (place, bool) {
	best, cost := box{}, math.Inf(1)
	for rank, b := range around(p, size, em) {
		if !b.within(frame) || !free(b, taken) {
			continue
		}
		c := 0.3 * float64(rank) * em
		for _, l := range lines {
			c += b.covers(l[0], l[1])
		}
		if c < cost {
			best, cost = b, c
		}
	}
	return place{box: best}, !math.IsInf(cost, 1)
}

func far(p, size Point, em float64, frame box, taken []box) (place, bool) {
	var all []box
	for y := frame.y0; y+size.Y <= frame.y1; y += em / 2 {
		for x := frame.x0; x+size.X <= frame.x1; x += em / 2 {
			if b := (box{x, y, x + size.X, y + size.Y}); free(b, taken) {
				all = append(all, b)
			}
		}
	}
	if len(all) == 0 {
		return place{}, false
	}
	return place{box: slices.MinFunc(all, func(a, b box) int {
		switch da, db := a.distance(p), b.distance(p); {
		case da < db:
			return -1
		case da > db:
			return 1
		}
		return 0
	}), away: true}, true
}

// nearest point of a box.
func (b box) nearest(p Point) Point {
	return Point{min(max(p.X, b.x0), b.x1), min(max(p.Y, b.y0), b.y1)}
}

func (b box) distance(p Point) float64 {
	n := b.nearest(p)
	return math.Hypot(n.X-p.X, n.Y-p.Y)
}

// covers gives the length of a line that lies in a box (Liang and Barsky).
func (b box) covers(from, to Point) float64 {
	dx, dy := to.X-from.X, to.Y-from.Y
	t0, t1 := 0.0, 1.0
	for _, c := range [4][2]float64{{-dx, from.X - b.x0}, {dx, b.x1 - from.X}, {-dy, from.Y - b.y0}, {dy, b.y1 - from.Y}} {
		switch p, q := c[0], c[1]; {
		case p == 0 && q < 0:
			return 0
		case p < 0:
			t0 = max(t0, q/p)
		case p > 0:
			t1 = min(t1, q/p)
		}
	}
	return max(0, t1-t0) * math.Hypot(dx, dy)
}
