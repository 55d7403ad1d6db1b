package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish"
	"github.com/fibergauge/fibergauge/analyzer/wording"
	"github.com/fibergauge/fibergauge/internal/cli"
)

// formed are the flags that say in what form a report is written, and where.
type formed struct {
	Format string           `enum:"table,json,csv,xlsx,html,pdf,all" default:"table" placeholder:"FORM" help:"table, to read in a terminal; json, complete, of which all others are made; csv, of the pairs; xlsx, html or pdf; all of these but the table, in every language, into the folder --out."`
	Lang   wording.Language `enum:"en,zh" default:"en" placeholder:"LANGUAGE" help:"Language of csv, xlsx, html and pdf: en, or zh for Chinese."`
	BOM    bool             `name:"bom" help:"Begin CSV with a byte order mark, which some spreadsheets need to read Chinese."`
	Out    string           `placeholder:"FILE" help:"Write to a file instead of standard output; of --format all the folder, which is made if it is not there."`
	Sign   string           `placeholder:"KEY" help:"Sign what is written into --out by this private key (PKCS #8 in PEM; signing-key new makes one). verify FILE checks it."`
	Reason string           `placeholder:"TEXT" help:"With --format all, where a revision is in the folder already: why there is another one, in your words."`
}

const (
	tableForm = "table"
	jsonForm  = "json"
	allForms  = "all"
)

// published tells whether the form is one that is filed.
func (f formed) published() bool { return f.Format != tableForm && f.Format != jsonForm }

// check refuses, before any work is done, what could not be written.
func (f formed) check(stdout io.Writer) error {
	if f.Lang != wording.EN && !f.published() {
		return cli.Usage(fmt.Errorf("--lang %s: the %s is in English; choose --format csv, xlsx, html, pdf or all", f.Lang, f.Format))
	}
	if f.BOM && f.Format != string(publish.CSV) && f.Format != allForms {
		return cli.Usage(fmt.Errorf("--bom: %s has no byte order mark; choose --format csv or all, or leave it out", f.Format))
	}
	if err := f.checkSigning(); err != nil {
		return err
	}
	if f.Format == allForms {
		if f.Out == "" {
			return cli.Usage(errors.New("--format all is many files; name a folder by --out"))
		}
		if info, err := os.Stat(f.Out); err == nil && !info.IsDir() {
			return cli.Usage(fmt.Errorf("--out %s is a file; name a folder for the files of --format all", f.Out))
		}
		return nil
	}
	if file, ok := stdout.(*os.File); ok && f.Out == "" && publish.Form(f.Format).Binary() && term.IsTerminal(int(file.Fd())) {
		return cli.Usage(fmt.Errorf("%s is not for terminals; name a file by --out", f.Format))
	}
	return nil
}

// publish writes a report in a form that is filed.
func (f formed) publish(env *cli.Env, r *api.Report, s span) error {
	if f.Format == allForms {
		return f.publishAll(env, r, s)
	}
	data, err := publish.Write(r, publish.Form(f.Format), publish.Options{Language: f.Lang, BOM: f.BOM})
	if err != nil {
		return err
	}
	return f.put(env, r, data)
}

func (f formed) put(env *cli.Env, r *api.Report, data []byte) error {
	if f.Sign != "" {
		return f.sign(env, r, data)
	}
	if f.Out != "" {
		return writeOut(f.Out, data)
	}
	if _, err := env.Stdout.Write(data); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// name is the period as part of a file's name.
func (s span) name() string {
	if s.Period != "" {
		return s.Period
	}
	moments := []string{s.From, s.To}
	for i, text := range moments {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			text = t.UTC().Format("20060102T150405Z")
		}
		moments[i] = strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:*?"<>|`, r) {
				return '-'
			}
			return r
		}, text)
	}
	return strings.Join(slices.Compact(moments), "-to-")
}
