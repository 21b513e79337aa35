# rootguard. `make` alone says what there is.

GO            ?= go
BUILD         := .build
GOLANGCI      := $(BUILD)/bin/golangci-lint
GOLANGCI_VER  := v2.15.0
GORELEASER    := $(BUILD)/bin/goreleaser
GORELEASER_VER := v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.1.4
FUZZTIME      ?= 30s
CDK           := npx --yes aws-cdk@2.1148.1
# EMAIL is who gets the alerts. Without it cdk.json must name a receiver, or a
# deployment is refused: it would remove those of the one before.
EMAIL         ?=
# YES=1 has no question asked, as where there is no terminal.
YES           ?=
CONTEXT       := $(if $(EMAIL),-c email=$(EMAIL))
# The CDK's runtime prints a banner about the age of Node 20 on every start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
# What `make e2e` installs where it is not on the PATH.
MOTO          := moto[server]==5.2.1
CFN_LINT      := cfn-lint==1.51.0
VENV          := $(BUILD)/venv
# LOGS is what `make run` replays; empty is the story bundled with rootguard.
LOGS          ?=

.DEFAULT_GOAL := help
.PHONY: help run build test cover fuzz soak mutate bench e2e lint snapshot reproducible vuln bundle synth diff deploy destroy clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the rootguard command into .build/rootguard
	@mkdir -p $(BUILD)
	$(GO) build -trimpath -o $(BUILD)/rootguard ./internal/cmd/rootguard

run: build ## replay the bundled story (or LOGS=path), print alerts and status, write .build/report.html
	@rm -f $(BUILD)/run.db
	@status=0; $(BUILD)/rootguard replay --store $(BUILD)/run.db $(if $(LOGS),"$(LOGS)") || status=$$?; \
	[ $$status -eq 0 ] || [ $$status -eq 3 ] || exit $$status; \
	$(BUILD)/rootguard status --store $(BUILD)/run.db && \
	$(BUILD)/rootguard report --store $(BUILD)/run.db -o $(BUILD)/report.html && \
	exit $$status

# A process under the race detector sleeps a second at its end, unless GORACE says otherwise.
# What vet would find, make lint finds: govet is among golangci-lint's standard linters.
# One package more than there are cores: some tests wait, as for processes that they start.
RACE = GORACE=atexit_sleep_ms=0 $(GO) test -race -vet=off -timeout 20m -p $(shell expr `getconf _NPROCESSORS_ONLN` + 1)

test: ## run every test, with the race detector; random cases are the same each time
	$(RACE) ./...
	cd $(NESTED) && $(RACE) ./...

# A module of its own, for what the main one must not depend on.
NESTED := internal/quaminatest

cover: ## statement coverage of the pure packages; fails below 95 %
	@mkdir -p $(BUILD)
	@$(GO) test -cover $(PURE) > $(BUILD)/cover.txt || { cat $(BUILD)/cover.txt; exit 1; }
	@cat $(BUILD)/cover.txt
	@awk '{ for (i = 1; i <= NF; i++) if ($$i == "coverage:" && $$(i+1) + 0 < 95) { print "below 95 %: " $$2; bad = 1 } } END { exit bad }' $(BUILD)/cover.txt

PURE := ./internal/cloudtrail ./internal/eventpattern ./internal/eventrules ./internal/detect ./internal/bootstrap ./internal/repeats ./internal/alert

fuzz: ## run each fuzz target for FUZZTIME (30s)
	@set -e; for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
		done; done
	cd $(NESTED) && $(GO) test -run '^$$' -fuzz '^FuzzMatch$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 20x .

CHECKS ?= 20000
# SEED is where the random cases begin; empty is one by chance, which is printed.
SEED ?=
# The packages with tests that draw random cases, or leave something to this target;
# which of their tests those are, internal/cmd/soaked finds.
SOAKED = $(filter-out ./internal/testenv ./internal/cmd/soaked ./$(NESTED),$(shell grep -rlE --include='*_test.go' 'testenv[.](Check|Size|Soak|Turn)' infra internal lambdas | xargs -n1 dirname | sort -u | sed 's,^,./,'))

soak: ## what takes too long for make test, and each property in CHECKS (20000) random cases from SEED (by chance)
	@mkdir -p $(BUILD)
	@$(GO) build -o $(BUILD)/soaked ./internal/cmd/soaked
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); \
	echo "make soak CHECKS=$(CHECKS) SEED=$$seed"; \
	$(GO) test -vet=off -timeout 240m -exec $(abspath $(BUILD)/soaked) $(SOAKED) -rapid.checks=$(CHECKS) -rapid.seed=$$seed && \
	cd $(NESTED) && $(GO) test -vet=off -timeout 240m . -rapid.checks=$(CHECKS) -rapid.seed=$$seed

# PKG has one package mutated; N is how many changes are tried of it, for at most 10 minutes.
PKG ?=
N   ?= 100

# The packages beside the guard.
BESIDE := $(addprefix ./internal/,accountcheck announcement collection incident mfadeadline quarantine rootsession)

mutate: ## the share of small changes to the code that a test notices; PKG=./internal/detect for one package
ifneq ($(PKG),)
	$(GO) run ./internal/cmd/mutate -n $(N) $(PKG)
else
	$(GO) run ./internal/cmd/mutate -n $(N) -min 92 ./internal/bootstrap ./internal/detect
	$(GO) run ./internal/cmd/mutate -n $(N) -min 85 ./internal/eventpattern ./internal/alert ./internal/repeats ./internal/guard
	$(GO) run ./internal/cmd/mutate -n $(N) -min 85 $(BESIDE)
