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
	short := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
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
	m, err := mesh.Parse("mesh.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	r := build(t, m, policy.Default(), &scenario.Store{}, on(t, m, "2025-06-03"))
	for width, rows := range map[int][]string{
		80:  {"? A-is-a-data…–B-is-a-data…  ", "? A-is-a-data…–C-is-a-data…  ", "? B-is-a-data…–C-is-a-data…  "},
		120: {"? A-is-a-data…–B-is-a-data…  张家口数据中… – 长三角生态绿色…   1537 A"},
	} {
		var buf bytes.Buffer
		if err := Table(&buf, r, Look{Width: width}); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if !strings.Contains(buf.String(), row) {
				t.Errorf("at %d columns no row %s:\n%s", width, row, buf.String())
			}
		}
	}
}
