package chart

// Tile puts figures beside and under each other, as small multiples: row by
// row, so many to a row, with a space between them. Inks and sizes stay. The
// descriptions of the parts are not joined: what all of them show together is
// for the caption to say.
func Tile(about Caption, columns int, apartPT float64, parts ...Figure) Figure {
	columns = max(1, columns)
	widths := make([]float64, columns)
	for i, f := range parts {
		widths[i%columns] = max(widths[i%columns], f.Width)
	}
	all := Figure{Title: about.Title, Description: about.Description}
	var x, y, height float64
	for i, f := range parts {
		if i%columns == 0 && i > 0 {
			y += height + apartPT
			x, height = 0, 0
		}
		for _, m := range f.Marks {
			all.Marks = append(all.Marks, moved(m, x, y))
		}
		all.Width, all.Height = max(all.Width, x+f.Width), max(all.Height, y+f.Height)
		height = max(height, f.Height)
		x += widths[i%columns] + apartPT
	}
	return all
}

func moved(m Mark, dx, dy float64) Mark {
	by := func(p Point) Point { return Point{p.X + dx, p.Y + dy} }
	switch m := m.(type) {
	case Path:
		parts := make([][]Point, len(m.Parts))
		for i, part := range m.Parts {
			parts[i] = make([]Point, len(part))
			for j, p := range part {
				parts[i][j] = by(p)
			}
		}
		m.Parts = parts
		return m
	case Circle:
		m.Center = by(m.Center)
		return m
	case Text:
		m.At = by(m.At)
		return m
	}
	return m
}
