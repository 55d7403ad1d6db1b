package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/durable"
)

type signingKeyCommand struct {
	New  newSigningKey  `cmd:"" help:"Make a key, for its owner only, and print its public half."`
	Show showSigningKey `cmd:"" help:"Print the public half of a key, and its id on standard error."`
}

type newSigningKey struct {
	File      string             `arg:"" help:"Where the private key goes, as PKCS #8 in PEM; it must not be there."`
	Algorithm manifest.Algorithm `enum:"ed25519,sm2" default:"ed25519" placeholder:"NAME" help:"ed25519 (RFC 8032), or sm2: SM2 with SM3 (GB/T 32918.2, GB/T 32905) and the user id 1234567812345678."`
}

// Run makes a key.
func (c *newSigningKey) Run(env *cli.Env) error {
	if _, err := os.Lstat(c.File); err == nil {
		return cli.Usage(fmt.Errorf("%s is there already, and a key is never overwritten; name another file", c.File))
	}
	if info, err := os.Stat(filepath.Dir(c.File)); err != nil || !info.IsDir() {
		return cli.Usage(fmt.Errorf("write %s: there is no such folder; make it, or name another", c.File))
	}
	key, err := manifest.Generate(c.Algorithm)
	if err != nil {
		return err
	}
	text, err := key.PEM()
	if err != nil {
		return err
	}
	if err := durable.Replace(c.File, "."+filepath.Base(c.File)+".", 0o600, durable.Bytes(text)); err != nil {
		err = fmt.Errorf("write the key: %w", err)
		if errors.Is(err, fs.ErrPermission) {
			return cli.Usage(err)
		}
		return err
	}
	return tell(env, key.Public())
}

type showSigningKey struct {
	File string `arg:"" help:"A private or public key in PEM."`
}

// Run shows a key. A public one is tried first: it may be open to all.
func (c *showSigningKey) Run(env *cli.Env) error {
	public, err := manifest.ReadPublicKey(c.File)
	if err == nil {
		return tell(env, public)
	}
	private, err := manifest.ReadPrivateKey(c.File)
	if err != nil {
		return cli.Usage(err)
	}
	return tell(env, private.Public())
}

func tell(env *cli.Env, key *manifest.PublicKey) error {
	env.Log.Info("key", "algorithm", key.Algorithm(), "id", key.ID())
	if _, err := env.Stdout.Write(key.PEM()); err != nil {
		return fmt.Errorf("write the public key: %w", err)
	}
	return nil
}
