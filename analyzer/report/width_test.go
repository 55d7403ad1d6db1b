package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-runewidth"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/mesh"
)

// The libraries take dashes and dots for wide under a Chinese locale.
func TestLocaleChangesNothing(t *testing.T) {
	r := national(t)
	t.Cleanup(func() {
		text.OverrideRuneWidthEastAsianWidth(false)
		runewidth.DefaultCondition.EastAsianWidth = false
	})
	for _, chinese := range []bool{false, true} {
		text.OverrideRuneWidthEastAsianWidth(chinese)
		runewidth.DefaultCondition.EastAsianWidth = chinese
		var buf bytes.Buffer
		if err := Table(&buf, r, Look{Width: 80}); err != nil {
			t.Fatal(err)
		}
		golden(t, "national-80.txt", buf.Bytes())
	}
}

// However long or wide the identifiers and names are, each row says which pair
// it is of.
func TestLongNames(t *testing.T) {
	sites := []string{
		"a1 a one optical both", "b1 b one optical both", "c1 c one optical both", "a2 a two optical both", "b2 b two optical both",
		"a3 a one public-internet both", "b3 b one public-internet both",
	}
	short := scenario.Mesh(t, "UTC", sites, nil)
	file := string(short.Bytes())
	for id, name := range map[string][2]string{
		"a": {"Alpha", "张家口数据中心集群张家口数据中心集群"},
		"b": {"Beta", "长三角生态绿色一体化发展示范区数据中心集群"},
		"c": {"Gamma", "粤港澳大湾区韶关数据中心集群"},
	} {
		long := strings.ToUpper(id) + "-is-a-data-centre-cluster"
		file = strings.NewReplacer(
			"id: "+id+",", "id: "+long+",", "cluster: "+id+",", "cluster: "+long+",", "en: "+name[0], "en: "+name[1],
			"clusters: ["+id+",", "clusters: ["+long+",", ", "+id+"],", ", "+long+"],",
		).Replace(file)
	}
	file = strings.NewReplacer(
		"name: scenario", "name: "+strings.Repeat("long-name-", 6), "carrier: two", "carrier: china-telecommunications-corporation",
		"id: two", "id: china-telecommunications-corporation",
	).Replace(file)
	m, err := mesh.Parse("mesh.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	r := build(t, m, policy.Default(), &scenario.Store{}, on(t, m, "2025-06-03"))
	for columns, rows := range map[int][]string{
		80:  {"? A-is-a-…–B-is-a-d…  ", "? A-is-a-…–C-is-a-d…  ", "? B-is-a-…–C-is-a-d…  "},
		120: {"? A-is-a-data…–B-is-a-data…  张家口数据中… – 长三角生态绿…    one  "},
	} {
		var buf bytes.Buffer
		if err := Table(&buf, r, Look{Width: columns}); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(buf.String(), "\n") {
			if n := cells().StringWidth(line); n > columns {
				t.Errorf("at %d columns a line of %d: %s", columns, n, line)
			}
		}
		for _, row := range rows {
			if !strings.Contains(buf.String(), row) {
				t.Errorf("at %d columns no row %s:\n%s", columns, row, buf.String())
			}
		}
	}
}
