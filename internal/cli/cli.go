// Package cli is what the four programs share at the command line: flags from
// a configuration file, logging, signals, the version and the exit status.
//
// A program hands Main a struct in the form of package kong whose commands
// have a method Run(context.Context, *cli.Env) error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// Exit statuses. A program may add its own above them through Exit.
const (
	StatusDone   = 0
	StatusFailed = 1 // it was asked rightly and could not
	StatusUsage  = 2 // wrong usage or bad input
)

// version is set by the linker from the repository's tag.
var version = "devel"

// Version is the version of the program.
func Version() string { return version }

// Env is what a command gets besides its flags.
type Env struct {
	Stdout io.Writer    // results
	Stderr io.Writer    // progress; logs go through Log
	Log    *slog.Logger // to standard error
}

// Globals are the flags that every program has; embed it in the grammar.
type Globals struct {
	Config    configFlag  `help:"Read flags from a YAML file: each key is the long name of a flag." placeholder:"FILE"`
	LogLevel  string      `help:"Least severe level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL"`
	LogFormat string      `help:"Form of the log on standard error: text or json." enum:"text,json" default:"text" placeholder:"FORM"`
	Version   versionFlag `help:"Print the version and exit."`
}

// globals finds the Globals that a grammar embeds.
func (g *Globals) globals() *Globals { return g }

// Grammar is a struct in the form of package kong that embeds Globals.
type Grammar interface{ globals() *Globals }

// Main runs a program and gives its exit status. about is the text at the top
// of its --help.
func Main(name, about string, grammar Grammar) int {
	// SIGTERM is how a service manager asks to stop. A second signal ends the
	// program at once, because NotifyContext is released by the first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, name, about, grammar, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main with everything that it touches passed in.
func Run(ctx context.Context, name, about string, grammar Grammar, args []string, stdout, stderr io.Writer) (status int) {
	defer func() {
		// kong ends the program for --help and --version by a call of Exit. Any
		// other panic is a fault and must not pass for success.
		switch cause := recover().(type) {
		case nil:
		case exitRequest:
			status = int(cause)
		default:
			panic(cause)
		}
	}()
	parser, err := kong.New(grammar,
		kong.Name(name), kong.Description(about),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exitRequest(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(helpWithDefault),
		kong.Vars{"version": fmt.Sprintf("%s %s (%s %s/%s)", name, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)},
	)
	if err != nil {
		panic(err) // a mistake in the grammar, found by any test that parses
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return report(stderr, name, wrongUsage(name, err))
	}
	env := &Env{Stdout: stdout, Stderr: stderr, Log: logger(grammar.globals(), stderr)}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(env)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = interrupted{err}
	}
	return report(stderr, name, err)
}

// helpWithDefault adds to the help of a flag what counts without it.
func helpWithDefault(value *kong.Value) string {
	help := kong.DefaultHelpValueFormatter(value)
	if value.HasDefault && !value.IsBool() {
		return fmt.Sprintf("%s (%s if absent).", strings.TrimSuffix(help, "."), value.Default)
	}
	return help
}

// wrongUsage is an error of the command line, with the command whose help tells
// more; what is wrong in a configuration file is said by the file's own line.
func wrongUsage(name string, err error) error {
	var badFile *yamlfile.Error
	if errors.As(err, &badFile) {
		return Usage(badFile)
	}
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context.Selected() != nil {
		name += " " + wrong.Context.Selected().Path()
	}
	return Usage(fmt.Errorf("%w; see %s --help", err, name))
}

type exitRequest int

func logger(g *Globals, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.LogLevel)); err != nil {
		panic(err) // the enum of the flag allows no other
	}
	options := &slog.HandlerOptions{Level: level}
	if g.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// interrupted is the error of a command that was asked to stop, in words of
// people and not of contexts.
type interrupted struct{ error }

func (i interrupted) Error() string {
	return strings.ReplaceAll(i.error.Error(), context.Canceled.Error(), "interrupted")
}
func (i interrupted) Unwrap() error { return i.error }

// exit is an error that carries an exit status.
type exit struct {
	status int
	err    error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// Usage marks an error as wrong usage or bad input: exit status 2.
func Usage(err error) error { return Exit(StatusUsage, err) }

// Exit gives an error an exit status.
func Exit(status int, err error) error { return &exit{status, err} }

// report prints an error on one line and gives the exit status it means.
func report(stderr io.Writer, name string, err error) int {
	if err == nil {
		return StatusDone
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	var withStatus *exit
	var badFile *yamlfile.Error
	switch {
	case errors.As(err, &withStatus):
		return withStatus.status
	case errors.As(err, &badFile):
		return StatusUsage
	}
	return StatusFailed
}

type versionFlag bool

// BeforeReset prints the version ahead of any other check of the flags.
func (versionFlag) BeforeReset(app *kong.Kong, vars kong.Vars) error {
	fmt.Fprintln(app.Stdout, vars["version"])
	app.Exit(StatusDone)
	return nil
}
