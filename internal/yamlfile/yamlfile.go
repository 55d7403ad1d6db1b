// Package yamlfile reads the YAML files that people write for Fibergauge
// (mesh, policy, wan, configuration) and turns whatever is wrong with them
// into one line that names the file, the line, the field and what is allowed.
//
// A file goes through it in two steps: Parse finds syntax errors, unknown
// fields, repeated keys and wrong types by comparing the document with the Go
// type; the caller then checks meaning, and says Errorf with the path of the
// field at fault, from which the line is found.
package yamlfile

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxBytes bounds what is read: the largest real mesh is some hundred
// kilobytes, and a file beyond this is not one of ours.
const MaxBytes = 16 << 20

// Error is one fault in one file, at a line.
type Error struct {
	File  string // as the user named it
	Line  int    // 1-based; 0 where no line is to blame
	Field string // path such as "sites[3].address"; empty for the whole file
	Msg   string // what is wrong and what is allowed
}

// Error gives "file:line: field: message" on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	b.WriteString(": " + e.Msg)
	return strings.ReplaceAll(b.String(), "\n", " ")
}

// Document is a parsed file that still knows the line of every field.
type Document struct {
	file string
	root *yaml.Node
}

// Read reads the file and parses it into the value that into points to.
func Read(file string, into any) (*Document, []byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, nil, &Error{File: file, Msg: "cannot be read: " + plain(err)}
	}
	if info.Size() > MaxBytes {
		return nil, nil, &Error{File: file, Msg: fmt.Sprintf("is %d bytes; at most %d are read", info.Size(), MaxBytes)}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, &Error{File: file, Msg: "cannot be read: " + plain(err)}
	}
	doc, err := Parse(file, data, into)
	return doc, data, err
}

// plain takes the operation and path off an operating-system error, because
// the line it ends up in names the file already.
func plain(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, ": "); i >= 0 {
		return s[i+2:]
	}
	return s
}

// Parse parses data into the value that into points to. file is the name that
// errors bear.
func Parse(file string, data []byte, into any) (*Document, error) {
	doc := &Document{file: file}
	if len(data) > MaxBytes {
		return nil, doc.Errorf("", "is %d bytes; at most %d are read", len(data), MaxBytes)
	}
	var root yaml.Node
	if err := yaml.Load(data, &root); err != nil {
		line, msg := syntax(err)
		if msg == "no documents in stream" {
			return nil, doc.Errorf("", "is empty")
		}
		return nil, &Error{File: file, Line: line, Msg: "is not valid YAML: " + msg}
	}
	doc.root = &root
	if root.Kind == yaml.DocumentNode {
		if len(root.Content) == 0 {
			return nil, doc.Errorf("", "is empty")
		}
		doc.root = root.Content[0]
	}
	if doc.root.Kind == 0 || (doc.root.Kind == yaml.ScalarNode && doc.root.Tag == "!!null") {
		return nil, doc.Errorf("", "is empty")
	}
	if err := doc.match(doc.root, reflect.TypeOf(into).Elem(), ""); err != nil {
		return nil, err
	}
	if err := doc.root.Decode(into); err != nil {
		line, msg := syntax(err)
		return nil, &Error{File: file, Line: line, Msg: msg}
	}
	return doc, nil
}

// syntax takes line and message out of an error of the YAML library.
func syntax(err error) (int, string) {
	var load *yaml.LoadError
	if errors.As(err, &load) {
		return load.Mark.Line, strings.TrimPrefix(load.Message, "yaml: ")
	}
	return 0, err.Error()
}

// Errorf makes the error for the field at path, with its line. A path that
// does not exist in the document (a missing field) gets the line of its
// nearest parent.
func (d *Document) Errorf(path, format string, args ...any) error {
	return &Error{File: d.file, Line: d.Line(path), Field: path, Msg: fmt.Sprintf(format, args...)}
}

