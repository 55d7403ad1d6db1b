package distances

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
	"github.com/fibergauge/fibergauge/mesh"
)

// Edit puts a book into the text of the mesh file that it was begun with. It
// only puts lines in and sets until in others: to write the YAML tree anew
// would lose blank lines and the alignment of comments. What comes out is read
// again, and has to be the mesh with the book's distances and nothing else.
func Edit(file string, b *Book) (*Text, *mesh.Mesh, error) {
	text := newText(b.mesh.Bytes())
	var root yaml.Node
	if err := yaml.Load(b.mesh.Bytes(), &root); err != nil || len(root.Content) != 1 {
		return nil, nil, &yamlfile.Error{File: file, Msg: fmt.Sprintf("cannot be edited in place: %v", err)}
	}
	e := &editor{file: file, text: text, root: root.Content[0]}
	if err := e.edit(b); err != nil {
		return nil, nil, err
	}
	edited, err := mesh.Parse(file, text.Bytes())
	if err != nil {
		return nil, nil, fmt.Errorf("edit the mesh: %w; nothing is written", err)
	}
	if !sameMesh(edited, b) {
		return nil, nil, e.refuse(0, "is laid out in a way that cannot be edited in place; nothing is written: lay out distances as in mesh/national.yaml")
	}
	return text, edited, nil
}

