package influx

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// config is the file that --store influx:FILE names. docs/store.md tells how
// to set up a server for it.
type config struct {
	URL        string `yaml:"url"`         // http://… or https://…
	Org        string `yaml:"org"`         // empty for InfluxDB 1.8
	Bucket     string `yaml:"bucket"`      // database/retention-policy for 1.8
	Token      string `yaml:"token"`       // user:password for 1.8
	TokenFile  string `yaml:"token_file"`  // instead of token; relative to this file
	Secret     string `yaml:"secret"`      // the same for all collectors; only they need it
	SecretFile string `yaml:"secret_file"` // instead of secret; relative to this file
	Timeout    string `yaml:"timeout"`     // of one request; 30s if absent

	timeout time.Duration
}

// minSecret is the least length of the secret, in bytes: a shorter one can be
// guessed, and with it whoever guesses could make two windows meet.
const minSecret = 16

const defaultTimeout = 30 * time.Second

func readConfig(file string, why purpose) (*config, error) {
	var c config
	doc, _, err := yamlfile.Read(file, &c)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, doc.Errorf("url", "%q is not of the form http://HOST:PORT or https://HOST:PORT", c.URL)
	}
	if c.Bucket == "" {
		return nil, doc.Errorf("bucket", "is missing; give the bucket's name, or database/retention-policy for InfluxDB 1.8")
	}
	if c.Token, err = textOrFile(doc, file, "token", c.Token, c.TokenFile); err != nil {
		return nil, err
	}
	if c.Secret, err = textOrFile(doc, file, "secret", c.Secret, c.SecretFile); err != nil {
		return nil, err
	}
	if n := len(c.Secret); n > 0 && n < minSecret {
		field := "secret"
		if c.SecretFile != "" {
			field = "secret_file"
		}
		return nil, doc.Errorf(field, "the secret has %d bytes; at least %d are needed (try: openssl rand -hex 32)", n, minSecret)
	}
	c.timeout = defaultTimeout
	if c.Timeout != "" {
		c.timeout, err = time.ParseDuration(c.Timeout)
		if err != nil || c.timeout < time.Second || c.timeout > time.Hour {
			return nil, doc.Errorf("timeout", "%q is not a duration from 1s to 1h", c.Timeout)
		}
	}
	if c.Secret == "" && why == writing {
		return nil, doc.Errorf("secret_file", "is missing; name the file with the secret that all collectors of this store share (to make it: openssl rand -hex 32)")
	}
	return &c, nil
}

// textOrFile gives the value that stands in the file itself or in one that it
// names.
func textOrFile(doc *yamlfile.Document, file, field, text, textFile string) (string, error) {
	switch {
	case textFile == "":
		return text, nil
	case text != "":
		return "", doc.Errorf(field+"_file", "is given beside %s; keep one", field)
	}
	if !filepath.IsAbs(textFile) {
		textFile = filepath.Join(filepath.Dir(file), textFile)
	}
	data, err := os.ReadFile(textFile)
	if err != nil {
		return "", doc.Errorf(field+"_file", "cannot be read: %v", err)
	}
	text = strings.TrimSpace(string(data))
	if text == "" {
		return "", doc.Errorf(field+"_file", "%s is empty", textFile)
	}
	return text, nil
}
