package dashboards

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// read loads a file of provisioning; a key that its type lacks is an error, since
// Grafana would ignore it silently.
func read[T any](t *testing.T, file string) T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("provisioning", file))
	if err != nil {
		t.Fatal(err)
	}
	var provisioned T
	if err := yaml.Load(data, &provisioned, yaml.WithKnownFields()); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return provisioned
}

type sourceFile struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []struct {
		Name   string            `yaml:"name"`
		UID    string            `yaml:"uid"`
		Type   string            `yaml:"type"`
		Access string            `yaml:"access"`
		URL    string            `yaml:"url"`
		JSON   map[string]any    `yaml:"jsonData"`
		Secure map[string]string `yaml:"secureJsonData"`
	} `yaml:"datasources"`
}

// TestDataSources also wants every secret from the environment.
func TestDataSources(t *testing.T) {
	fromEnvironment := regexp.MustCompile(`^\$\{FIBERGAUGE_[A-Z_]+\}$`)
	for file, want := range map[string]struct{ uid, kind string }{
		"fibergauge.yaml": {"fibergauge", pluginID},
		"influxdb.yaml":   {"fibergauge-influxdb", "influxdb"},
	} {
		got := read[sourceFile](t, "datasources/"+file)
		if got.APIVersion != 1 || len(got.Datasources) != 1 {
			t.Fatalf("%s: apiVersion %d, %d data sources", file, got.APIVersion, len(got.Datasources))
		}
		source := got.Datasources[0]
		if source.UID != want.uid || source.Type != want.kind || source.Access != "proxy" || source.Name == "" || !fromEnvironment.MatchString(source.URL) {
			t.Errorf("%s: %+v", file, source)
		}
		if source.Secure["token"] == "" {
			t.Errorf("%s has no token", file)
		}
		for name, secret := range source.Secure {
			if !fromEnvironment.MatchString(secret) {
				t.Errorf("%s: %s is %q, want it from the environment", file, name, secret)
			}
		}
	}
}

// TestProviders wants a provider for each folder of dashboards.
func TestProviders(t *testing.T) {
	got := read[struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name    string            `yaml:"name"`
			Folder  string            `yaml:"folder"`
			Type    string            `yaml:"type"`
			Updates bool              `yaml:"allowUiUpdates"`
			Options map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}](t, "dashboards/fibergauge.yaml")
	folders := map[string]bool{}
	for _, p := range got.Providers {
		folder := strings.TrimPrefix(p.Options["path"], "/etc/fibergauge/dashboards/")
		if files, _ := filepath.Glob(folder + "/*.json"); len(files) == 0 || p.Type != "file" || p.Updates || p.Folder == "" {
			t.Errorf("provider %+v", p)
		}
		folders[folder] = true
	}
	if got.APIVersion != 1 || !folders["latency"] || !folders["influxdb"] || len(folders) != 2 {
		t.Errorf("apiVersion %d, folders %v", got.APIVersion, slices.Collect(maps.Keys(folders)))
	}
}

type alertFile struct {
	APIVersion int          `yaml:"apiVersion"`
	Groups     []alertGroup `yaml:"groups"`
}

type alertGroup struct {
	OrgID    int         `yaml:"orgId"`
	Name     string      `yaml:"name"`
	Folder   string      `yaml:"folder"`
	Interval string      `yaml:"interval"`
	Rules    []alertRule `yaml:"rules"`
}

type alertRule struct {
	UID          string            `yaml:"uid"`
	Title        string            `yaml:"title"`
	Condition    string            `yaml:"condition"`
	For          string            `yaml:"for"`
	NoData       string            `yaml:"noDataState"`
	ExecErr      string            `yaml:"execErrState"`
	DashboardUID string            `yaml:"dashboardUid"`
	PanelID      int               `yaml:"panelId"`
	Data         []alertData       `yaml:"data"`
	Labels       map[string]string `yaml:"labels"`
	Annotations  map[string]string `yaml:"annotations"`
}

type alertData struct {
	RefID     string         `yaml:"refId"`
	QueryType string         `yaml:"queryType"`
	Range     map[string]int `yaml:"relativeTimeRange"`
	Source    string         `yaml:"datasourceUid"`
	Model     query          `yaml:"model"`
}

