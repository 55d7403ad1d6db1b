package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// Difference is one field in which two policies differ.
type Difference struct {
	Field string   // path such as "theory.factor"
	A, B  string   // the values on one line; empty where the field is not given
	Doc   []string // what the default policy's comments say of the field, by lines
}

// Diff lists the fields in which two policies judge differently, in the order
// of the format. Numbers are compared as such: 1.5 and 1.50 are one.
func Diff(a, b *Policy) []Difference {
	docs := defaultDocs()
	var found []Difference
	compareFields("", reflect.ValueOf(*a), reflect.ValueOf(*b), func(path string, a, b reflect.Value) {
		found = append(found, Difference{path, oneLine(a), oneLine(b), docs.of(path)})
	})
	return found
}

// compareFields goes down to the fields that are no groups of others; a list
// is one field, because its parts mean something only together.
func compareFields(path string, a, b reflect.Value, differ func(path string, a, b reflect.Value)) {
	if a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil() {
		a, b = a.Elem(), b.Elem()
	}
	if a.Kind() != reflect.Struct {
		if !alike(a, b) {
			differ(path, a, b)
		}
		return
	}
	for field := range a.Type().Fields() {
		if !field.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		below := path
		if options != "inline" {
			below = strings.TrimPrefix(path+"."+name, ".")
		}
		compareFields(below, a.FieldByIndex(field.Index), b.FieldByIndex(field.Index), differ)
	}
}

// alike tells whether two values of one type mean the same.
func alike(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String:
		if a.Type() == reflect.TypeFor[Decimal]() {
			x, errX := theory.ParseDecimal(a.String())
			y, errY := theory.ParseDecimal(b.String())
			if errX == nil && errY == nil {
				return x.Cmp(y) == 0
			}
		}
		return a.String() == b.String()
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return alike(a.Elem(), b.Elem())
	case reflect.Slice:
		same := a.Len() == b.Len()
		for i := 0; same && i < a.Len(); i++ {
			same = alike(a.Index(i), b.Index(i))
		}
		return same
	case reflect.Map:
		same := a.Len() == b.Len()
		for _, key := range a.MapKeys() {
			same = same && b.MapIndex(key).IsValid() && alike(a.MapIndex(key), b.MapIndex(key))
		}
		return same
	case reflect.Struct:
		same := true
		compareFields("", a, b, func(string, reflect.Value, reflect.Value) { same = false })
		return same
	}
	return a.Equal(b)
}

// oneLine writes a value as it would stand in the file, on one line.
func oneLine(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return oneLine(v.Elem())
	case reflect.Slice:
		var items []string
		for i := range v.Len() {
			items = append(items, oneLine(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for _, key := range v.MapKeys() {
			items = append(items, fmt.Sprint(key)+": "+oneLine(v.MapIndex(key)))
		}
		slices.Sort(items)
		return "{" + strings.Join(items, ", ") + "}"
	case reflect.Struct:
		var items []string
		for field := range v.Type().Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if text := oneLine(v.FieldByIndex(field.Index)); field.IsExported() && text != "" {
				items = append(items, strings.TrimPrefix(name+": "+text, ": "))
			}
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// docs finds the comments of fields in the default policy, which documents
// every one: above its line and at its end.
type docs struct {
	lines []string
	doc   *yamlfile.Document
}

func defaultDocs() docs {
	doc, err := yamlfile.Parse("default policy", defaultYAML, &Policy{})
	if err != nil {
		panic(err) // it is part of the program, and tested
	}
	return docs{strings.Split(string(defaultYAML), "\n"), doc}
}

// commentedOut tells whether a comment shows a field without giving it.
func commentedOut(comment string) bool {
	key, _, field := strings.Cut(strings.TrimPrefix(comment, "# "), ":")
	return field && key != "" && !strings.ContainsFunc(key, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
}

// of gives the comment of a field. A field without one of its own belongs to
// the comment above the fields before it, else to that of its group.
func (d docs) of(path string) []string {
	group, key := "", path
	if dot := strings.LastIndex(path, "."); dot >= 0 {
		group, key = path[:dot], path[dot+1:]
	}
	first := d.doc.Line(group) // 0 at the top: lines count from 1
	at := d.find(first, key)
	if at < 0 {
		return nil
	}
	var comment []string
	if _, after, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(d.lines[at]), "#"), " #"); ok {
		comment = []string{strings.TrimSpace(after)}
	}
	above := d.above(at)
	for up := at - 1; len(above) == 0 && len(comment) == 0 && up >= first && d.lines[up] != ""; up-- {
		above = d.above(up)
	}
	if comment = append(above, comment...); len(comment) == 0 && group != "" {
		return d.of(group)
	}
	return comment
}

// find gives the index of the line of a field, given or commented out, in the
// group whose own line is the first-th; -1 if there is none.
func (d docs) find(first int, key string) int {
	indent := ""
	if first > 0 {
		own := d.lines[first-1]
		indent = own[:len(own)-len(strings.TrimLeft(own, " "))] + "  "
	}
	for i, line := range d.lines[first:] {
		if line != "" && !strings.HasPrefix(line, indent) {
			break
		}
		text := strings.TrimPrefix(strings.TrimPrefix(line, indent), "# ")
		if strings.HasPrefix(text, key+":") {
			return first + i
		}
	}
	return -1
}

// above is the block of comment right above a line.
func (d docs) above(at int) []string {
	var block []string
	for i := at - 1; i >= 0; i-- {
		text := strings.TrimSpace(d.lines[i])
		if !strings.HasPrefix(text, "#") || commentedOut(text) {
			break
		}
		block = append(block, strings.TrimPrefix(strings.TrimPrefix(text, "#"), " "))
	}
	slices.Reverse(block)
	return block
}
