package run

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// influxd is an InfluxDB 1.8 server that belongs to the run, so that it may be
// killed. Its data lies in the folder influxd of the output.
type influxd struct {
	program, address string
	password         string
	folder           folder
}

const (
	influxdUser     = "fibergauge"
	influxdDatabase = "fibergauge"
)

// env tells the server where everything is: it has no file of its own.
func (d *influxd) env() []string {
	return []string{
		"INFLUXDB_DATA_DIR=" + d.folder.file("influxd/data"), "INFLUXDB_META_DIR=" + d.folder.file("influxd/meta"),
		"INFLUXDB_DATA_WAL_DIR=" + d.folder.file("influxd/wal"),
		"INFLUXDB_HTTP_BIND_ADDRESS=" + d.address, "INFLUXDB_BIND_ADDRESS=127.0.0.1:0",
		"INFLUXDB_HTTP_AUTH_ENABLED=true", "INFLUXDB_HTTP_FLUX_ENABLED=true", "INFLUXDB_HTTP_LOG_ENABLED=false",
		"INFLUXDB_DATA_QUERY_LOG_ENABLED=false", "INFLUXDB_REPORTING_DISABLED=true",
	}
}

// newInfluxd chooses an address and writes the files of the store.
func newInfluxd(ctx context.Context, program string, f folder) (*influxd, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	d := &influxd{program: program, address: address, password: rand.Text(), folder: f}
	if err := os.MkdirAll(f.file("influxd"), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of InfluxDB: %w", err)
	}
	for name, text := range map[string]string{
		"influxd/influxdb.conf": "",
		"influxd/store.yaml":    fmt.Sprintf("url: http://%s\nbucket: %s/autogen\ntoken_file: token\nsecret_file: secret\n", address, influxdDatabase),
		"influxd/token":         influxdUser + ":" + d.password + "\n",
		"influxd/secret":        rand.Text() + rand.Text() + "\n",
	} {
		if err := os.WriteFile(f.file(name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write the configuration of InfluxDB: %w", err)
		}
	}
	return d, nil
}

// setUp waits until the server answers and makes its user and database.
func (d *influxd) setUp(ctx context.Context, server *child) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := d.ask(ctx, "CREATE USER "+influxdUser+" WITH PASSWORD '"+d.password+"' WITH ALL PRIVILEGES")
		if err == nil {
			return d.ask(ctx, "CREATE DATABASE "+influxdDatabase)
		}
		select {
		case <-server.ended:
			return server.death()
		case <-ctx.Done():
			return fmt.Errorf("wait for InfluxDB: %w (last: %w); its log %s ends: %s", ctx.Err(), err, server.log, server.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *influxd) ask(ctx context.Context, statement string) error {
	form := url.Values{"q": {statement}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.address+"/query", strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("ask InfluxDB: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "Token "+influxdUser+":"+d.password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask InfluxDB: %w", err)
	}
	defer response.Body.Close() // only read
	body, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	if err == nil && (response.StatusCode != http.StatusOK || strings.Contains(string(body), `"error"`)) {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	if err != nil {
		return fmt.Errorf("ask InfluxDB: %w", err)
	}
	return nil
}

// listening waits, after a restart, until the server answers again.
func (d *influxd) listening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := d.ask(ctx, "SHOW DATABASES")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for InfluxDB to be back: %w (last: %w)", ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
