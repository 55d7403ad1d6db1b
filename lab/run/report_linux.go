package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/fibergauge/fibergauge/lab/namespace"
)

// report has the analyzer judge exactly the time of the run: into report.json,
// into report.txt, and as a table for whoever looks on.
func (s *stage) report(ctx context.Context) error {
	s.say("analyzing")
	asJSON, err := s.analyze(ctx, nil, "--format", "json")
	if err == nil {
		err = s.folder.write("report.json", asJSON)
	}
	var asText []byte
	if err == nil {
		asText, err = s.analyze(ctx, nil)
	}
	if err == nil {
		err = s.folder.write("report.txt", append([]byte(s.heading()), asText...))
	}
	s.say("")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(s.out.Results, s.heading()); err != nil {
		return fmt.Errorf("show the report: %w", err)
	}
	// A terminal is handed to the analyzer itself, which then uses colour.
	if terminal, ok := s.out.Results.(*os.File); ok && s.out.Progress != nil {
		_, err = s.analyze(ctx, terminal)
		return err
	}
	if _, err := s.out.Results.Write(asText); err != nil {
		return fmt.Errorf("show the report: %w", err)
	}
	return nil
}

// heading labels a report as one of an emulated network.
func (s *stage) heading() string {
	return fmt.Sprintf("EMULATED NETWORK (%s, seed %d). %s\n\n", s.plan.WANFile, s.wan.Seed, notice)
}

// period names the run's files and its time to the analyzer.
func (s *stage) period() []string {
	return []string{"--mesh", s.folder.file("mesh.yaml"), "--store", s.store, "--from", moment(s.from), "--to", moment(s.to)}
}

// analyze runs the analyzer's report, whose results go to the terminal if one
// is given and are returned otherwise.
func (s *stage) analyze(ctx context.Context, terminal *os.File, format ...string) ([]byte, error) {
	var results, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, s.programs.analyzer, append(append([]string{"report"}, s.period()...), format...)...)
	cmd.Stdout, cmd.Stderr = &results, &complaints
	if terminal != nil {
		cmd.Stdout = terminal
	}
	ended, err := namespace.Start(cmd, nil)
	if err != nil {
		return nil, fmt.Errorf("start the analyzer: %w", err)
	}
	err = <-ended
	if writeErr := s.folder.write("logs/analyzer.log", complaints.Bytes()); writeErr != nil {
		return nil, writeErr
	}
	if err != nil {
		return nil, fmt.Errorf("make the report with the analyzer: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	return results.Bytes(), nil
}

// serve leaves the analyzer serving the run until the context ends.
func (s *stage) serve(ctx context.Context) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	analyzer, err := s.crew.start("analyzer-serve", nil, s.programs.analyzer, append([]string{"serve", "--listen", address}, s.period()...)...)
	if err != nil {
		return err
	}
	url := "http://" + address + "/api/v1/report"
	if err := s.answers(ctx, analyzer, url); err != nil {
		return errors.Join(err, analyzer.kill())
	}
	if _, err := fmt.Fprintf(s.out.Results, "\nThe analyzer serves this report until Ctrl-C, in a browser and as JSON:\n  http://%s/\n  curl %s\n", address, url); err != nil {
		return errors.Join(fmt.Errorf("show where the report is: %w", err), analyzer.kill())
	}
	if s.past != "" {
		if _, err := fmt.Fprintf(s.out.Results, "and of any month of the history, such as\n  curl '%s?period=%s'\n", url, s.past); err != nil {
			return errors.Join(fmt.Errorf("show where the history is: %w", err), analyzer.kill())
		}
	}
	select {
	case child := <-s.crew.deaths:
		return child.death()
	case <-ctx.Done():
	}
	if err := analyzer.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return analyzer.wait(context.WithoutCancel(ctx), stopWithin)
}

// answers waits until the report is served.
func (s *stage) answers(ctx context.Context, analyzer *child, url string) error {
	client := &http.Client{Timeout: 20 * time.Second}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask the analyzer: %w", err)
		}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close() // nothing is read from it
			if response.StatusCode == http.StatusOK {
				return nil
			}
			return fmt.Errorf("ask the analyzer for %s: it answers %s; its log %s ends: %s", url, response.Status, analyzer.log, analyzer.tail())
		}
		select {
		case <-analyzer.ended:
			return analyzer.death()
		case <-ctx.Done():
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freeAddress finds a loopback port that nobody uses now.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
