package yamlfile

import (
	"os"
	"path/filepath"
	"testing"
)

type inner struct {
	Name  string  `yaml:"name"`
	Share float64 `yaml:"share"`
}

type outer struct {
	Count int              `yaml:"count"`
	Small uint8            `yaml:"small"`
	On    bool             `yaml:"on"`
	Items []inner          `yaml:"items"`
	Years map[string]inner `yaml:"years"`
	One   *inner           `yaml:"one"`
}

func TestErrorsNameFileLineAndField(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "f.yaml: is empty"},
		{"only a comment", "# hello\n", "f.yaml: is empty"},
		{"null", "null\n", "f.yaml: is empty"},
		{"syntax", "items: [\n", "f.yaml:2: is not valid YAML: did not find expected node content"},
		{"two documents", "count: 1\n---\ncount: 2\n", "f.yaml: is not valid YAML: expected single document, found multiple"},
		{"unknown field in a list", "items:\n  - name: a\n    colour: red\n", "f.yaml:3: items[0].colour: unknown field; allowed: name, share"},
		{"unknown field in a map", "years:\n  2025: {names: a}\n", "f.yaml:2: years.2025.names: unknown field; allowed: name, share"},
		{"repeated key in a map", "years:\n  2025: {}\n  2025: {}\n", "f.yaml:3: years.2025: is given twice; keep one"},
		{"unknown field behind a pointer", "one: {x: 1}\n", "f.yaml:1: one.x: unknown field; allowed: name, share"},
		{"mapping for a text", "items:\n  - name: {en: a}\n", "f.yaml:2: items[0].name: must be a text, not a mapping"},
		{"nothing for a number", "count:\n", "f.yaml:1: count: must be a whole number, not nothing"},
		{"text for a truth", "on: maybe\n", `f.yaml:1: on: must be true or false, not "maybe"`},
		{"out of range", "small: 256\n", "f.yaml:1: small: 256 is out of range for a whole number"},
		{"text for a number", "items:\n- share: much\n", `f.yaml:2: items[0].share: must be a number, not "much"`},
		{"alias", "items:\n- &a {name: x}\n- *a\n", "f.yaml:3: items[1]: YAML aliases are not supported; write the value out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(test.text), &outer{})
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestErrorfFindsTheLine(t *testing.T) {
	doc, err := Parse("f.yaml", []byte("count: 1\nitems:\n  - name: a\n  - name: b\n    share: 2\n"), &outer{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, want string }{
		{"count", "f.yaml:1: count: no"},
		{"items[1].share", "f.yaml:5: items[1].share: no"},
		{"items[0].share", "f.yaml:3: items[0].share: no"}, // missing: the line of the item
		{"one.name", "f.yaml: one.name: no"},               // missing altogether
		{"", "f.yaml: no"},
	} {
		if got := doc.Errorf(test.path, "no").Error(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.path, got, test.want)
		}
	}
}

func TestReadRefusesAHugeFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	_, _, err := Read(file, &outer{})
	if want := file + ": is 16777217 bytes; at most 16777216 are read"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
