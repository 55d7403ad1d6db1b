package verify_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/verify"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/influx"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The seeds of the sites' keys; c1 has none, and a1 had another first.
const (
	keyOfA1, oldKeyOfA1, keyOfB1, keyOfNobody = 1, 2, 3, 4
)

func midnight(m *mesh.Mesh) time.Time { return time.Date(2025, 6, 3, 0, 0, 0, 0, m.Location()) }

// changeOfKey is when a1 got its new key.
const changeOfKey = 30 * time.Hour

// stage makes a store in a file.
func stage(t *testing.T) (file string, m *mesh.Mesh, period report.Period) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "store.sqlite")
	s, err := sqlite.Open(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m, period = fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file, m, period
}

// fill puts three days, of which the second and third are verified:
// from each site a batch every three hours, of ten minutes of both its links,
// those at midnight from both days; the first window of each batch was refused.
func fill(t *testing.T, s store.Store) (m *mesh.Mesh, period report.Period) {
	t.Helper()
	m = scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	begin := midnight(m)
	keys := []store.SigningKey{
		conformance.SigningKey("a1", oldKeyOfA1, begin), conformance.SigningKey("a1", keyOfA1, begin.Add(changeOfKey)),
		conformance.SigningKey("b1", keyOfB1, begin),
	}
	keys[0].Revoked = begin.Add(changeOfKey)
	for _, k := range keys {
		if err := s.PutSigningKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutMesh(t.Context(), store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: begin}); err != nil {
		t.Fatal(err)
	}
	for at := begin.Add(3 * time.Hour); !at.After(begin.Add(72 * time.Hour)); at = at.Add(3 * time.Hour) {
		for _, src := range []string{"a1", "b1", "c1"} {
			put(t, s, batch(m, src, at), at.Add(5*time.Minute))
		}
	}
	// A batch whose acknowledgement was lost comes again.
	put(t, s, batch(m, "b1", begin.Add(36*time.Hour)), begin.Add(37*time.Hour))
	return m, report.Period{From: begin.AddDate(0, 0, 1), To: begin.AddDate(0, 0, 3)}
}

// batch has windows from five minutes before a moment to five after, first one
// that is refused.
func batch(m *mesh.Mesh, src string, at time.Time) wire.Batch {
	b := wire.Batch{Schema: wire.SchemaBatch, Site: src}
	for minute := -5; minute < 5; minute++ {
		for _, dst := range []string{"a1", "b1", "c1"} {
			if dst != src {
				b.Windows = append(b.Windows, scenario.Window(m, src, dst, at.Add(time.Duration(minute)*time.Minute), scenario.Same(20_000, 3), 0))
			}
		}
	}
	refused := b.Windows[0]
	refused.MeshSHA256 = strings.Repeat("0", 64)
	b.Windows = append([]wire.Window{refused}, b.Windows...)
	return b
}

