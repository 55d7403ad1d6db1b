package chart

import (
	"fmt"
	"strings"
)

const fonts = `"Noto Sans","Noto Sans SC","PingFang SC","Microsoft YaHei","Segoe UI","DejaVu Sans","Droid Sans Fallback",sans-serif`

// CSS gives the rules for a page with figures: light, and dark where the
// reader's system or <html data-theme="dark"> says so; data-theme="light"
// prevails over the system. Dark is for screens only, so that a print is on
// white whatever the screen was. A page may set the variables --fg-… anew.
func CSS() string {
	var b strings.Builder
	b.WriteString(".fg-chart{display:block;max-width:100%;height:auto;print-color-adjust:exact;-webkit-print-color-adjust:exact;forced-color-adjust:none;")
	b.WriteString(variables(Paper))
	b.WriteString("}\n.fg-chart text{font-family:" + fonts + "}\n")
	dark := variables(Dark)
	fmt.Fprintf(&b, "@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]) .fg-chart{%s}}\n", dark)
	fmt.Fprintf(&b, "@media screen{:root[data-theme=dark] .fg-chart{%s}}\n", dark)
	for _, ink := range Inks() {
		fmt.Fprintf(&b, ".fg-chart .s-%s{stroke:var(--fg-%[1]s)}.fg-chart .f-%[1]s{fill:var(--fg-%[1]s)}\n", ink)
	}
	b.WriteString("@media print{.fg-chart{break-inside:avoid}}\n")
	return b.String()
}

func variables(theme Theme) string {
	var all []string
	for _, ink := range Inks() {
		c := theme.Colour(ink)
		all = append(all, fmt.Sprintf("--fg-%s:#%02x%02x%02x", ink, c.R, c.G, c.B))
	}
	return strings.Join(all, ";")
}
