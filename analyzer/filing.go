package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/filing"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/analyzer/publish"
	"github.com/fibergauge/fibergauge/internal/cli"
)

// maxReason is how many characters a reason may have: a few sentences.
const maxReason = 500

// checkSigning refuses, before any work is done, what could not be signed, and
// what would take the place of something that is filed.
func (f formed) checkSigning() error {
	if f.Reason != "" && f.Format != allForms {
		return cli.Usage(errors.New("--reason goes with --format all, which keeps revisions"))
	}
	if len([]rune(f.Reason)) > maxReason || strings.ContainsFunc(f.Reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return cli.Usage(fmt.Errorf("--reason has to be one line of at most %d characters", maxReason))
	}
	if f.Format != allForms {
		if err := checkOut(f.Out); err != nil {
			return err
		}
	}
	if f.Sign == "" {
		return nil
	}
	switch {
	case f.Format == tableForm:
		return cli.Usage(errors.New("--sign: the table is for terminals; choose --format json, csv, xlsx, html, pdf or all"))
	case f.Out == "":
		return cli.Usage(errors.New("--sign writes a manifest and a signature beside the report; name a file by --out, or the folder of --format all"))
	}
	if f.Format != allForms {
		if _, err := os.Lstat(f.Out); err == nil {
			return cli.Usage(fmt.Errorf("--out %s is there already, and a signed report replaces nothing; name another file, or move it away", f.Out))
		}
	}
	_, err := f.key()
	return err
}

// key is that of --sign; nil without.
func (f formed) key() (*manifest.PrivateKey, error) {
	if f.Sign == "" {
		return nil, nil
	}
	key, err := manifest.ReadPrivateKey(f.Sign)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--sign: %w", err))
	}
	return key, nil
}

// checkReason refuses a reason for what is no revision.
func (f formed) checkReason(s span) error {
	if f.Reason == "" {
		return nil
	}
	before, err := filing.Newest(f.Out, filing.NameOf(s.name()))
	if err != nil {
		return cli.Usage(err)
	}
	if before == nil {
		return cli.Usage(fmt.Errorf("--reason: %s holds no report of the period that this one would take the place of", f.Out))
	}
	return nil
}

// sign writes a report in one form, with a manifest and signature beside it.
func (f formed) sign(env *cli.Env, r *api.Report, data []byte) error {
	key, err := f.key()
	if err != nil {
		return err
	}
	name := filepath.Base(f.Out)
	path, err := filing.Write(filepath.Dir(f.Out), name, []publish.File{{Name: name, Data: data}}, filing.ManifestFor(r, nil), key)
	if err != nil {
		return err
	}
	env.Log.Info("signed", "manifest", path, "key", key.Public().ID())
	return nil
}

// publishAll files a report in every form, as the next revision of what the
// folder holds of the period.
func (f formed) publishAll(env *cli.Env, r *api.Report, s span) error {
	key, err := f.key()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.Out, 0o755); err != nil {
		return cli.Usage(fmt.Errorf("--out: %w", err))
	}
	filed, err := filing.File(f.Out, filing.NameOf(s.name()), r, filing.As{Key: key, Reason: f.Reason, BOM: f.BOM})
	switch {
	case errors.Is(err, filing.ErrAltered):
		return cli.Usage(err)
	case err != nil:
		return err
	case filed.Files == 0:
		return unchanged(env, filed, key)
	}
	signed := "no; --sign KEY does"
	if key != nil {
		signed = key.Public().ID()
	}
	env.Log.Info("written", "folder", f.Out, "files", filed.Files, "revision", filed.Manifest.Revision, "manifest", filed.File, "signed", signed)
	return nil
}

// unchanged tells that the newest revision says all that there is to say. It does
// not stand in for a signature that was asked for.
func unchanged(env *cli.Env, newest *filing.Outcome, key *manifest.PrivateKey) error {
	signer := newest.Manifest.Signer
	if key != nil && (signer == nil || signer.KeyID != key.Public().ID()) {
		return fmt.Errorf("nothing has changed since revision %d, so nothing is written; but %s is not signed by the key of --sign: file into another folder to have it signed", newest.Manifest.Revision, newest.File)
	}
	env.Log.Info("nothing has changed, so nothing is written", "revision", newest.Manifest.Revision, "manifest", newest.File)
	return nil
}
