package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

func TestDefaultIsTheMetric(t *testing.T) {
	p := Default()
	want := &Policy{
		Version: 1, Name: "default",
		Theory:      Theory{Convention: ByGroupIndex, GroupIndex: "1.468", Factor: "1.5"},
		Measurement: Measurement{Statistic: P95, Sites: Best, ResidenceCapUS: 200},
		Rate: Rate{
			HeadlinePlane: []string{"optical", "private-ip", "public-internet"},
			Clusters:      []string{AllClusters},
			Targets:       []Target{{2023, "65"}, {2024, "75"}, {2025, "80"}},
		},
		Sufficiency:  Sufficiency{PacketsOfDay: "0.75", Days: "0.75", PacketsOfHour: "0.75", DemonstrationPackets: 20},
		Plausibility: Plausibility{FibreIndex: "1.468", FibreMargin: "0.02", EndsDifferMS: "1", EndsDifferShare: "0.05", RatioAbove: "5", ClockRatePPM: "100", MinStepShare: "0.05"},
		Uncertainty: Uncertainty{
			Confidence: "0.95", Trials: 10_000, Seed: 20231008, CompleteDays: 20, FewerDays: 3,
			HardwareAddsUS: []Decimal{"0", "1"}, KernelAddsUS: []Decimal{"0", "50"},
		},
		Maintenance: Maintenance{Most: "0.01"},
		Classes:     Classes{WithinHubMS: "5", WithinCityMS: "1"},
		Sensitivity: Sensitivity{
			Statistics: []Statistic{P50, P95, P99, Mean},
			GroupIndex: []Decimal{"1.468", "1.4682"}, USPerKM: []Decimal{"5"}, Circuity: []Decimal{"1.2", "1.3", "1.4"},
		},
		Diagnosis: Diagnosis{Near: "0.1", Cause: "0.5", Months: 12},
	}
	if diff := cmp.Diff(want, p, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "sha256" || p.String() == "text" }, cmp.Ignore())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sum := sha256.Sum256(DefaultBytes())
	if p.SHA256() != hex.EncodeToString(sum[:]) {
		t.Errorf("the version %s is not the SHA-256 of the bytes", p.SHA256())
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		year int
		want string
	}{{2022, ""}, {2023, "13/20"}, {2024, "3/4"}, {2025, "4/5"}, {2026, "4/5"}, {2150, "4/5"}} {
		got := ""
		if target, ok := Default().Rate.Target(c.year); ok {
			got = target.Share().String()
		}
		if got != c.want {
			t.Errorf("%d: %q, want %q", c.year, got, c.want)
		}
	}
}

func TestLight(t *testing.T) {
	byDelay := Theory{Convention: ByDelay, USPerKM: "5"}
	if got := byDelay.Light().RTTUS(1000); got.Cmp(big.NewRat(10, 1)) != 0 {
		t.Errorf("a kilometre there and back at 5 µs/km: %s µs", got)
	}
	if got := Default().Theory.Light().RTTUS(299_792_458); got.Cmp(big.NewRat(2_936_000, 1)) != 0 {
		t.Errorf("a light second there and back: %s µs", got)
	}
}