// sameMesh tells whether a mesh is that of the book in all that a file says.
func sameMesh(edited *mesh.Mesh, b *Book) bool {
	want := *b.mesh
	want.Distances = nil
	for _, e := range b.entries {
		want.Distances = append(want.Distances, e.Distance)
	}
	x, errX := json.Marshal(want)
	y, errY := json.Marshal(edited)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

type editor struct {
	file string
	text *Text
	root *yaml.Node
}

func (e *editor) refuse(line int, msg string) error {
	return &yamlfile.Error{File: e.file, Line: line, Field: "distances", Msg: msg}
}

func (e *editor) edit(b *Book) error {
	if e.root.Style&yaml.FlowStyle != 0 {
		return e.refuse(e.root.Line, "the file is one mapping in braces; write it by lines, as mesh/national.yaml is, so that distances can be added")
	}
	key, list := field(e.root, "distances")
	switch {
	case list == nil:
		return e.begin(b)
	case len(list.Content) == 0:
		return e.fillEmpty(list, b)
	case list.Style&yaml.FlowStyle != 0:
		return e.refuse(key.Line, "is a list in brackets; begin each entry on a line of its own with -, so that others can be added")
	}
	after := -1
	for _, entry := range b.entries {
		if entry.origin >= 0 {
			item := list.Content[entry.origin]
			after = e.lastLine(item, e.bound(list, entry.origin))
			if entry.ended {
				if err := e.setUntil(item, after, string(entry.Until)); err != nil {
					return err
				}
			}
			continue
		}
		e.text.insert(after, render(&entry.Distance, list.Column-1)...)
	}
	return nil
}

// begin writes a list of distances where the file has none: before the tests,
// which every mesh has.
func (e *editor) begin(b *Book) error {
	key, _ := field(e.root, "measure")
	at := key.Line - 2
	for at >= 0 && strings.HasPrefix(e.text.lines[at], "#") {
		at-- // a comment right above belongs to the tests
	}
	lines := []string{"distances:"}
	for _, entry := range b.entries {
		lines = append(lines, render(&entry.Distance, e.listIndent())...)
	}
	e.text.insert(at, append(lines, "")...)
	return nil
}

// fillEmpty makes a list of "distances: []".
func (e *editor) fillEmpty(list *yaml.Node, b *Book) error {
	line := e.text.lines[list.Line-1]
	open := byteOffset(line, list.Column)
	length := strings.Index(line[min(open, len(line)):], "]")
	if length < 0 {
		return e.refuse(list.Line, "is an empty list over several lines; write it as [] or leave it out")
	}
	e.text.replaced[list.Line-1] = strings.TrimRight(strings.TrimRight(line[:open], " ")+line[open+length+1:], " ")
	for _, entry := range b.entries {
		e.text.insert(list.Line-1, render(&entry.Distance, e.listIndent())...)
	}
	return nil
}

// listIndent is how far the file sets in the entries of its lists.
func (e *editor) listIndent() int {
	for i := 1; i < len(e.root.Content); i += 2 {
		if list := e.root.Content[i]; list.Kind == yaml.SequenceNode && list.Style&yaml.FlowStyle == 0 && len(list.Content) > 0 {
			return list.Column - 1
		}
	}
	return 2
}

// bound is the index of the first line that is no longer of an entry, comments
// and blank lines before it included.
func (e *editor) bound(list *yaml.Node, i int) int {
	if i+1 < len(list.Content) {
		return list.Content[i+1].Line - 1
	}
	bound := len(e.text.lines)
	for k := 0; k < len(e.root.Content); k += 2 {
		if line := e.root.Content[k].Line - 1; line >= list.Line && line < bound {
			bound = line
		}
	}
	return bound
}

// lastLine is the index of the last line of an entry. Comments set in as far
// as its fields are its own; others are of what follows.
func (e *editor) lastLine(item *yaml.Node, bound int) int {
	for at := bound - 1; at >= item.Line; at-- {
		line := e.text.lines[at]
		text := strings.TrimLeft(line, " ")
		indent := len(line) - len(text)
		switch {
		case strings.TrimSpace(text) == "", strings.TrimSpace(text) == "-", line == "...":
		case strings.HasPrefix(text, "#") && indent < item.Column-1:
		default:
			return at
		}
	}
	return item.Line - 1
}

// setUntil ends an entry: in the place of the until that it has, else after
// its last line, or before the last field where it is in braces.
func (e *editor) setUntil(item *yaml.Node, last int, until string) error {
	if key, value := field(item, "until"); value != nil {
		line := e.current(value.Line - 1)
		at, token := byteOffset(line, value.Column), value.Value
		switch value.Style &^ yaml.FlowStyle {
		case yaml.DoubleQuotedStyle:
			token = `"` + token + `"`
		case yaml.SingleQuotedStyle:
			token = "'" + token + "'"
		}
		if at > len(line) || !strings.HasPrefix(line[at:], token) {
			return e.refuse(key.Line, "has an until that cannot be changed in place; write it plainly on one line")
		}
		e.text.replaced[value.Line-1] = line[:at] + until + line[at+len(token):]
		return nil
	}
	if item.Style&yaml.FlowStyle == 0 {
		e.text.insert(last, strings.Repeat(" ", item.Column-1)+"until: "+until)
		return nil
	}
	key := item.Content[len(item.Content)-2]
	line := e.current(key.Line - 1)
	at := byteOffset(line, key.Column)
	e.text.replaced[key.Line-1] = line[:at] + "until: " + until + ", " + line[at:]
	return nil
}

func (e *editor) current(at int) string {
	if line, ok := e.text.replaced[at]; ok {
		return line
	}
	return e.text.lines[at]
}

// field gives key and value of a mapping's field; nil if there is none.
func field(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// byteOffset turns a column, which counts characters from 1, into an offset.
func byteOffset(line string, column int) int {
	for i := range line {
		if column--; column == 0 {
			return i
		}
	}
	return len(line)
}

// render writes an entry in the form of docs/mesh.md.
func render(d *mesh.Distance, indent int) []string {
	kind, ids := "clusters", d.Clusters
	if d.Sites != nil {
		kind, ids = "sites", d.Sites
	}
	fields := []string{
		fmt.Sprintf("%s: [%s, %s]", kind, identifier(ids[0]), identifier(ids[1])),
		"km: " + decimal(d.KM),
		"class: " + string(d.Class),
		"source: " + quoted(d.Source),
	}
	for _, f := range []struct {
		name  string
		value string
		given bool
	}{
		{"min_km", decimal(d.MinKM), d.MinKM != 0},
		{"max_km", decimal(d.MaxKM), d.MaxKM != 0},
		{"medium", string(d.Medium), d.Medium != mesh.Fibre && d.Medium != ""},
		{"from", string(d.From), d.From != ""},
		{"until", string(d.Until), d.Until != ""},
	} {
		if f.given {
			fields = append(fields, f.name+": "+f.value)
		}
	}
	lines := slices.Clone(fields)
	for i := range lines {
		mark := "  "
		if i == 0 {
			mark = "- "
		}
		lines[i] = strings.Repeat(" ", indent) + mark + fields[i]
	}
	return lines
}

// identifier writes one plainly where YAML cannot take it for anything else.
func identifier(id string) string {
	switch strings.ToLower(id) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return quoted(id)
	}
	if first := id[0] | 0x20; first < 'a' || first > 'z' {
		return quoted(id)
	}
	return id
}

// quoted writes a text between double quotes; JSON's strings are YAML's too.
func quoted(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // no string fails
	}
	return strings.TrimSuffix(b.String(), "\n")
}
