package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/analyzer/monthly"
	"github.com/fibergauge/fibergauge/analyzer/serve"
	"github.com/fibergauge/fibergauge/internal/keyfile"
)

// filed are the flags by which serve files the report of each month.
type filed struct {
	Reports       string        `placeholder:"FOLDER" help:"File the report of each month here, in every form, when it is due; one that was missed is made up for at the start."`
	ReportsSettle time.Duration `default:"24h" placeholder:"DURATION" help:"How long after the end of a month its last windows are waited for."`
	ReportsHour   int           `default:"6" placeholder:"HOUR" help:"The hour, 0 to 23 by the clock of the mesh, at which a month that has settled is filed."`
	ReportsKey    string        `placeholder:"FILE" help:"Private key that signs what is filed; 'signing-key new' makes one."`
	Webhook       string        `placeholder:"URL" help:"Post a notice of each report that is filed: https, or http on this machine."`
	WebhookSecret string        `placeholder:"FILE" help:"Sign the notices with the secret in this file, as Standard Webhooks says."`
}

// check refuses, before anything is served, what could not be filed or told.
func (f *filed) check() (key *manifest.PrivateKey, hook *monthly.Webhook, err error) {
	switch {
	case f.Reports == "" && (f.ReportsKey != "" || f.Webhook != "" || f.WebhookSecret != ""):
		return nil, nil, errors.New("--reports-key, --webhook and --webhook-secret are about what --reports files; name its folder")
	case f.Reports == "":
		return nil, nil, nil
	case f.WebhookSecret != "" && f.Webhook == "":
		return nil, nil, errors.New("--webhook-secret signs what is posted; give --webhook")
	case f.ReportsHour < 0 || f.ReportsHour > 23:
		return nil, nil, fmt.Errorf("--reports-hour %d; allowed: 0 to 23", f.ReportsHour)
	case f.ReportsSettle < 0 || f.ReportsSettle > 60*24*time.Hour:
		return nil, nil, fmt.Errorf("--reports-settle %s; allowed: 0s to 1440h", f.ReportsSettle)
	}
	if info, err := os.Stat(f.Reports); err == nil && !info.IsDir() {
		return nil, nil, fmt.Errorf("--reports %s is a file; name a folder", f.Reports)
	}
	if f.ReportsKey != "" {
		if key, err = manifest.ReadPrivateKey(f.ReportsKey); err != nil {
			return nil, nil, fmt.Errorf("--reports-key: %w", err)
		}
	}
	if f.Webhook == "" {
		return key, nil, nil
	}
	hook = &monthly.Webhook{}
	if hook.URL, err = monthly.ParseWebhook(f.Webhook); err != nil {
		return nil, nil, fmt.Errorf("--webhook: %w", err)
	}
	if f.WebhookSecret != "" {
		text, err := keyfile.ReadPrivate(f.WebhookSecret)
		if err != nil {
			return nil, nil, fmt.Errorf("--webhook-secret: %w", err)
		}
		if hook.Secret, err = monthly.ParseSecret(text); err != nil {
			return nil, nil, fmt.Errorf("--webhook-secret %s: %w", f.WebhookSecret, err)
		}
	}
	return key, hook, nil
}

// run files and tells until the context ends.
func (f *filed) run(ctx context.Context, going *sync.WaitGroup, server *serve.Server, key *manifest.PrivateKey, hook *monthly.Webhook, cache string) {
	if f.Reports == "" {
		return
	}
	log := server.Log
	config := &monthly.Config{
		Folder: f.Reports, Key: key, Settle: f.ReportsSettle, Hour: f.ReportsHour,
		Zone: server.Zone, Make: server.Month, Failed: server.Metrics.FilingFailed, Log: log,
	}
	if hook != nil {
		hook.Failed, hook.Log = server.Metrics.WebhookFailed, log
		if cache != "" {
			hook.State = filepath.Join(cache, "webhook.json")
		}
		config.Told = hook.Tell
		going.Go(func() { hook.Run(ctx) })
	}
	going.Go(func() { config.Run(ctx) })
}
