package dashboards

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// compose is what the tests look at of compose.yaml. No container is started: the
// tests hold that what it names is there.
type compose struct {
	Services map[string]service                  `yaml:"services"`
	Configs  map[string]struct{ Content string } `yaml:"configs"`
	Secrets  map[string]struct{ File string }    `yaml:"secrets"`

	head string // the comment at the top
}

type service struct {
	Image       string            `yaml:"image"`
	User        string            `yaml:"user"`
	Entrypoint  []string          `yaml:"entrypoint"`
	Command     []string          `yaml:"command"`
	ReadOnly    bool              `yaml:"read_only"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Configs     []struct {
		Source string `yaml:"source"`
		Target string `yaml:"target"`
	} `yaml:"configs"`
	Secrets []string `yaml:"secrets"`
	Volumes []string `yaml:"volumes"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	data, err := os.ReadFile("../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Load(data, &c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"influxdb", "collector", "analyzer", "grafana"} {
		if c.Services[name].Image == "" || c.Services[name].User == "" {
			t.Fatalf("compose.yaml has no service %s, or one without image or user", name)
		}
	}
	c.head, _, _ = strings.Cut(string(data), "\nname:")
	return c
}

// TestComposeMountsWhatIsThere wants each source in the tree, built by make, or
// made by the commands at the top of the file.
func TestComposeMountsWhatIsThere(t *testing.T) {
	c := readCompose(t)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	programs := strings.Fields(regexp.MustCompile(`(?m)^PROGRAMS := (.*)$`).FindStringSubmatch(string(makefile))[1])
	for name, s := range c.Services {
		for _, volume := range s.Volumes {
			if strings.HasPrefix(volume, "${") {
				continue // what the operator names
			}
			source := strings.TrimPrefix(strings.SplitN(volume, ":", 2)[0], "./")
			switch made, isMade := strings.CutPrefix(source, "out/compose/"); {
			case isMade:
				if !strings.Contains(c.head, "$d/"+made) {
					t.Errorf("%s: no command at the top makes %s", name, source)
				}
			case strings.HasPrefix(source, "bin/"):
				if !slices.Contains(programs, strings.TrimPrefix(source, "bin/fibergauge-")) || !strings.Contains(c.head, "make build") {
					t.Errorf("%s: make build does not make %s", name, source)
				}
			case strings.HasPrefix(source, "dist/"):
				if source != "dist/plugin/"+pluginID || !strings.Contains(c.head, "plugin") {
					t.Errorf("%s: make plugin does not make %s", name, source)
				}
			default:
				if _, err := os.Stat(filepath.Join("..", source)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// TestComposeKeepsSecretsInFiles also wants those that are asked for made by the
// commands at the top.
func TestComposeKeepsSecretsInFiles(t *testing.T) {
	c := readCompose(t)
	asked := map[string]bool{}
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			asked[secret] = true
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: secret %s is not declared", name, secret)
			}
		}
		for key, value := range s.Environment {
			if regexp.MustCompile(`TOKEN|PASSWORD|SECRET`).MatchString(key) && (!strings.HasSuffix(key, "_FILE") || !slices.Contains(s.Secrets, strings.TrimPrefix(value, "/run/secrets/"))) {
				t.Errorf("%s: %s is no file of a secret of this service", name, key)
			}
		}
		for _, port := range s.Ports {
			if name != "collector" && !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s listens on %s", name, port)
			}
		}
	}
	for name, secret := range c.Secrets {
		if !asked[name] {
			t.Errorf("secret %s is asked for by nobody", name)
		}
		file := filepath.Base(secret.File)
		if !strings.HasPrefix(secret.File, "./out/compose/") || file != "authority.pem" && !strings.Contains(c.head, file) {
			t.Errorf("secret %s: no command at the top makes %s", name, secret.File)
		}
	}
}

// TestComposeGivesGrafanaAllItNeeds: the plugin, the folders of dashboards, and
// each variable of the provisioning.
func TestComposeGivesGrafanaAllItNeeds(t *testing.T) {
	grafana := readCompose(t).Services["grafana"]
	if got := grafana.Environment["GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS"]; got != pluginID {
		t.Errorf("the unsigned plugin %q is allowed, want %q", got, pluginID)
	}
	start := strings.Join(grafana.Entrypoint, "\n")
	mounts := strings.Join(grafana.Volumes, "\n") + "\n"
	for _, target := range []string{
		grafana.Environment["GF_PATHS_PLUGINS"] + "/" + pluginID, "/etc/grafana/provisioning",
		"/etc/fibergauge/dashboards/latency", "/etc/fibergauge/dashboards/influxdb",
	} {
		if !strings.Contains(mounts, ":"+target+":ro\n") {
			t.Errorf("nothing is mounted at %s", target)
		}
	}
	files, err := filepath.Glob("provisioning/*/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(string(data), -1) {
			if _, set := grafana.Environment[found[1]]; !set && !strings.Contains(start, "export "+found[1]+"=") {
				t.Errorf("%s needs %s, which nobody sets", file, found[1])
			}
		}
	}
	for _, found := range regexp.MustCompile(`/run/secrets/(\w+)`).FindAllStringSubmatch(start, -1) {
		if !slices.Contains(grafana.Secrets, found[1]) {
			t.Errorf("Grafana reads the secret %s, which it is not given", found[1])
		}
	}
}

// TestComposeConfigures wants what the store's configuration knows, and files
// that are there.
func TestComposeConfigures(t *testing.T) {
	c := readCompose(t)
	for name, want := range map[string][]string{
		"collector": {"bucket", "org", "secret_file", "token_file", "url"},
		"analyzer":  {"bucket", "org", "token_file", "url"},
	} {
		s := c.Services[name]
		if len(s.Configs) != 1 || !slices.Contains(s.Command, "--store=influx:"+s.Configs[0].Target) {
			t.Fatalf("%s is given %v and run with %v", name, s.Configs, s.Command)
		}
		if s.ReadOnly {
			t.Errorf("%s is read-only: Compose cannot put the configuration into it", name)
		}
		var config map[string]string
		if err := yaml.Load([]byte(c.Configs[s.Configs[0].Source].Content), &config); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(config)); !slices.Equal(got, want) {
			t.Errorf("%s: the store is configured by %v, want %v", name, got, want)
		}
		for key, value := range config {
			if secret, isFile := strings.CutPrefix(value, "/run/secrets/"); isFile != strings.HasSuffix(key, "_file") || isFile && !slices.Contains(s.Secrets, secret) {
				t.Errorf("%s: %s is %s, which it is not given", name, key, value)
			}
		}
	}
}

// TestComposeNamesFlagsThatExist asks the programs themselves.
func TestComposeNamesFlagsThatExist(t *testing.T) {
	c := readCompose(t)
	for _, name := range []string{"collector", "analyzer"} {
		s := c.Services[name]
		if !slices.Equal(s.Entrypoint, []string{"/usr/bin/fibergauge-" + name}) || s.Command[0] != "serve" {
			t.Fatalf("%s runs %v %v", name, s.Entrypoint, s.Command)
		}
		help, err := exec.CommandContext(t.Context(), "go", "run", "../"+name, "serve", "--help").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, help)
		}
		for _, argument := range s.Command[1:] {
			flag, _, given := strings.Cut(argument, "=")
			if !given || !strings.Contains(string(help), " "+flag+"=") {
				t.Errorf("%s has no flag %s that takes a value", name, flag)
			}
		}
	}
}