func TestAlertRules(t *testing.T) {
	file := read[alertFile](t, "alerting/fibergauge.yaml")
	docs, boards := contract(t), load(t, "latency/*.json")
	seen := map[string]bool{}
	metrics := map[string]bool{}
	for _, group := range file.Groups {
		interval, err := time.ParseDuration(group.Interval)
		if err != nil || group.OrgID != 1 || group.Name == "" || group.Folder == "" {
			t.Errorf("group %q: organisation %d, folder %q, interval %q", group.Name, group.OrgID, group.Folder, group.Interval)
		}
		for _, rule := range group.Rules {
			for _, complaint := range checkAlert(rule, interval, docs, boards) {
				t.Errorf("%s: %s", rule.UID, complaint)
			}
			if seen[rule.UID] || seen[rule.Title] {
				t.Errorf("%s, %q is there twice", rule.UID, rule.Title)
			}
			seen[rule.UID], seen[rule.Title] = true, true
			metrics[text(rule.Data[0].Model["metric"])] = true
		}
	}
	for _, metric := range []string{"ratio", "loss", "silent", "waited", "unsynchronised", "rate_margin"} {
		if !metrics[metric] {
			t.Errorf("no rule looks at %s", metric)
		}
	}
	if file.APIVersion != 1 {
		t.Errorf("apiVersion %d", file.APIVersion)
	}
}

func checkAlert(rule alertRule, interval time.Duration, docs documented, boards map[string]dashboard) (wrong []string) {
	complain := func(format string, values ...any) { wrong = append(wrong, fmt.Sprintf(format, values...)) }
	if !regexp.MustCompile(`^fibergauge-[a-z-]{1,29}$`).MatchString(rule.UID) || rule.Title == "" {
		complain("uid %q, title %q; Grafana takes 40 characters", rule.UID, rule.Title)
	}
	if wait, err := time.ParseDuration(rule.For); err != nil || wait < interval || wait%interval != 0 {
		complain("for %q is no multiple of the interval %v", rule.For, interval)
	}
	if !slices.Contains([]string{"OK", "NoData", "Alerting"}, rule.NoData) || !slices.Contains([]string{"OK", "Error", "Alerting"}, rule.ExecErr) {
		complain("noDataState %q, execErrState %q", rule.NoData, rule.ExecErr)
	}
	if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
		complain("severity %q", severity)
	}
	for name, label := range rule.Labels {
		if strings.Contains(label, "$") {
			complain("label %s has a dollar sign, which Grafana takes for a variable of the environment", name)
		}
	}
	if rule.Annotations["summary"] == "" || len(rule.Annotations["description"]) < 100 || strings.Contains(rule.Annotations["summary"]+rule.Annotations["description"], "${") {
		complain("its annotations do not say what is and what to do")
	}
	if rule.Annotations["__dashboardUid__"] != rule.DashboardUID || rule.Annotations["__panelId__"] != fmt.Sprint(rule.PanelID) {
		complain("its annotations lead to another panel than its fields")
	}
	board := boards["latency/"+strings.TrimPrefix(rule.DashboardUID, "fibergauge-")+".json"]
	if !slices.ContainsFunc(board.Panels, func(p panel) bool { return p.ID == rule.PanelID }) {
		complain("dashboard %q has no panel %d", rule.DashboardUID, rule.PanelID)
	}
	return append(wrong, checkData(rule, docs)...)
}

