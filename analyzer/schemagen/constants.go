package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// constant is a text of the package that stands for something.
type constant struct {
	name, kind   string // kind is its type; empty where it has none
	value, means string
}

type constants []constant

// readConstants reads those of the files of a folder, in their order.
func readConstants(folder string) (constants, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var all constants
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.CONST {
				all = append(all, constantsOf(group)...)
			}
		}
	}
	return all, nil
}

func constantsOf(group *ast.GenDecl) (all constants) {
	for _, spec := range group.Specs {
		v := spec.(*ast.ValueSpec)
		if len(v.Values) != 1 {
			continue
		}
		literal, ok := v.Values[0].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			continue
		}
		c := constant{name: v.Names[0].Name, means: strings.TrimSpace(v.Comment.Text())}
		if kind, ok := v.Type.(*ast.Ident); ok {
			c.kind = kind.Name
		}
		if value, err := strconv.Unquote(literal.Value); err == nil {
			c.value = value
			all = append(all, c)
		}
	}
	return all
}

// choice is a schema of these constants, each with what it means.
func (all constants) choice(is func(constant) bool) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, c := range all {
		if is(c) {
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Const: c.value, Description: c.means})
		}
	}
	return s
}

// typed gives the schema of a type that has constants.
func (all constants) typed(t reflect.Type) *jsonschema.Schema {
	if t.Kind() != reflect.String || t.PkgPath() != packagePath {
		return nil
	}
	return all.choice(func(c constant) bool { return c.kind == t.Name() })
}

// begun are the constants whose names begin so.
func (all constants) begun(with string) *jsonschema.Schema {
	return all.choice(func(c constant) bool { return c.kind == "" && strings.HasPrefix(c.name, with) })
}
