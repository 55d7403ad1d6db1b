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
	settings := map[string]string{}
	doc, _, err := yamlfile.Read(file, &settings)
	if err != nil {
		return err
	}
	known := flags(ctx.Model.Node)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		flag := known[key]
		if flag == nil {
			return doc.Errorf(key, "unknown setting; allowed: %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if err := fits(flag.Value, settings[key]); err != nil {
			return doc.Errorf(key, "%v", err)
		}
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value, given := settings[flag.Name]; given {
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

// flags are those of all commands by their names, without those that make no
// sense in a file.
func flags(node *kong.Node) map[string]*kong.Flag {
	named := map[string]*kong.Flag{}
	for _, flag := range node.Flags {
		switch flag.Name {
		case "help", "version", "config":
		default:
			named[flag.Name] = flag
		}
	}
	for _, child := range node.Children {
		maps.Copy(named, flags(child))
	}
	return named
}