func TestBadPolicies(t *testing.T) {
	for _, c := range []struct {
		old, new string // what is replaced in the default
		want     string
	}{
		{"version: 1 ", "version: 2 ", `p.yaml:10: version: is 2; this program reads version 1`},
		{"name: default", "name: my policy", `p.yaml:11: name: "my policy" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"trials: 10000", "trials: 10", "p.yaml:77: uncertainty.trials: 10 is not within 1000 to 1000000"},
		{"confidence: 0.95", "confidence: 1", "p.yaml:76: uncertainty.confidence: 1 is not between 0 and 1, such as 0.95"},
		{"fewer_days: 3", "fewer_days: 20", "p.yaml:82: uncertainty.fewer_days: 20 is not within 0 to 19, one less than complete_days"},
		{"complete_days: 20 ", "complete_days: 1 ", "p.yaml:79: uncertainty.complete_days: 1 is not within 2 to 366"},
		{"kernel_adds_us: [0, 50]", "kernel_adds_us: [50]", "p.yaml:87: uncertainty.kernel_adds_us: has 1 numbers; give the least and the most, such as [0, 50]"},
		{"kernel_adds_us: [0, 50]", "kernel_adds_us: [50, 0]", "p.yaml:87: uncertainty.kernel_adds_us: begins with the larger number; write [0, 50]"},
		{"kernel_adds_us: [0, 50]", "kernel_adds_us: [0, x]", `p.yaml:87: uncertainty.kernel_adds_us[1]: "x" is not a decimal number such as 1.468`},
		{"most: 0.01", "most: 2", "p.yaml:92: maintenance.most: 2 is not within 0 to 1"},
		{"statistics: [p50, p95, p99, mean]", "statistics: [p42]", `p.yaml:102: sensitivity.statistics[0]: "p42" is not known; allowed: p95, p50, p99, mean, min`},
		{"circuity: [1.2, 1.3, 1.4]", "circuity: [0.5]", "p.yaml:107: sensitivity.circuity[0]: 0.5 is not within 1 to 2"},
		{"statistics: [p50, p95, p99, mean]", "statistics: []", "p.yaml:101: sensitivity: needs at least one of statistics, and one of group_index or us_per_km"},
		{"months: 12", "months: 0", "p.yaml:113: diagnosis.months: 0 is not within 1 to 120"},
		{"near: 0.1 ", "near: 3 ", "p.yaml:111: diagnosis.near: 3 is not within 0 to 1"},
		{"convention: group-index", "convention: guess", `p.yaml:17: theory.convention: "guess" is not known; allowed: group-index, us-per-km`},
		{"convention: group-index ", "convention: us-per-km ", `p.yaml:18: theory.group_index: goes with convention group-index only; the convention is us-per-km`},
		{"# us_per_km: 5", "us_per_km: 5", `p.yaml:19: theory.us_per_km: goes with convention us-per-km only; the convention is group-index`},
		{"group_index: 1.468", "group_index: 0.9", `p.yaml:18: theory.group_index: 0.9 is not within 1 to 3`},
		{"group_index: 1.468", "# nothing", `p.yaml:16: theory.group_index: is missing; it is within 1 to 3`},
		{"factor: 1.5", "factor: 1,5", `p.yaml:20: theory.factor: "1,5" is not a decimal number such as 1.468`},
		{"factor: 1.5", "factor: 15e-1", `p.yaml:20: theory.factor: "15e-1" is not a decimal number such as 1.468`},
		{"factor: 1.5", "factor: [1.5]", `p.yaml:20: theory.factor: must be a text, not a list`},
		{"factor: 1.5", "faktor: 1.5", `p.yaml:20: theory.faktor: unknown field; allowed: convention, group_index, us_per_km, factor`},
		{"statistic: p95", "statistic: p90", `p.yaml:26: measurement.statistic: "p90" is not known; allowed: p95, p50, p99, mean, min`},
		{"sites: best", "sites: any", `p.yaml:31: measurement.sites: "any" is not known; allowed: best, worst, all`},
		{"residence_cap_us: 200", "residence_cap_us: 0", `p.yaml:34: measurement.residence_cap_us: 0 is not within 1 to 10000`},
		{"[optical, private-ip, public-internet]", "[dark]", `p.yaml:40: rate.headline_plane[0]: "dark" is not known; allowed: optical, private-ip, public-internet`},
		{"[optical, private-ip, public-internet]", "[]", `p.yaml:40: rate.headline_plane: is missing; list planes, the first that the mesh has counts`},
		{"clusters: [all]", "clusters: [all, zjk]", `p.yaml:42: rate.clusters: has all beside others; write [all] or identifiers`},
		{"clusters: [all]", "clusters: [zjk]", `p.yaml:42: rate.clusters: has 1; write [all] or at least two identifiers`},
		{"clusters: [all]", "clusters: [zjk, yrd, zjk]", `p.yaml:42: rate.clusters[2]: "zjk" is given twice; keep one`},
		{"year: 2024", "year: 2026", `p.yaml:49: rate.targets[2].year: 2025 does not come after 2026; list the years in order`},
		{"percent: 80", "percent: 180", `p.yaml:49: rate.targets[2].percent: 180 is not within 0 to 100`},
		{"packets_of_day: 0.75", "packets_of_day: 75", `p.yaml:53: sufficiency.packets_of_day: 75 is not within 0 to 1`},
		{"demonstration_packets: 20", "demonstration_packets: few", `p.yaml:56: sufficiency.demonstration_packets: must be a whole number, not "few"`},
		{"fibre_margin: 0.02", "fibre_margin: -0.02", `p.yaml:64: plausibility.fibre_margin: "-0.02" is not a decimal number such as 1.468`},
		{"clock_rate_ppm: 100", "clock_rate_ppm: fast", `p.yaml:69: plausibility.clock_rate_ppm: "fast" is not a decimal number such as 1.468`},
		{"ratio_above: 5", "", `p.yaml:59: plausibility.ratio_above: is missing; it is within 1 to 1000`},
	} {
		text := string(DefaultBytes())
		if strings.Count(text, c.old) < 1 {
			t.Fatalf("the default has no %q", c.old)
		}
		_, err := Parse("p.yaml", []byte(strings.Replace(text, c.old, c.new, 1)))
		var fault *yamlfile.Error
		if !errors.As(err, &fault) {
			t.Errorf("%q: error is %v, not one of the file", c.new, err)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.new, err, c.want)
		}
	}
}

// Whatever is taken can be judged with.
func FuzzParse(f *testing.F) {
	f.Add(DefaultBytes())
	f.Add([]byte("version: 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("policy.yaml", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %v", err)
			}
			return
		}
		if p.Theory.Light().RTTUS(1000).Sign() <= 0 || p.Theory.Factor.Rat().Sign() <= 0 {
			t.Errorf("light takes no time by\n%s", data)
		}
		for _, target := range p.Rate.Targets {
			if target.Share().Cmp(big.NewRat(1, 1)) > 0 {
				t.Errorf("a target above 100 %%: %v", target)
			}
		}
	})
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, DefaultBytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if p.SHA256() != Default().SHA256() {
		t.Error("the same bytes make another version")
	}
	if _, err := Load(file + ".none"); err == nil || !strings.HasSuffix(err.Error(), "cannot be read: no such file or directory") {
		t.Errorf("a missing file: %v", err)
	}
}
