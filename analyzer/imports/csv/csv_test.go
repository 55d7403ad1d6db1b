package csv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/imports"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/mesh"
)

// packets is a table of single packets.
func packets(m *mesh.Mesh, change func(*Table)) *Table {
	t := &Table{Mesh: m, Src: "src", Dst: "dst", Time: "time", RTT: "rtt_ms"}
	if change != nil {
		change(t)
	}
	return t
}

func summaries(m *mesh.Mesh, change func(*Table)) *Table {
	return packets(m, func(t *Table) {
		t.RTT, t.Min, t.Mean, t.Max = "", "min_us", "mean_us", "max_us"
		if change != nil {
			change(t)
		}
	})
}

// read reads a table and tells each row on a line.
func read(t testing.TB, table *Table, text string) []string {
	t.Helper()
	if err := table.Check(); err != nil {
		return []string{"check: " + err.Error()}
	}
	var got []string
	table.read(strings.NewReader(text), "f", func(f imports.Found, err error) bool {
		switch {
		case err != nil:
			got = append(got, err.Error())
		case f.Bad != nil:
			got = append(got, fmt.Sprintf("%d: %v", f.Line, f.Bad))
		default:
			got = append(got, fmt.Sprintf("%d: %s", f.Line, tell(&f.Row)))
		}
		return true
	})
	return got
}

func tell(r *imports.Row) string {
	s := fmt.Sprintf("%s>%s %s", r.Src.ID, r.Dst.ID, time.UnixMilli(r.AtMS).UTC().Format("2006-01-02T15:04:05.000"))
	if len(r.RTTUS) > 0 {
		s += fmt.Sprintf(" rtt %d", r.RTTUS)
	}
	if v := r.Summary; v != nil {
		for _, p := range []*uint32{v.Min, v.Mean, v.Max} {
			if p == nil {
				s += " -"
			} else {
				s += fmt.Sprintf(" %d", *p)
			}
		}
	}
	if r.Counts != (imports.Counts{}) {
		s += fmt.Sprintf(" received %d lost %d", r.Counts.Received, r.Counts.Lost)
	}
	return s
}