// checkData wants queries of the plugin, and expressions over them.
func checkData(rule alertRule, docs documented) (wrong []string) {
	complain := func(format string, values ...any) { wrong = append(wrong, fmt.Sprintf(format, values...)) }
	known := map[string]bool{}
	for _, d := range rule.Data {
		if known[d.RefID] || d.Model["refId"] != d.RefID || d.Range["from"] <= d.Range["to"] {
			complain("query %q: refId of the model %v, range %v", d.RefID, d.Model["refId"], d.Range)
		}
		if d.Source == "__expr__" {
			used := regexp.MustCompile(`\$([A-Z]+)`).FindAllStringSubmatch(text(d.Model["expression"]), -1)
			for _, id := range used {
				if !known[id[1]] {
					complain("expression %v asks for %s, which is not there before it", d.Model["expression"], id[1])
				}
			}
			if len(used) == 0 || d.Model["type"] != "math" {
				complain("expression %v of type %v", d.Model["expression"], d.Model["type"])
			}
		} else {
			if d.Source != "fibergauge" || d.QueryType != "now" || d.Model["queryType"] != d.QueryType {
				complain("query %q asks %q for %q", d.RefID, d.Source, d.QueryType)
			}
			for _, complaint := range docs.checkQuery(d.Model) {
				complain("query %q: %s", d.RefID, complaint)
			}
			if strings.Contains(fmt.Sprint(d.Model), "$") {
				complain("query %q uses a variable of a dashboard", d.RefID)
			}
		}
		known[d.RefID] = true
	}
	if last := len(rule.Data) - 1; last < 1 || rule.Condition != rule.Data[last].RefID || rule.Data[last].Source != "__expr__" {
		complain("its condition %q is not its last expression", rule.Condition)
	}
	return wrong
}

// TestRateIsOfEnoughDays: the policy asks for three quarters of a month's days.
// Before these are over every pair is not shown, and a rule about the rate would
// fire in the first weeks of each month.
func TestRateIsOfEnoughDays(t *testing.T) {
	const needed = 31 * 24 * 3600 * 3 / 4
	for _, group := range read[alertFile](t, "alerting/fibergauge.yaml").Groups {
		for _, rule := range group.Rules {
			if d := rule.Data[0]; strings.HasPrefix(text(d.Model["metric"]), "rate") && d.Range["to"] < needed {
				t.Errorf("%s looks at a month after %d s, and %d s of it are needed", rule.UID, d.Range["to"], needed)
			}
		}
	}
}

// TestAlertChecksAreFelt breaks a rule in the ways that the checks are about.
func TestAlertChecksAreFelt(t *testing.T) {
	docs, boards := contract(t), load(t, "latency/*.json")
	for name, spoil := range map[string]func(r *alertRule){
		"a uid of Grafana's making":   func(r *alertRule) { r.UID = "d3f1c2" },
		"no time to wait":             func(r *alertRule) { r.For = "" },
		"less than an interval":       func(r *alertRule) { r.For = "30s" },
		"no state without data":       func(r *alertRule) { r.NoData = "" },
		"no state of an error":        func(r *alertRule) { r.ExecErr = "Keep" },
		"no severity":                 func(r *alertRule) { r.Labels = nil },
		"a label that is expanded":    func(r *alertRule) { r.Labels = map[string]string{"severity": "warning", "pair": "{{ $labels.from }}"} },
		"no words":                    func(r *alertRule) { r.Annotations = nil },
		"a dashboard that is not":     func(r *alertRule) { r.DashboardUID = "fibergauge-pairs" },
		"a panel that is not":         func(r *alertRule) { r.PanelID = 99 },
		"another data source":         func(r *alertRule) { r.Data[0].Source = "prometheus" },
		"a query of a panel":          func(r *alertRule) { r.Data[0].QueryType = "series" },
		"a metric that is not":        func(r *alertRule) { r.Data[0].Model["metric"] = "jitter" },
		"a variable of a dashboard":   func(r *alertRule) { r.Data[0].Model["carriers"] = []any{"$carrier"} },
		"no range of time":            func(r *alertRule) { r.Data[0].Range = nil },
		"an expression over nothing":  func(r *alertRule) { r.Data[1].Model["expression"] = "$Z > 1.5" },
		"an expression without query": func(r *alertRule) { r.Data[1].Model["expression"] = "1 > 1.5" },
		"a condition on the query":    func(r *alertRule) { r.Condition = "A" },
	} {
		t.Run(name, func(t *testing.T) {
			rule := read[alertFile](t, "alerting/fibergauge.yaml").Groups[0].Rules[0]
			spoil(&rule)
			if len(checkAlert(rule, 5*time.Minute, docs, boards)) == 0 {
				t.Error("it is not noticed")
			}
		})
	}
}
