# Everything a clean checkout needs; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X github.com/fibergauge/fibergauge/internal/cli.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
PROGRAMS := probe collector analyzer lab
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# For `make demo`: how long to measure, whether to serve the result after, and how
# many months to generate behind it. With a history the mesh is one that is
# measured less often, and the run longer for it.
HISTORY ?= 0
FOR ?= $(if $(filter 0,$(HISTORY)),60s,180s)
SERVE ?= yes

.PHONY: help
help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## the four programs, static, into bin/
	@mkdir -p bin
	@for p in $(PROGRAMS); do $(GOBUILD) -o bin/fibergauge-$$p ./$$p || exit 1; done

.PHONY: plugin
plugin: ## the Grafana plugin for all platforms, as folder and zip, into dist/plugin
	@scripts/plugin

.PHONY: demo
demo: build ## a minute of the national mesh on this machine, through emulated links
	@bin/fibergauge-lab run --mesh $(if $(filter 0,$(HISTORY)),mesh/national.yaml,lab/year-mesh.yaml) --wan lab/national-wan.yaml \
		--for $(FOR) --out out/demo --history $(HISTORY) $(if $(filter yes,$(SERVE)),--serve)

.PHONY: test
test: prepare lint generated ## everything: lint, unit, race, conformance, lab end to end
	@scripts/test

.PHONY: prepare
prepare: ## install what the tests need and is missing
	@scripts/prepare

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt -w these files' >&2; exit 1; }
	@go vet ./...
	@go run $(STATICCHECK) ./...
	@for os in darwin windows; do GOOS=$$os CGO_ENABLED=0 go vet ./probe/... || exit 1; done

# The database of vulnerabilities; file:///path is a copy of it.
VULNDB ?= https://vuln.go.dev
.PHONY: vuln
vuln: ## known vulnerabilities of what we depend on; needs their database
	@go run $(GOVULNCHECK) -db $(VULNDB) ./...

.PHONY: generated
generated: ## generated files are what their generators make
	@go generate ./...
	@git diff --exit-code -- '*.schema.json' || { echo 'commit what go generate made' >&2; exit 1; }

FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: build ## the figures of docs/benchmarks.md, measured here and now
	@scripts/bench

.PHONY: release
release: ## what is published, into dist/: programs, packages of the probe, checksums
	@scripts/release

.PHONY: clean
# Not all of out: compose.yaml keeps keys and stores there.
clean: ## remove what was built and what the demo left
	@rm -rf bin out/demo out/bench dist
