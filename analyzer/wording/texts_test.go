package wording

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
)

// files are those of a package, without its tests.
func files(t *testing.T, folder string) (*token.FileSet, []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var out []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(set, name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, file)
	}
	if len(out) == 0 {
		t.Fatalf("there is no Go file in %s", folder)
	}
	return set, out
}

// constants are the values of a package's text constants whose names begin so,
// or that are of a type of that name.
func constants(t *testing.T, folder string, beginnings ...string) (found []string) {
	t.Helper()
	_, parsed := files(t, folder)
	for _, file := range parsed {
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				continue
			}
			for _, s := range decl.Specs {
				spec := s.(*ast.ValueSpec)
				named := spec.Names[0].Name
				if kind, ok := spec.Type.(*ast.Ident); ok {
					named = kind.Name + " "
				}
				if !slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(named, b) }) {
					continue
				}
				for _, v := range spec.Values {
					if text, ok := literal(v); ok {
						found = append(found, text)
					}
				}
			}
		}
	}
	return found
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// textOf is a Text literal.
func textOf(e ast.Expr) (text Text, ok bool) {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return text, false
	}
	if kind, named := lit.Type.(*ast.Ident); !named || kind.Name != "Text" || len(lit.Elts) != 2 {
		return text, false
	}
	for _, elt := range lit.Elts {
		pair, ok := elt.(*ast.KeyValueExpr)
		if !ok {
			return text, false
		}
		value, ok := literal(pair.Value)
		if !ok {
			return text, false
		}
		if pair.Key.(*ast.Ident).Name == "EN" {
			text.EN = value
		} else {
			text.ZH = value
		}
	}
	return text, true
}

// eachText calls with every Text of the package and where it stands.
func eachText(t *testing.T, do func(where string, text Text)) {
	t.Helper()
	set, parsed := files(t, ".")
	n := 0
	for _, file := range parsed {
		ast.Inspect(file, func(node ast.Node) bool {
			lit, ok := node.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if kind, named := lit.Type.(*ast.Ident); !named || kind.Name != "Text" || len(lit.Elts) == 0 {
				return true
			}
			text, ok := textOf(lit)
			if !ok {
				t.Errorf("%s: write a Text as Text{EN: \"…\", ZH: \"…\"}, so that the tests can read it", set.Position(lit.Pos()))
				return true
			}
			n++
			do(set.Position(lit.Pos()).String(), text)
			return true
		})
	}
	if n < 40 {
		t.Fatalf("only %d texts were found", n)
	}
}

// names are those in braces.
func names(text string) (names []string) {
	seen := map[string]bool{}
	fill(text, func(name string) string { seen[name] = true; return "" })
	return slices.Sorted(maps.Keys(seen))
}

var number = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)?`)

// monthNames are numbers in Chinese.
var monthNames = func() *strings.Replacer {
	var pairs []string
	for m := time.January; m <= time.December; m++ {
		pairs = append(pairs, m.String()+" 20", strconv.Itoa(int(m))+" 20")
	}
	return strings.NewReplacer(pairs...)
}()

func numbers(text string) []string {
	found := number.FindAllString(monthNames.Replace(text), -1)
	slices.Sort(found)
	return found
}

func sameNumbers(t *testing.T, what, en, zh string) {
	t.Helper()
	if a, b := numbers(en), numbers(zh); !slices.Equal(a, b) {
		t.Errorf("%s: numbers %v in English, %v in Chinese:\n%s\n%s", what, a, b, en, zh)
	}
}

func TestEveryTextIsThereInEachLanguage(t *testing.T) {
	eachText(t, func(where string, text Text) {
		if strings.Contains(text.EN, "2006") {
			return // how a date is written
		}
		if a, b := names(text.EN), names(text.ZH); !slices.Equal(a, b) {
			t.Errorf("%s: names %v in English, %v in Chinese", where, a, b)
		}
		sameNumbers(t, where, text.EN, text.ZH)
		if words := strings.ContainsFunc(text.EN, unicode.IsLetter); words && text.ZH == "" {
			t.Errorf("%s: nothing in Chinese", where)
		}
		if strings.ContainsFunc(text.EN, isHan) {
			t.Errorf("%s: Chinese in English: %s", where, text.EN)
		}
	})
}

// Every name of a text that is said has a value, and every value is used.
func TestEveryNameHasAValue(t *testing.T) {
	set, parsed := files(t, ".")
	checked := 0
	for _, file := range parsed {
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.Ident); !ok || f.Name != "say" || len(call.Args) != 3 {
				return true
			}
			given, ok := call.Args[2].(*ast.CompositeLit)
			text, literal := textOf(call.Args[1])
			if !ok || !literal {
				return true // filled in elsewhere; the tests of what it says see it
			}
			var keys []string
			for _, elt := range given.Elts {
				key, _ := strconv.Unquote(elt.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
				keys = append(keys, key)
			}
			slices.Sort(keys)
			if want := names(text.EN); !slices.Equal(want, keys) {
				t.Errorf("%s: names %v, values %v", set.Position(call.Pos()), want, keys)
			}
			checked++
			return true
		})
	}
	if checked == 0 {
		t.Fatal("no call of say was found")
	}
}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// wrongTypography is what no Chinese text has: a space beside a Chinese
// character or mark, or a half-width mark beside a Chinese character.
var wrongTypography = regexp.MustCompile(`[\p{Han}，。；：、（）“”] | [\p{Han}，。；：、（）“”]|\p{Han}[,;:!?()."]|[,;:!?()"]\p{Han}`)

func TestChineseTypography(t *testing.T) {
	eachText(t, func(where string, text Text) {
		if bad := wrongTypography.FindString(fill(text.ZH, func(string) string { return "x" })); bad != "" {
			t.Errorf("%s: %q in: %s", where, bad, text.ZH)
		}
	})
	for _, e := range examples() {
		if bad := wrongTypography.FindString(e.zh); bad != "" {
			t.Errorf("%s: %q in: %s", e.code, bad, e.zh)
		}
	}
}
