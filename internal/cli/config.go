package cli

import (
	"maps"
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
	known := flagNames(ctx.Model.Node)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if !known[key] {
			return doc.Errorf(key, "unknown setting; allowed: %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
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

// flagNames are the flags of all commands, without those that make no sense in
// a file.
func flagNames(node *kong.Node) map[string]bool {
	names := map[string]bool{}
	for _, flag := range node.Flags {
		switch flag.Name {
		case "help", "version", "config":
		default:
			names[flag.Name] = true
		}
	}
	for _, child := range node.Children {
		maps.Copy(names, flagNames(child))
	}
	return names
}