endif

bench: ## replay against gunzip alone; 1,000 events at once; each function's start, memory and archive; a sweep of 10,000 users; ten years of history
	$(GO) test -run '^$$' -bench '^BenchmarkReplay' -benchtime 1x -timeout 30m -v ./internal/replay
	$(GO) test -count=1 -run '^TestHotSession$$' -v ./internal/aws/dynamodb
	$(GO) test -run '^$$' -bench '^Benchmark(Functions|Sweep|History)$$' -benchtime 1x -timeout 60m -v ./lambdas

e2e: ## deploy to an emulated AWS (moto) with the CDK and drive it there; cfn-lint on every template
	@command -v npx >/dev/null || { echo "error: npx is not installed; the CDK's command line needs Node 20 or later, see https://nodejs.org" >&2; exit 1; }
	@PATH="$$PATH:$(abspath $(VENV))/bin"; \
	if ! command -v moto_server >/dev/null || ! command -v cfn-lint >/dev/null; then \
		command -v python3 >/dev/null || { echo "error: moto_server or cfn-lint is not on the PATH, nor python3 to install them with: pip install '$(MOTO)' '$(CFN_LINT)'" >&2; exit 1; }; \
		python3 -m venv $(VENV) && $(VENV)/bin/pip install --quiet '$(MOTO)' '$(CFN_LINT)' || { echo "error: moto and cfn-lint could not be installed into $(VENV); put moto_server and cfn-lint on the PATH: pip install '$(MOTO)' '$(CFN_LINT)'" >&2; exit 1; }; \
	fi; \
	export PATH ROOTGUARD_E2E=1; \
	$(GO) test -count=1 -run '^Test(CfnLint|Bundle)' ./infra ./infra/stacks && $(GO) test -count=1 -timeout 45m ./internal/e2e

lint: $(GOLANGCI) ## golangci-lint, pinned
	$(GOLANGCI) run ./...
	cd $(NESTED) && $(abspath $(GOLANGCI)) run ./...

$(GOLANGCI): Makefile
	@mkdir -p $(BUILD)/bin
	GOBIN=$(abspath $(BUILD)/bin) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VER)
	@touch $@

snapshot: $(GORELEASER) ## what a release would hold, into .build/dist
	GITHUB_REPOSITORY_OWNER=$${GITHUB_REPOSITORY_OWNER:-rootguard} $(GORELEASER) check
	GITHUB_REPOSITORY_OWNER=$${GITHUB_REPOSITORY_OWNER:-rootguard} $(GORELEASER) release --snapshot --clean --timeout 3h

reproducible: $(GORELEASER) ## build the release twice and compare each file's hash
	$(MAKE) snapshot && cp $(BUILD)/dist/checksums.txt $(BUILD)/checksums.first.txt
	GOCACHE=$(abspath $(BUILD))/second-cache $(MAKE) snapshot && diff $(BUILD)/checksums.first.txt $(BUILD)/dist/checksums.txt && echo "both builds are the same"

$(GORELEASER): Makefile
	@mkdir -p $(BUILD)/bin
	GOBIN=$(abspath $(BUILD)/bin) $(GO) install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VER)
	@touch $@

vuln: ## govulncheck; needs its database on the network
	$(GO) run $(GOVULNCHECK) ./...

# VERSION is what the bundle says it is of, COMMIT that version's, BUNDLE where it goes.
VERSION       ?=
COMMIT        ?=
BUNDLE        ?= $(BUILD)/bundle

bundle: ## what `rootguard deploy` carries, into BUNDLE (.build/bundle): templates with parameters, function archives
	@mkdir -p $(BUILD)
	$(GO) build -trimpath -o $(BUILD)/infra ./infra
	$(BUILD)/infra -bundle $(BUNDLE) -version "$(VERSION)" -commit "$(COMMIT)"

# What the CDK deploys, the alerts call by its commit.
synth diff deploy: export ROOTGUARD_VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

synth: ## the CloudFormation templates, into cdk.out; needs no AWS credentials
	$(CDK) synth --quiet $(CONTEXT)

diff: ## what a deploy would change
	$(CDK) diff --all $(CONTEXT)

# GUARD is the stack whose table is protected once the stack is there: no stack with
# a protected table can be rolled back. A table from an earlier stack has its own settings.
GUARD = $(shell node -p 'const s = require("./cdk.json").context.rootguard || {}; s.table ? "" : s.prefix || "rootguard"')
# The CDK asks for no approval where it deploys stacks side by side: make diff shows what would change.
deploy: build ## deploy to the account of your AWS credentials; EMAIL=ops@example.com
	$(BUILD)/rootguard preflight$(if $(EMAIL), --email $(EMAIL))
	$(CDK) deploy --all --concurrency 10 --require-approval never $(CONTEXT)
	$(if $(GUARD),$(CDK) deploy $(GUARD) --app cdk.out --exclusively --require-approval never --parameters $(GUARD):ProtectTable=true)

destroy: ## remove the stacks; the table, the log groups and the trail's bucket stay; YES=1 asks nothing
	$(CDK) destroy --all $(if $(filter-out 0 no,$(YES)),--force) -c receivers=none $(CONTEXT)

clean: ## remove what these targets made
	rm -rf $(BUILD) cdk.out
