package report

import "github.com/mattn/go-runewidth"

// cells measures and cuts texts in columns of a terminal. Dashes, dots and ∞,
// which some East Asian fonts draw wide, take one column whatever the locale:
// the same report gives the same table on every machine.
func cells() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

func width(s string) int { return cells().StringWidth(s) }

// snip cuts a text to a width, and says so.
func snip(s string, width int) string { return cells().Truncate(s, width, "…") }

// abreast cuts two texts so that both with what joins them fit a width, and
// neither crowds out the other: the shorter one keeps what it needs, up to half.
func abreast(a, joint, b string, room int) string {
	room -= width(joint)
	if wa, wb := width(a), width(b); wa+wb > room {
		ra := max(room/2, room-wb)
		a, b = snip(a, ra), snip(b, max(room-min(wa, ra), 1))
	}
	return a + joint + b
}
