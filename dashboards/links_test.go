package dashboards

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// uidsInTree are those of the dashboards that a link can lead to.
func uidsInTree() []string {
	files, _ := filepath.Glob("latency/*.json")
	var uids []string
	for _, file := range files {
		uids = append(uids, "fibergauge-"+strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return uids
}

// checkLinks wants a link to each other dashboard, which keeps what was chosen.
func checkLinks(d dashboard) (wrong []string) {
	if !slices.Contains(uidsInTree(), d.UID) {
		wrong = append(wrong, fmt.Sprintf("uid %s is not that of the file", d.UID))
	}
	var led []string
	for _, l := range d.Links {
		uid := strings.TrimPrefix(l.URL, "/d/")
		led = append(led, uid)
		if !l.KeepTime || !l.IncludeVars || l.Title == "" || !slices.Contains(uidsInTree(), uid) {
			wrong = append(wrong, fmt.Sprintf("link %q to %s: no such dashboard, or it does not keep time and variables", l.Title, l.URL))
		}
	}
	if len(led) != len(uidsInTree())-1 || slices.Contains(led, d.UID) {
		wrong = append(wrong, fmt.Sprintf("links to %v, want one to each other dashboard", led))
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			if to, has := target["dashboard"]; has && !slices.Contains(uidsInTree(), text(to)) {
				wrong = append(wrong, fmt.Sprintf("panel %q leads to %v", p.Title, to))
			}
		}
	}
	return wrong
}

// reference is a variable of the dashboard where it is used. Those of a field, such
// as ${__field.labels.month}, are Grafana's own.
var reference = regexp.MustCompile(`\$\{?([a-z][a-z_]*)`)

// checkUse wants each variable that is used declared, and each declared one used.
func checkUse(d dashboard) (wrong []string) {
	used := map[string]bool{}
	for _, found := range reference.FindAllStringSubmatch(d.text, -1) {
		used[found[1]] = true
	}
	declared := map[string]bool{}
	for _, v := range d.Templating.List {
		declared[v.Name] = true
		if !used[v.Name] {
			wrong = append(wrong, fmt.Sprintf("variable %s is used nowhere", v.Name))
		}
	}
	for _, p := range d.Panels {
		if p.Repeat != "" {
			used[p.Repeat] = true
		}
	}
	for name := range used {
		if !declared[name] {
			wrong = append(wrong, fmt.Sprintf("variable %s is used and not declared", name))
		}
	}
	return wrong
}