// First runs checks of a file's meaning in their order and gives the first
// fault: one line is what a reader of the message can act on.
func First(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Line is the line of the field at path, or of its nearest parent.
func (d *Document) Line(path string) int {
	if d.root == nil || path == "" {
		return 0
	}
	node, line := d.root, 0
	for _, step := range steps(path) {
		next, at := child(node, step)
		if next == nil {
			break
		}
		node, line = next, at
	}
	return line
}

// steps splits "a.b[3].c" into "a", "b", "3", "c".
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

func child(node *yaml.Node, step string) (*yaml.Node, int) {
	node = resolve(node)
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i].Line
		}
	}
	return nil, 0
}

func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}

// match compares a node with the Go type that it is to be decoded into.
func (d *Document) match(node *yaml.Node, t reflect.Type, path string) error {
	if node.Kind == yaml.AliasNode {
		// Aliases make a document that is larger than it looks, and none of
		// the files needs them.
		return d.at(node, path, "YAML aliases are not supported; write the value out")
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return d.matchStruct(node, t, path)
	case reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			return d.at(node, path, "must be a list")
		}
		for i, item := range node.Content {
			if err := d.match(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		return d.matchMap(node, t, path)
	}
	return d.matchScalar(node, t, path)
}

func (d *Document) matchStruct(node *yaml.Node, t reflect.Type, path string) error {
	if node.Kind != yaml.MappingNode {
		return d.at(node, path, "must be a mapping with the fields "+strings.Join(fieldNames(t), ", "))
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		field, ok := fieldByName(t, key.Value)
		if !ok {
			return d.at(key, join(path, key.Value), "unknown field; allowed: "+strings.Join(fieldNames(t), ", "))
		}
		if seen[key.Value] {
			return d.at(key, join(path, key.Value), "is given twice; keep one")
		}
		seen[key.Value] = true
		if err := d.match(node.Content[i+1], field.Type, join(path, key.Value)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) matchMap(node *yaml.Node, t reflect.Type, path string) error {
	if node.Kind != yaml.MappingNode {
		return d.at(node, path, "must be a mapping")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if seen[key.Value] {
			return d.at(key, join(path, key.Value), "is given twice; keep one")
		}
		seen[key.Value] = true
		if t.Elem().Kind() == reflect.Interface {
			continue
		}
		if err := d.match(node.Content[i+1], t.Elem(), join(path, key.Value)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) matchScalar(node *yaml.Node, t reflect.Type, path string) error {
	want, tags := "a text", []string{"!!str", "!!int", "!!float", "!!timestamp", "!!bool"}
	switch t.Kind() {
	case reflect.Bool:
		want, tags = "true or false", []string{"!!bool"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		want, tags = "a whole number", []string{"!!int"}
	case reflect.Float32, reflect.Float64:
		want, tags = "a number", []string{"!!int", "!!float"}
	case reflect.Interface:
		return nil
	}
	if node.Kind != yaml.ScalarNode || !slices.Contains(tags, node.Tag) {
		got := "a list"
		switch node.Kind {
		case yaml.MappingNode:
			got = "a mapping"
		case yaml.ScalarNode:
			got = strconv.Quote(node.Value)
			if node.Tag == "!!null" {
				got = "nothing"
			}
		}
		return d.at(node, path, fmt.Sprintf("must be %s, not %s", want, got))
	}
	if err := node.Decode(reflect.New(t).Interface()); err != nil {
		return d.at(node, path, fmt.Sprintf("%s is out of range for %s", node.Value, want))
	}
	return nil
}

func (d *Document) at(node *yaml.Node, path, msg string) error {
	return &Error{File: d.file, Line: node.Line, Field: path, Msg: msg}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if isInline(f) {
			names = append(names, fieldNames(f.Type)...)
		} else if name := yamlName(f); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func fieldByName(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if isInline(f) {
			if inner, ok := fieldByName(f.Type, name); ok {
				return inner, true
			}
		} else if yamlName(f) == name && name != "" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// isInline tells whether the fields of a struct stand among those of the one
// that it is a field of (yaml:",inline").
func isInline(f reflect.StructField) bool {
	return f.IsExported() && f.Type.Kind() == reflect.Struct && f.Tag.Get("yaml") == ",inline"
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if !f.IsExported() || name == "-" {
		return ""
	}
	return name
}
