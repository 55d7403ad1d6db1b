package account

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Said is what the log of a probe tells beside its lives: what shows that the
// faults were felt, and how.
type Said struct {
	SpoolRefused int `json:"spool_refused"` // the disk took nothing
	StepsForward int `json:"steps_forward"` // of the wall clock
	StepsBack    int `json:"steps_back"`
	NeverSpooled int `json:"never_spooled"` // windows that found no room on a full disk until memory was full too, or until a stop; counted by the probe, never said to be made
	Panics       int `json:"panics"`
}

// String is the sentence's end for people.
func (s Said) String() string {
	return fmt.Sprintf("%d refusals of the disk, %d steps of the clock forward and %d back; %d windows never found room on a disk, %d panics",
		s.SpoolRefused, s.StepsForward, s.StepsBack, s.NeverSpooled, s.Panics)
}

func (s *Said) add(o Said) {
	s.SpoolRefused += o.SpoolRefused
	s.StepsForward += o.StepsForward
	s.StepsBack += o.StepsBack
	s.NeverSpooled += o.NeverSpooled
	s.Panics += o.Panics
}

// ReadLog reads the log of a probe, of all its lives. A last line that a kill
// cut off tells nothing.
func ReadLog(r io.Reader) (lives []Life, said Said, err error) {
	made := regexp.MustCompile(`msg="window made" key="?([^" ]+)"? digest=([0-9a-f]{64})$`)
	starts := regexp.MustCompile(`msg="probe starts" .*\bsession=([0-9]+)\b`)
	gone := regexp.MustCompile(`msg="window (dropped|lost)" key="?([^" ]+)"?(?: digest=([0-9a-f]{64}))?$`)
	unkept := regexp.MustCompile(`msg="too many windows wait in memory for the spool: the oldest are dropped" windows=([0-9]+)|stop: ([0-9]+) windows could not be spooled and are lost`)
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return lives, said, nil
		}
		if err != nil {
			return nil, said, fmt.Errorf("read the log of a probe: %w", err)
		}
		line = strings.TrimSuffix(line, "\n")
		if m := starts.FindStringSubmatch(line); m != nil {
			session, err := strconv.ParseUint(m[1], 10, 64)
			if err != nil {
				return nil, said, fmt.Errorf("read the log of a probe: session %s: %w", m[1], err)
			}
			lives = append(lives, Life{Session: session})
			continue
		}
		if m := made.FindStringSubmatch(line); m != nil {
			if len(lives) == 0 {
				return nil, said, fmt.Errorf("read the log of a probe: a window is made before any start: %.200s", line)
			}
			last := &lives[len(lives)-1]
			last.Made = append(last.Made, Window{m[1], m[2]})
			continue
		}
		if m := gone.FindStringSubmatch(line); m != nil {
			if len(lives) == 0 {
				return nil, said, fmt.Errorf("read the log of a probe: a window is %s before any start: %.200s", m[1], line)
			}
			last := &lives[len(lives)-1]
			if m[1] == "dropped" {
				last.Dropped = append(last.Dropped, m[2])
			} else {
				last.Lost = append(last.Lost, Window{m[2], m[3]})
			}
			continue
		}
		switch m := unkept.FindStringSubmatch(line); {
		case m != nil:
			n, err := strconv.Atoi(m[1] + m[2]) // one of them is empty
			if err != nil {
				return nil, said, fmt.Errorf("read the log of a probe: %w", err)
			}
			said.NeverSpooled += n
		case strings.Contains(line, `msg="probe stopped"`) && len(lives) > 0:
			lives[len(lives)-1].Stopped = true
		case strings.Contains(line, `msg="the spool takes no windows`):
			said.SpoolRefused++
		case strings.Contains(line, `msg="the wall clock stepped forward`):
			said.StepsForward++
		case strings.Contains(line, `msg="the wall clock stepped back`):
			said.StepsBack++
		case strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: "):
			said.Panics++
		}
	}
}