func put(t *testing.T, s store.Store, b wire.Batch, at time.Time) {
	t.Helper()
	seed := map[string]uint64{"a1": keyOfA1, "b1": keyOfB1}[b.Site]
	if b.Site == "a1" && at.Before(midnight(scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)).Add(changeOfKey)) {
		seed = oldKeyOfA1
	}
	if seed != 0 {
		b.Sign(conformance.Signer(seed))
	}
	if err := s.Put(t.Context(), store.Admission{
		At: at, Site: b.Site, Batch: b.Digest().String(), MeshSHA256: b.Windows[1].MeshSHA256,
		Signature: b.Signature, Statement: b.Digests(), Windows: b.Windows[1:],
	}); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, file string, m *mesh.Mesh, period report.Period, o verify.Options) *verify.Result {
	t.Helper()
	s, err := sqlite.OpenReader(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := verify.Run(t.Context(), s, m, period, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tamper does to a file by hand what the program never does. It names entries
// and windows of noon of the second day.
func tamper(t *testing.T, file string, m *mesh.Mesh, statements ...string) {
	t.Helper()
	noon := midnight(m).Add(36 * time.Hour)
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		statement = strings.NewReplacer(
			"ENTRY_OF_A", fmt.Sprintf("(SELECT min(seq) FROM journal WHERE site = 'a1' AND at_ms = %d)", noon.Add(5*time.Minute).UnixMilli()),
			"ENTRY_OF_B", fmt.Sprintf("(SELECT min(seq) FROM journal WHERE site = 'b1' AND at_ms = %d)", noon.Add(3*time.Hour+5*time.Minute).UnixMilli()),
			"ENTRY_OF_C", fmt.Sprintf("(SELECT min(seq) FROM journal WHERE site = 'c1' AND at_ms = %d)", noon.Add(5*time.Minute).UnixMilli()),
			"WINDOW_OF_A", fmt.Sprintf("start_ms = %d AND link = (SELECT id FROM link WHERE src = 'a1' AND dst = 'b1')", noon.UnixMilli()),
			"WINDOW_OF_C", fmt.Sprintf("start_ms = %d AND link = (SELECT id FROM link WHERE src = 'c1' AND dst = 'b1')", noon.UnixMilli()),
			"NOON", fmt.Sprint(noon.UnixMilli()),
			"BEGIN", fmt.Sprint(midnight(m).UnixMilli()),
			"OTHER_KEY", fmt.Sprintf("x'%x'", []byte(conformance.SigningKey("b1", keyOfNobody, noon).Key)),
			"OTHER_SIGNATURE", base64.StdEncoding.EncodeToString(make([]byte, 64)),
		).Replace(statement)
		result, err := db.Exec(statement)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 && !strings.HasPrefix(statement, "CREATE") {
			t.Fatalf("%s: changes nothing, %v", statement, err)
		}
	}
}

func TestUntouched(t *testing.T) {
	file, m, period := stage(t)
	r := run(t, file, m, period, verify.Options{})
	// Of 3 sites, both links: at the first midnight 5 minutes, then 15 times 10,
	// and 5 at the last.
	perSite := 2 * (5 + 15*10 + 5)
	counts := func(signed, entries int) verify.Counts {
		c := verify.Counts{Windows: perSite, Signed: signed, Unsigned: perSite - signed, Refused: 17, Entries: entries}
		if signed > 0 {
			c.SignedEntries = entries
		}
		return c
	}
	want := []verify.Site{{"a1", counts(perSite, 17)}, {"b1", counts(perSite, 18)}, {"c1", counts(0, 17)}}
	if diff := cmp.Diff(want, r.Sites); diff != "" {
		t.Errorf("sites differ (-want +got):\n%s", diff)
	}
	if !r.Good || len(r.Findings) > 0 || len(r.Counts) > 0 || r.Total.Windows != 3*perSite {
		t.Errorf("good is %v, with %v", r.Good, r.Counts)
	}
	var used []string
	for _, k := range r.Keys {
		used = append(used, fmt.Sprintf("%s %d", k.Site, k.Entries))
	}
	if diff := cmp.Diff([]string{"a1 2", "a1 15", "b1 18"}, used); diff != "" {
		t.Errorf("keys differ (-want +got):\n%s", diff)
	}
}

// TestTampering alters a good store by hand. What is found is named by code, and
// by a piece of the line that people read.
func TestTampering(t *testing.T) {
	for _, test := range []struct {
		name       string
		statements []string
		want       map[string]int
		says       string
	}{
		{"window changed", []string{"UPDATE windows SET p95_us = 1 WHERE WINDOW_OF_A"},
			map[string]int{verify.WindowNotJournalled: 1, verify.WindowLost: 1}, "window a1>b1/icmp@2025-06-04T04:00:00.000Z#1 ("},
		{"samples of a window changed", []string{"UPDATE windows SET rtts = x'010101' WHERE WINDOW_OF_A"},
			map[string]int{verify.WindowNotJournalled: 1, verify.WindowLost: 1}, "it was changed or invented"},
		{"window of a site without key changed", []string{"UPDATE windows SET lost = 7 WHERE WINDOW_OF_C"},
			map[string]int{verify.WindowNotJournalled: 1, verify.WindowLost: 1}, "window c1>b1/icmp@2025-06-04T04:00:00.000Z#1 ("},
		{"origin of all windows changed", []string{"UPDATE context SET origin = 'measured'"},
			map[string]int{verify.WindowNotJournalled: 960, verify.WindowLost: 104}, "invented"},
		{"window removed", []string{"DELETE FROM windows WHERE WINDOW_OF_A"},
			map[string]int{verify.WindowLost: 1}, "brought 10 windows of a1>b1/icmp from 2025-06-04T03:55:00Z to 2025-06-04T04:04:00Z; removed from the store, or changed there: 1"},
		{"window at the border of the period removed", []string{"DELETE FROM windows WHERE start_ms = BEGIN + 86400000 AND link = 1"},
			map[string]int{verify.WindowLost: 1}, "from 2025-06-03T15:55:00Z"},
		{"window invented", []string{
			"CREATE TABLE copy AS SELECT * FROM windows WHERE WINDOW_OF_A", "UPDATE copy SET start_ms = start_ms + 3600000, digest = x'00'",
			"INSERT INTO windows SELECT * FROM copy"},
			map[string]int{verify.WindowNotJournalled: 1}, "window a1>b1/icmp@2025-06-04T05:00:00.000Z#1 ("},
		{"window moved to another link", []string{"UPDATE windows SET link = (SELECT id FROM link WHERE src = 'b1' AND dst = 'a1'), session = 2 WHERE WINDOW_OF_A"},
			map[string]int{verify.WindowNotJournalled: 1, verify.WindowLost: 1}, "window b1>a1"},
		{"signature changed", []string{"UPDATE journal SET signature = json_set(signature, '$.value', 'OTHER_SIGNATURE') WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.SignatureWrong: 1}, "entry of a1 at 2025-06-04T04:05:00.000Z, batch "},
		{"signature of another batch", []string{"UPDATE journal SET signature = (SELECT signature FROM journal WHERE seq = ENTRY_OF_A - 3) WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.SignatureWrong: 1}, "is not of what it states"},
		{"signature by an unknown algorithm", []string{"UPDATE journal SET signature = json_set(signature, '$.algorithm', 'none') WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.SignatureWrong: 1}, "is not of what it states"},
		{"signature removed", []string{"UPDATE journal SET signature = NULL WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.SignatureMissing: 1}, "has no signature, though a key of the site was in force"},
		{"key swapped", []string{"UPDATE signing_key SET key = OTHER_KEY WHERE site = 'b1'"},
			map[string]int{verify.KeyUnknown: 18}, "not archived of the site"},
		{"key removed", []string{"DELETE FROM signing_key WHERE site = 'b1'"},
			map[string]int{verify.KeyUnknown: 18}, "not archived of the site"},
		{"key of another site", []string{"UPDATE signing_key SET site = 'c1' WHERE site = 'b1'"},
			map[string]int{verify.KeyUnknown: 18, verify.SignatureMissing: 17}, "not archived of the site"},
		{"enrolment moved", []string{"UPDATE signing_key SET enrolled_ms = NOON WHERE site = 'b1'"},
			map[string]int{verify.KeyNotInForce: 4}, "enrolled later or revoked before"},
		{"revocation moved", []string{"UPDATE signing_key SET revoked_ms = NOON WHERE site = 'b1'"},
			map[string]int{verify.KeyNotInForce: 14}, "enrolled later or revoked before"},
		{"statement changed", []string{"UPDATE journal SET statement = CAST(substr(statement, 1, 32) || zeroblob(32) || substr(statement, 65) AS BLOB) WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.StatementWrong: 1, verify.WindowNotJournalled: 1}, "its statement is not that of the batch"},
		{"statement and hash changed", []string{"UPDATE journal SET (statement, batch) = (SELECT statement, batch FROM journal WHERE seq = ENTRY_OF_A - 3) WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.SignatureWrong: 1, verify.WindowLost: 2, verify.WindowNotJournalled: 20}, "is not of what it states"},
		{"statement removed", []string{"UPDATE journal SET statement = NULL WHERE seq = ENTRY_OF_B"},
			map[string]int{verify.StatementMissing: 1, verify.WindowNotJournalled: 20}, "has no statement"},
		{"statement and signature removed", []string{"UPDATE journal SET statement = NULL, signature = NULL WHERE seq = ENTRY_OF_B"},
			map[string]int{verify.StatementMissing: 1, verify.WindowNotJournalled: 20}, "has no statement"},
		{"unsigned and admitted before the key", []string{"UPDATE journal SET statement = NULL, signature = NULL, at_ms = BEGIN - 1 WHERE seq = ENTRY_OF_B"},
			map[string]int{verify.AdmittedTooEarly: 1, verify.WindowNotJournalled: 20}, "admitted before its windows began"},
		{"entry removed", []string{"DELETE FROM span WHERE seq = ENTRY_OF_A", "DELETE FROM journal WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.WindowNotJournalled: 20}, "or its entry was removed"},
		{"entry removed but not its spans", []string{"DELETE FROM journal WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.WindowNotJournalled: 20}, "or its entry was removed"},
		{"entry given to another site", []string{"UPDATE journal SET site = 'a1' WHERE seq = ENTRY_OF_C"},
			map[string]int{verify.EntryChanged: 1, verify.WindowNotJournalled: 20}, "its spans do not fit"},
		{"span removed", []string{"DELETE FROM span WHERE seq = ENTRY_OF_A AND link = (SELECT id FROM link WHERE src = 'a1' AND dst = 'b1')"},
			map[string]int{verify.EntryChanged: 1}, "its spans do not fit"},
		{"spans removed", []string{"DELETE FROM span WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.EntryChanged: 1}, "its spans do not fit"},
		{"mesh removed", []string{"DELETE FROM mesh"},
			map[string]int{verify.MeshMissing: 1}, "is not archived, and named by 960 windows"},
		{"mesh changed", []string{"UPDATE mesh SET bytes = CAST('version: 1' AS BLOB)"},
			map[string]int{verify.MeshChanged: 1}, "is archived with other content"},
		{"site with control characters", []string{"UPDATE journal SET site = char(27) || '[2J' WHERE seq = ENTRY_OF_A"},
			map[string]int{verify.EntryChanged: 1, verify.WindowNotJournalled: 20}, `entry of "\x1b[2J" at`},
	} {
		t.Run(test.name, func(t *testing.T) {
			file, m, period := stage(t)
			tamper(t, file, m, test.statements...)
			r := run(t, file, m, period, verify.Options{})
			if diff := cmp.Diff(test.want, r.Counts); diff != "" || r.Good {
				t.Errorf("good is %v; findings differ (-want +got):\n%s", r.Good, diff)
			}
			var table strings.Builder
			if err := verify.Table(&table, r); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(table.String(), test.says) || strings.Contains(table.String(), "\x1b") {
				t.Errorf("nothing says %q:\n%s", test.says, table.String())
			}
			// A law: it makes no difference how much is held at once.
			inParts := run(t, file, m, period, verify.Options{Held: 1})
			if diff := cmp.Diff(r, inParts); diff != "" {
				t.Errorf("in parts it differs (-whole +parts):\n%s", diff)
			}
		})
	}
}

// TestStillGood changes what takes nothing from the evidence.
func TestStillGood(t *testing.T) {
	for name, statements := range map[string][]string{
		// As before statements were kept: nothing can be said of it but that its
		// windows are as many.
		"unsigned and without statement": {"UPDATE journal SET statement = NULL WHERE site = 'c1'"},
		"one of two entries of a batch removed": {
			"DELETE FROM span WHERE seq = (SELECT max(seq) FROM journal)", "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)"},
		"beside the period": {"DELETE FROM windows WHERE start_ms < BEGIN + 80000000", "DELETE FROM journal WHERE at_ms < BEGIN + 80000000"},
	} {
		file, m, period := stage(t)
		tamper(t, file, m, statements...)
		r := run(t, file, m, period, verify.Options{})
		if !r.Good || r.Total.Windows != 960 {
			t.Errorf("%s: %d windows, %v", name, r.Total.Windows, r.Counts)
		}
		if diff := cmp.Diff(r, run(t, file, m, period, verify.Options{Held: 1})); diff != "" {
			t.Errorf("%s: in parts it differs (-whole +parts):\n%s", name, diff)
		}
	}
	file, m, period := stage(t)
	tamper(t, file, m, "UPDATE journal SET statement = NULL WHERE site = 'c1'", "DELETE FROM windows WHERE WINDOW_OF_C")
	if r := run(t, file, m, period, verify.Options{}); r.Counts[verify.WindowLost] != 1 || len(r.Findings) != 1 {
		t.Errorf("a window lost of an entry without statement: %v", r.Counts)
	}
}

// TestStrict alters a store in ways that leave nothing that contradicts itself:
// what is found is that less is proved than could be.
func TestStrict(t *testing.T) {
	const refused = 3 * 17 // the first of each batch
	for _, test := range []struct {
		name       string
		statements []string
		want       map[string]int // with Strict, of windows
		says       string
	}{
		{"untouched", nil,
			map[string]int{verify.WindowRefused: refused, verify.WindowUnsigned: 320}, "320 windows of c1 not signed"},
		{"window removed, with the numbers of its entry", []string{
			"DELETE FROM windows WHERE WINDOW_OF_A",
			"UPDATE journal SET windows = windows - 1 WHERE seq = ENTRY_OF_A",
			"UPDATE span SET windows = windows - 1 WHERE seq = ENTRY_OF_A AND link = (SELECT id FROM link WHERE src = 'a1' AND dst = 'b1')"},
			map[string]int{verify.WindowRefused: refused + 1, verify.WindowUnsigned: 320}, "2 of the windows that it states are not in the store"},
		{"signatures and keys of a site removed", []string{
			"UPDATE journal SET signature = NULL WHERE site = 'b1'", "DELETE FROM signing_key WHERE site = 'b1'"},
			map[string]int{verify.WindowRefused: refused, verify.WindowUnsigned: 640}, "320 windows of b1 not signed"},
		{"windows at both borders of the period removed, with the numbers", []string{
			"CREATE TABLE gone AS SELECT * FROM windows WHERE start_ms IN (BEGIN + 86400000, BEGIN + 86400000 - 60000, BEGIN + 259200000 - 60000) AND link = (SELECT id FROM link WHERE src = 'a1' AND dst = 'b1')",
			"DELETE FROM windows WHERE start_ms IN (SELECT start_ms FROM gone) AND link IN (SELECT link FROM gone)",
			"UPDATE journal SET windows = windows - 2 WHERE site = 'a1' AND at_ms = BEGIN + 86400000 + 300000",
			"UPDATE journal SET windows = windows - 1 WHERE site = 'a1' AND at_ms = BEGIN + 259200000 + 300000",
			"UPDATE span SET windows = windows - 2 WHERE link IN (SELECT link FROM gone) AND seq = (SELECT seq FROM journal WHERE site = 'a1' AND at_ms = BEGIN + 86400000 + 300000)",
			"UPDATE span SET windows = windows - 1 WHERE link IN (SELECT link FROM gone) AND seq = (SELECT seq FROM journal WHERE site = 'a1' AND at_ms = BEGIN + 259200000 + 300000)"},
			map[string]int{verify.WindowRefused: refused + 3, verify.WindowUnsigned: 320}, "3 of the windows that it states"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file, m, period := stage(t)
			tamper(t, file, m, test.statements...)
			if r := run(t, file, m, period, verify.Options{}); !r.Good {
				t.Errorf("found without Strict: %v", r.Counts)
			}
			r := run(t, file, m, period, verify.Options{Strict: true})
			got := map[string]int{}
			for _, f := range r.Findings {
				got[f.Code] += f.Windows
			}
			if diff := cmp.Diff(test.want, got); diff != "" || r.Good {
				t.Errorf("good is %v; windows differ (-want +got):\n%s", r.Good, diff)
			}
			var table strings.Builder
			if err := verify.Table(&table, r); err != nil || !strings.Contains(table.String(), test.says) {
				t.Errorf("nothing says %q (%v):\n%s", test.says, err, table.String())
			}
			if diff := cmp.Diff(r, run(t, file, m, period, verify.Options{Strict: true, Held: 1})); diff != "" {
				t.Errorf("in parts it differs (-whole +parts):\n%s", diff)
			}
		})
	}
}

// TestConflicts has a site state two windows under one key, and then the order
// of their admission changed.
func TestConflicts(t *testing.T) {
	file, m, period := stage(t)
	s, err := sqlite.Open(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	noon := midnight(m).Add(36 * time.Hour)
	b := wire.Batch{Schema: wire.SchemaBatch, Site: "a1", Windows: []wire.Window{
		scenario.Window(m, "a1", "b1", noon.Add(-time.Hour), scenario.Same(1, 3), 0), // another key, as the refused one
		scenario.Window(m, "a1", "b1", noon, scenario.Same(1, 3), 0),
	}}
	put(t, s, b, noon.Add(time.Hour))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := run(t, file, m, period, verify.Options{})
	if diff := cmp.Diff(map[string]int{verify.Conflict: 1}, r.Counts); diff != "" || r.Total.Conflicts != 1 {
		t.Fatalf("findings differ (-want +got):\n%s", diff)
	}
	if want := b.Windows[1].Digest().String(); r.Findings[0].Window.SHA256 != want {
		t.Errorf("the conflict is %s, not %s", r.Findings[0].Window.SHA256, want)
	}
	tamper(t, file, m, "UPDATE windows SET admitted_ms = 1 WHERE WINDOW_OF_A AND p95_us = 1")
	r = run(t, file, m, period, verify.Options{})
	if diff := cmp.Diff(map[string]int{verify.Conflict: 1, verify.ConflictOrder: 1}, r.Counts); diff != "" {
		t.Errorf("findings after the order was changed differ (-want +got):\n%s", diff)
	}
}

// TestWhileWritten verifies days into which a collector puts: neither is lost
// what comes after the windows of its day were read, nor unknown what comes
// before.
func TestWhileWritten(t *testing.T) {
	file, m, period := stage(t)
	s, err := sqlite.Open(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	source := &beside{s, func() {
		n++
		for _, hours := range []time.Duration{25, 49} {
			at := midnight(m).Add(hours*time.Hour + time.Duration(n)*11*time.Minute)
			put(t, s, batch(m, "c1", at), at.Add(5*time.Minute))
		}
	}}
	r, err := verify.Run(t.Context(), source, m, period, verify.Options{Held: 1})
	if err != nil || !r.Good || n != 5 {
		t.Fatalf("%d times beside it: %v, %v", n, r.Counts, err)
	}
	// Before the first day one batch of it had come, before the second three.
	if r.Total.Windows != 960+(1+3)*20 {
		t.Errorf("%d windows", r.Total.Windows)
	}
}

// beside does something before each reading of the journal.
type beside struct {
	verify.Source
	do func()
}

func (b *beside) Journal(ctx context.Context, after store.Cursor) iter.Seq2[store.Entry, error] {
	b.do()
	return b.Source.Journal(ctx, after)
}

// TestInflux verifies what real servers hold, and a window written there by
// hand.
func TestInflux(t *testing.T) {
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			server := influxtest.Start(t, series)
			config := server.NewBucket(t)
			s, err := influx.Open(config, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			m, period := fill(t, s)
			r, err := verify.Run(t.Context(), s, m, period, verify.Options{})
			if err != nil || !r.Good || r.Total.Windows != 960 || r.Total.Signed != 640 {
				t.Fatalf("untouched: %+v, %v, %v", r.Total, r.Counts, err)
			}
			w := scenario.Window(m, "a1", "b1", midnight(m).Add(37*time.Hour), scenario.Same(1, 3), 0)
			text := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(w.Canonical()))
			server.Write(t, config, fmt.Sprintf(`rtt,src=a1,dst=b1,test=icmp window="%s",end_reason="full" %d000000`, text, w.StartMS))
			r, err = verify.Run(t.Context(), s, m, period, verify.Options{})
			if diff := cmp.Diff(map[string]int{verify.WindowNotJournalled: 1}, r.Counts); err != nil || diff != "" {
				t.Errorf("a window invented: %v, findings differ (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestTable(t *testing.T) {
	file, m, period := stage(t)
	tamper(t, file, m, "DELETE FROM windows WHERE WINDOW_OF_A", "UPDATE journal SET signature = NULL WHERE seq = ENTRY_OF_B")
	r := run(t, file, m, period, verify.Options{})
	var got strings.Builder
	if err := verify.Table(&got, r); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "table.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the table differs (-want +got):\n%s", diff)
	}
	if err := verify.Table(fails{}, r); err == nil {
		t.Error("a table that cannot be written is no error")
	}
}

type fails struct{}

func (fails) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
