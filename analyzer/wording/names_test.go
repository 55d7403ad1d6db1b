package wording

import (
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Every code has a name of its own in each language, also one that is new where
// the code comes from.
func TestEveryCodeHasAName(t *testing.T) {
	for _, c := range []struct {
		what, folder, constants string
		name                    func(Language, string) string
	}{
		{"verdict", "../api", "Verdict ", func(l Language, s string) string { return Verdict(l, api.Verdict(s)) }},
		{"guarded verdict", "../api", "Guarded ", func(l Language, s string) string { return Guarded(l, api.Guarded(s)) }},
		{"plane", "../../mesh", "Plane ", Plane},
		{"distance class", "../../mesh", "DistanceClass ", DistanceClass},
		{"role of a site", "../../mesh", "Role ", SiteRole},
		{"method", "../../mesh", "Method ", Method},
		{"statistic", "../policy", "Statistic ", Statistic},
		{"symbol of a statistic", "../policy", "Statistic ", StatisticSymbol},
		{"choice of sites", "../policy", "Choice ", Sites},
		{"role of a reader", "../readers", "Role ", ReaderRole},
		{"timestamps", "../../probe/wire", "Timestamps ", Timestamps},
		{"origin", "../../probe/wire", "Origin ", Origin},
		{"cause of a revision", "../api", "Cause", RevisionCause},
	} {
		codes := constants(t, c.folder, c.constants)
		if len(codes) < 2 {
			t.Fatalf("%s: only %v in %s", c.what, codes, c.folder)
		}
		for _, lang := range Languages() {
			seen := map[string]string{}
			for _, code := range codes {
				got := c.name(lang, code)
				if got == "" || got == code && lang == ZH {
					t.Errorf("%s %s has no name in %s", c.what, code, lang)
				}
				if other, taken := seen[got]; taken {
					t.Errorf("%s: %s and %s are both %s", c.what, code, other, got)
				}
				seen[got] = code
			}
			if got := c.name(lang, "of-a-later-version"); got != "of-a-later-version" {
				t.Errorf("%s: an unknown code is %s", c.what, got)
			}
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, lang := range Languages() {
		if got, err := ParseLanguage(string(lang)); err != nil || got != lang {
			t.Errorf("%s: %s, %v", lang, got, err)
		}
	}
	const want = `language "fr" is not known; give en (English) or zh (Chinese)`
	if _, err := ParseLanguage("fr"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestWhatTheReportHasAsText(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Theory(ZH, "2 × distance × 1.468 / c"), "2×路网距离×1.468/c"},
		{Theory(EN, "2 × distance × 5 µs/km"), "2 × distance × 5 µs/km"},
		{Light(ZH, "index 1.468"), "群折射率1.468"},
		{Light(ZH, "5 µs/km"), "5 µs/km"},
		{Distances(ZH, "geodesic × 1.3"), "测地线距离×1.3"},
		{Distances(EN, "geodesic × 1.3"), "geodesic × 1.3"},
		{Cluster(ZH, api.Cluster{ID: "zjk", EN: "Zhangjiakou", ZH: "张家口"}), "张家口"},
		{Cluster(ZH, api.Cluster{ID: "zjk", EN: "Zhangjiakou"}), "Zhangjiakou"},
		{Cluster(EN, api.Cluster{ID: "zjk"}), "zjk"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
