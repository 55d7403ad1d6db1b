package cli

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// configFlag names a YAML file whose keys are long names of flags. A flag on
// the command line wins over the file.
type configFlag string

// BeforeResolve reads the file and lets it answer for flags not given.
func (configFlag) BeforeResolve(_ *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	file := string(ctx.FlagValue(trace.Flag).(configFlag))
	// As texts, because YAML makes a time in UTC out of a bare date.
	given := map[string]string{}
	doc, _, err := yamlfile.Read(file, &given)
	if err != nil {
		return err
	}
	// One file may serve several commands of a program.
	known := flags(ctx.Model.Node)
	for _, key := range slices.Sorted(maps.Keys(given)) {
		flag := known[key]
		if flag == nil {
			node := ctx.Selected()
			if node == nil {
				node = ctx.Model.Node // no command was named
			}
			return doc.Errorf(key, "unknown setting; %s knows: %s", node.FullPath(), strings.Join(slices.Sorted(maps.Keys(ofCommand(node))), ", "))
		}
		if err := fits(flag.Value, given[key]); err != nil {
			return doc.Errorf(key, "%v", err)
		}
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value, ok := given[flag.Name]; ok {
			return value, nil
		}
		return nil, nil // not this file's to answer
	}))
	return nil
}

// fits tells whether a flag takes a value, so that what is wrong in the file is
// said with its line.
func fits(flag *kong.Value, value string) error {
	if flag.Enum != "" && !flag.EnumMap()[value] {
		return fmt.Errorf("%q is not allowed; allowed: %s", value, strings.Join(flag.EnumSlice(), ", "))
	}
	scratch := reflect.New(flag.Target.Type()).Elem()
	return flag.Mapper.Decode(&kong.DecodeContext{Value: flag, Scan: kong.Scan(value)}, scratch)
}

// flags are those of a node and of all commands under it, by their names.
func flags(node *kong.Node) map[string]*kong.Flag {
	named := settings(node)
	for _, child := range node.Children {
		maps.Copy(named, flags(child))
	}
	return named
}

// ofCommand are the flags that one command takes: its own, and those of the
// nodes above it.
func ofCommand(node *kong.Node) map[string]*kong.Flag {
	named := map[string]*kong.Flag{}
	for ; node != nil; node = node.Parent {
		maps.Copy(named, settings(node))
	}
	return named
}

// settings are a node's own flags, without those that make no sense in a file.
func settings(node *kong.Node) map[string]*kong.Flag {
	named := map[string]*kong.Flag{}
	for _, flag := range node.Flags {
		switch flag.Name {
		case "help", "version", "config":
		default:
			named[flag.Name] = flag
		}
	}
	return named
}