func TestRows(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	const header = "src,dst,time,rtt_ms\n"
	for _, c := range []struct {
		name  string
		table *Table
		text  string
		want  []string
	}{
		{"packets", packets(m, nil), header + "a1,b1,2025-06-01T00:00:00+08:00,20.5\n\na1,b1,2025-05-31T16:00:00.25Z,\n",
			[]string{"2: a1>b1 2025-05-31T16:00:00.000 rtt [20500]", "4: a1>b1 2025-05-31T16:00:00.250 received 0 lost 1"}},
		{"byte order mark, CRLF, no end of line", packets(m, nil), "\xef\xbb\xbf\"src\",dst,time,rtt_ms\r\na1,b1,1748736000,20.5\r\nb1,a1,1748736000.5,21",
			[]string{"2: a1>b1 2025-06-01T00:00:00.000 rtt [20500]", "3: b1>a1 2025-06-01T00:00:00.500 rtt [21000]"}},
		{"semicolons, other columns", packets(m, nil), "\n\nx;rtt_ms;dst;src;time\n\"a;\"\"b\";20;b1;a1;1748736000\n",
			[]string{"4: a1>b1 2025-06-01T00:00:00.000 rtt [20000]"}},
		{"tabs", packets(m, nil), "src\tdst\ttime\trtt_ms\na1\tb1\t1748736000\t 20 \n",
			[]string{"2: a1>b1 2025-06-01T00:00:00.000 rtt [20000]"}},
		{"time of the zone", packets(m, nil), header + "a1,b1,2025-06-01 00:00:01.5,20\na1,b1,2025-06-01T00:01,20\n",
			[]string{"2: a1>b1 2025-05-31T16:00:01.500 rtt [20000]", "3: a1>b1 2025-05-31T16:01:00.000 rtt [20000]"}},
		{"milliseconds by name", packets(m, func(t *Table) { t.Time = "start_ms" }), "src,dst,start_ms,rtt_ms\na1,b1,1748736000001,20\n",
			[]string{"2: a1>b1 2025-06-01T00:00:00.001 rtt [20000]"}},
		{"one moment, unit by flag, losses by text, names of sites", packets(m, func(t *Table) {
			t.Time, t.At, t.RTT, t.Unit, t.Lost = "", "2025-06-01 08:00", "rtt", imports.Microseconds, []string{"*", "-1"}
			t.Sites = map[string]string{"Beijing": "a1"}
		}), "src,dst,rtt\nBeijing,b1,20000.5\nBeijing,b1,*\nb1,Beijing,-1\n",
			[]string{"2: a1>b1 2025-06-01T00:00:00.000 rtt [20001]", "3: a1>b1 2025-06-01T00:00:00.000 received 0 lost 1", "4: b1>a1 2025-06-01T00:00:00.000 received 0 lost 1"}},
		{"summaries", summaries(m, nil), "src,dst,time,min_us,mean_us,max_us\na1,b1,1748736000,1,2.5,4\na1,b1,1748736060,,2,\na1,b1,1748736060,,,\n",
			[]string{"2: a1>b1 2025-06-01T00:00:00.000 1 3 4", "3: a1>b1 2025-06-01T00:01:00.000 - 2 -", "4: the row has no RTT"}},
		{"summaries that count", summaries(m, func(t *Table) { t.Sent, t.Received, t.Mean, t.Max = "sent", "got", "", "" }),
			"src,dst,time,min_us,sent,got\na1,b1,1748736000,1,10,9\na1,b1,1748736060,,10,0\na1,b1,1,1,10,11\na1,b1,1,1,10,0\na1,b1,1,,10,5\na1,b1,1,1,x,5\na1,b1,1,1,,5\na1,b1,1,1,99999999,5\na1,b1,1,,0,0\n",
			[]string{
				"2: a1>b1 2025-06-01T00:00:00.000 1 - - received 9 lost 1", "3: a1>b1 2025-06-01T00:01:00.000 received 0 lost 10",
				"4: got: 11 is more than were sent, 10", "5: got: none was received, and yet there is an RTT", "6: the row has no RTT",
				`7: sent: "x" is not a number of packets`, "8: sent: is empty", `9: sent: "99999999" is not a number of packets`, "10: the row has no RTT",
			}},
		{"bad rows", packets(m, nil), header + strings.Join([]string{
			"zz,b1,1748736000,20", "a1,b1,yesterday,20", "a1,b1,1748736000000,20", "a1,b1,1748736000,fast", "a1,b1,1748736000,-1", "a1,b1,1748736000,0",
			`a1,b1,1748736000,"20,5"`, "a1,b1,1748736000", "a1,b1,1748736000,20,1", `a1,b"1,1748736000,20`, `"a1,b1,1748736000,20`, "a1,b1,,20", "a1,b1,1748736000,20",
			"a1,b1,0000-01-01 00:00:00,20", "a1,b1,0,20", "a1,b1,2200-01-01T00:00:00Z,20",
		}, "\n"), []string{
			`2: src: the mesh has no site "zz"; map it by --site NAME=SITE`,
			`3: time: "yesterday" is neither RFC 3339 (2025-06-01T00:00:00+08:00) nor Unix seconds nor a time in the mesh's zone (2025-06-01 00:00:00)`,
			`4: time: "1748736000000" is too large for Unix seconds; milliseconds stand in a column whose name ends in _ms`,
			`5: rtt_ms: "fast" is not a decimal number; if it stands for a lost packet, give --lost="fast"`,
			`6: rtt_ms: "-1" is negative; if it stands for a lost packet, give --lost="-1"`,
			`7: rtt_ms: "0" ms is nothing, which no packet takes; if it stands for a lost packet, give --lost="0"`,
			`8: rtt_ms: "20,5" is not a decimal number; write a decimal point`,
			"9: the row has 3 cells, the header 4", "10: the row has 5 cells, the header 4",
			`11: character 5: bare " in non-quoted-field`, `12: character 21: extraneous or missing " in quoted-field`,
			`13: time: "" is neither RFC 3339 (2025-06-01T00:00:00+08:00) nor Unix seconds nor a time in the mesh's zone (2025-06-01 00:00:00)`,
			"14: a1>b1 2025-06-01T00:00:00.000 rtt [20000]",
			`15: time: "0000-01-01 00:00:00" is not between 1970 and 2200`, `16: time: "0" is not between 1970 and 2200`,
			`17: time: "2200-01-01T00:00:00Z" is not between 1970 and 2200`,
		}},
		{"long row", packets(m, nil), header + "a1,b1,1748736000," + strings.Repeat("2", maxLine) + "\na1,b1,1748736000,20\n",
			[]string{"2: the row has more than 1048576 bytes", "3: a1>b1 2025-06-01T00:00:00.000 rtt [20000]"}},
		{"empty", packets(m, nil), "", []string{"f: is empty; its first line has to name the columns"}},
		{"blank", packets(m, nil), "\n \r\n", []string{"f: is empty; its first line has to name the columns"}},
		{"no column", packets(m, nil), "src,dst,when,rtt_ms\n", []string{"f:1: there is no column time; columns are \"src, dst, when, rtt_ms\""}},
		{"names that play with the terminal", packets(m, nil), "src,dst,\x1b[31m,rtt_ms\n", []string{`f:1: there is no column time; columns are "src, dst, \x1b[31m, rtt_ms"`}},
		{"column twice", packets(m, nil), "src,dst,time,rtt_ms,src\n", []string{"f:1: column src is there twice"}},
		{"no delimiter", packets(m, nil), "src\n", []string{"f:1: the header does not show whether comma, semicolon or tab is between the columns; give --delimiter"}},
		{"two delimiters", packets(m, nil), "src;dst,time;rtt_ms\n", []string{"f:1: the header does not show whether comma, semicolon or tab is between the columns; give --delimiter"}},
		{"delimiter by flag", packets(m, func(t *Table) { t.Delimiter = ';' }), "src;dst;time;rtt_ms;a,b\na1;b1;1;1;\n", []string{"2: a1>b1 1970-01-01T00:00:01.000 rtt [1000]"}},
		{"header broken", packets(m, nil), "src,\"dst\n", []string{`f:1: character 9: extraneous or missing " in quoted-field`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(t, c.table, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	for _, c := range []struct {
		name   string
		table  *Table
		change func(*Table)
		want   string
	}{
		{"no RTT", packets(m, nil), func(t *Table) { t.RTT = "" }, "no column has an RTT; give --rtt, or one of --min, --mean, --max"},
		{"both", packets(m, nil), func(t *Table) { t.Max = "max_us" }, "a row is a packet (--rtt) or a summary (--min, --mean, --max); import the two apart"},
		{"no time", packets(m, nil), func(t *Table) { t.Time = "" }, "give either --time, a column, or --at, the moment of all rows"},
		{"two times", packets(m, nil), func(t *Table) { t.At = "1" }, "give either --time, a column, or --at, the moment of all rows"},
		{"bad moment", packets(m, nil), func(t *Table) { t.Time, t.At = "", "noon" }, `--at: "noon" is neither RFC 3339 (2025-06-01T00:00:00+08:00) nor Unix seconds nor a time in the mesh's zone (2025-06-01 00:00:00)`},
		{"sent only", summaries(m, nil), func(t *Table) { t.Sent = "sent" }, "--sent goes with --received; give both"},
		{"sent of packets", packets(m, nil), func(t *Table) { t.Sent, t.Received = "s", "r" }, "--sent and --received belong to summaries (--min, --mean, --max); with --rtt each row is a packet"},
		{"lost of summaries", summaries(m, nil), func(t *Table) { t.Lost = []string{"*"} }, "--lost belongs to --rtt; summaries have --sent and --received"},
		{"no unit", packets(m, nil), func(t *Table) { t.RTT = "rtt" }, "column rtt does not say its unit (its name ends in neither _ms nor _us); give --unit ms or --unit us"},
		{"two units", packets(m, nil), func(t *Table) { t.Unit = imports.Microseconds }, "column rtt_ms is in ms by its name, and in us by --unit"},
		{"no site", packets(m, nil), func(t *Table) { t.Sites = map[string]string{"x": "zz"} }, "--site x=zz: the mesh has no site zz"},
		{"source", packets(m, nil), func(t *Table) { t.System = `a "b"` }, `--source "a \"b\"" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
	} {
		c.change(c.table)
		if err := c.table.Check(); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// TestClocksThatAreSet: a time that clocks show twice, or never, is none.
func TestClocksThatAreSet(t *testing.T) {
	m := scenario.Mesh(t, "Europe/Berlin", scenario.Sites(), nil)
	text := "src,dst,time,rtt_ms\n"
	for _, at := range []string{"2025-03-30 01:59:59", "2025-03-30 02:30:00", "2025-03-30 03:00:00", "2025-10-26 01:59:59", "2025-10-26 02:30:00", "2025-10-26T02:30:00+01:00", "2025-10-26 03:00:00"} {
		text += "a1,b1," + at + ",1\n"
	}
	want := []string{
		"2: a1>b1 2025-03-30T00:59:59.000 rtt [1000]",
		"3: time: clocks in Europe/Berlin never show 2025-03-30 02:30:00; write it with its offset",
		"4: a1>b1 2025-03-30T01:00:00.000 rtt [1000]",
		"5: a1>b1 2025-10-25T23:59:59.000 rtt [1000]",
		"6: time: clocks in Europe/Berlin show 2025-10-26 02:30:00 twice; write it with its offset",
		"7: a1>b1 2025-10-26T01:30:00.000 rtt [1000]",
		"8: a1>b1 2025-10-26T02:00:00.000 rtt [1000]",
	}
	if diff := cmp.Diff(want, read(t, packets(m, nil), text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSessions: two systems and two kinds of rows are kept apart.
func TestSessions(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	seen := map[uint64]bool{}
	for _, table := range []*Table{packets(m, nil), summaries(m, nil), packets(m, func(t *Table) { t.System = "x" }), summaries(m, func(t *Table) { t.System = "x" })} {
		if err := table.Check(); err != nil {
			t.Fatal(err)
		}
		if table.session == 0 || table.session >= 1<<53 || seen[table.session] {
			t.Errorf("session %d", table.session)
		}
		seen[table.session] = true
	}
}

func TestFile(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	table := packets(m, nil)
	if err := table.Check(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(name, []byte("src,dst,time,rtt_ms\na1,b1,1,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for f, err := range table.File(name).Rows(t.Context()) {
		if err != nil || f.Bad != nil {
			t.Errorf("%v, %v", f.Bad, err)
		}
		rows++
	}
	if rows != 1 {
		t.Errorf("%d rows", rows)
	}
	for _, err := range table.File(name + ".not").Rows(context.Background()) {
		if _, refused := errors.AsType[*imports.Refusal](err); !refused {
			t.Errorf("%v", err)
		}
	}
}

// FuzzRows: whatever stands in a table, each row is good or bad, and a good one
// is within what windows hold.
func FuzzRows(f *testing.F) {
	f.Add("src,dst,time,rtt_ms,min_us,sent,got\na1,b1,1748736000,20.5,1,10,9\n", uint8(0))
	f.Add("\xef\xbb\xbfsrc;dst;time;rtt_ms\r\na1;b1;2025-06-01 00:00:00;\"20\"\r\n", uint8(1))
	f.Add("src\tdst\ttime\trtt_ms\tmin_us\tsent\tgot\na1\tb1\t2025-06-01T00:00:00Z\t*\t\t3\t0\n", uint8(2))
	m := scenario.Mesh(f, "Europe/Berlin", scenario.Sites(), nil)
	tables := []*Table{
		packets(m, nil),
		packets(m, func(t *Table) { t.Lost, t.Sites = []string{"*"}, map[string]string{"": "a1"} }),
		summaries(m, func(t *Table) { t.Mean, t.Max, t.Sent, t.Received = "", "", "sent", "got" }),
	}
	for _, table := range tables {
		if err := table.Check(); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		last := 0
		tables[int(which)%len(tables)].read(strings.NewReader(text), "f", func(found imports.Found, err error) bool {
			if err != nil {
				if _, refused := errors.AsType[*imports.Refusal](err); !refused {
					t.Errorf("not a refusal: %v", err)
				}
				return true
			}
			if found.Line <= last {
				t.Errorf("line %d after line %d", found.Line, last)
			}
			last = found.Line
			if found.Bad != nil {
				return true
			}
			r := &found.Row
			if r.Src == nil || r.Dst == nil || r.AtMS <= 0 || r.AtMS > lastSecond*1000 {
				t.Errorf("a row of %v to %v at %d", r.Src, r.Dst, r.AtMS)
			}
			for _, v := range r.RTTUS {
				if v == 0 || v > 60_000_000 {
					t.Errorf("an RTT of %d µs", v)
				}
			}
			if len(r.RTTUS)+int(r.Counts.Lost) == 0 && r.Summary == nil {
				t.Error("a row that tells nothing")
			}
			return true
		})
	})
}
