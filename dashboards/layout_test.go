package dashboards

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// checkLayout wants panels inside of 24 columns, none over another, each with an
// id of its own, and not so flat that nothing can be read on a laptop.
func checkLayout(d dashboard) (wrong []string) {
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			wrong = append(wrong, fmt.Sprintf("panel %q: its id %d is 0 or there twice", p.Title, p.ID))
		}
		ids[p.ID] = true
		at := p.GridPos
		if at.X < 0 || at.Y < 0 || at.W < 3 || at.X+at.W > 24 || at.H < 4 || at.H > 24 {
			wrong = append(wrong, fmt.Sprintf("panel %q is at %+v", p.Title, at))
		}
		for _, other := range d.Panels[:i] {
			o := other.GridPos
			if at.X < o.X+o.W && o.X < at.X+at.W && at.Y < o.Y+o.H && o.Y < at.Y+at.H {
				wrong = append(wrong, fmt.Sprintf("panels %q and %q lie over each other", p.Title, other.Title))
			}
		}
	}
	return wrong
}

// colours are those of Okabe and Ito that are used, and a grey: everybody can tell
// them apart. No dashboard relies on green beside red.
var colours = []string{"#0072B2", "#E69F00", "#D55E00", "#56B4E9", "#F0E442", "#CC79A7", "#999999"}

func checkColours(d dashboard) (wrong []string) {
	hold := func(colour string) {
		if !slices.Contains(colours, colour) {
			wrong = append(wrong, fmt.Sprintf("colour %q", colour))
		}
	}
	walk(d.all, func(key string, value any) {
		switch v := value.(type) {
		case string:
			if slices.Contains([]string{"color", "fixedColor", "iconColor", "fill"}, key) && v != "dash" || key == "fixed" && v != "" && !strings.HasPrefix(v, "img/") {
				hold(v)
			}
		case map[string]any:
			mode, has := v["mode"]
			if key == "color" && has && !slices.Contains([]any{"fixed", "thresholds", "scheme"}, mode) {
				wrong = append(wrong, fmt.Sprintf("colour mode %v takes colours from a palette", mode))
			}
			if key == "color" && mode == "scheme" && v["scheme"] != "Blues" {
				wrong = append(wrong, fmt.Sprintf("colour scheme %v", v["scheme"]))
			}
		}
	})
	return wrong
}

// checkThresholds wants no threshold in ms: the limit is another one for each
// link, so it is drawn as a series, or the ratio is.
func checkThresholds(d dashboard) (wrong []string) {
	for _, p := range d.Panels {
		if p.FieldConfig.Defaults.Unit == "ms" && len(p.FieldConfig.Defaults.Thresholds.Steps) > 0 {
			wrong = append(wrong, inMS(p.Title, p.FieldConfig.Defaults.Thresholds)...)
		}
		for _, o := range p.FieldConfig.Overrides {
			unit := p.FieldConfig.Defaults.Unit
			var steps thresholds
			for _, property := range o.Properties {
				switch property.ID {
				case "unit":
					unit = strings.Trim(string(property.Value), `"`)
				case "thresholds":
					if err := json.Unmarshal(property.Value, &steps); err != nil {
						wrong = append(wrong, fmt.Sprintf("panel %q: %v", p.Title, err))
					}
				}
			}
			if unit == "ms" {
				wrong = append(wrong, inMS(p.Title, steps)...)
			}
		}
	}
	return wrong
}

func inMS(title string, t thresholds) (wrong []string) {
	for _, step := range t.Steps {
		if step.Value != nil {
			wrong = append(wrong, fmt.Sprintf("panel %q has a threshold at %v ms", title, *step.Value))
		}
	}
	return wrong
}

var verdictText = regexp.MustCompile(`"(compliant|non-compliant|not-demonstrated)": \{\s*"text": "([^"]*)"`)

// checkVerdicts wants a word beside the colour of each of the three verdicts.
func checkVerdicts(d dashboard) (wrong []string) {
	said := map[string]bool{}
	for _, found := range verdictText.FindAllStringSubmatch(d.text, -1) {
		said[found[1]] = true
		if found[2] == "" {
			wrong = append(wrong, fmt.Sprintf("%s is shown by its colour alone", found[1]))
		}
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			if (target["queryType"] == "verdicts" || target["metric"] == "verdict") && len(said) != 3 {
				wrong = append(wrong, fmt.Sprintf("panel %q: only %v have words", p.Title, said))
			}
		}
	}
	return wrong
}
