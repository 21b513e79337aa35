package internal

import (
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rootguard/internal/testenv"
)

// pkg is what `go list -json` says of one package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "rootguard/...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatalf("reading the list of packages: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// mayImport says, for a package below internal, which others below internal it may import.
var mayImport = map[string][]string{
	"gunzip":           {},
	"cloudtrail":       {"gunzip"},
	"partition":        {},
	"keys":             {},
	"lazyre":           {},
	"failure":          {},
	"worker":           {"failure"},
	"eventpattern":     {"cloudtrail"},
	"eventrules":       {"eventpattern"},
	"detect":           {"cloudtrail", "lazyre"},
	"bootstrap":        {"cloudtrail"},
	"alert":            {"cloudtrail", "detect", "lazyre"},
	"credentialreport": {"cloudtrail"},
	"accountfacts":     {"bootstrap", "detect"},
	"repeats":          {"detect"},
	"attempts":         {"detect", "repeats"},
	"guard":            {"accountfacts", "alert", "attempts", "bootstrap", "cloudtrail", "detect", "keys", "repeats", "worker"},
	"rootsession":      {"accountfacts", "bootstrap", "cloudtrail", "detect", "guard", "keys", "repeats"},
	"collection":       {"alert", "detect", "guard", "keys", "repeats"},
	"incident":         {"alert", "collection", "detect", "failure", "guard", "keys", "worker"},
	"ending":           {"guard", "keys", "worker"},
	"announcement":     {"alert", "detect", "ending", "failure", "guard", "keys", "worker"},
	"mfadeadline":      {"accountfacts", "bootstrap", "cloudtrail", "collection", "detect", "guard", "keys", "worker"},
	"quarantine":       {"accountfacts", "bootstrap", "cloudtrail", "detect", "guard", "keys", "worker"},
	"accountcheck":     {"accountfacts", "bootstrap", "cloudtrail", "collection", "credentialreport", "daytwo", "detect", "failure", "guard", "keys", "mfadeadline", "rootsession", "worker"},
	"wire":             {"accountcheck", "accountfacts", "announcement", "bootstrap", "collection", "daytwo", "detect", "ending", "guard", "incident", "mfadeadline", "quarantine", "rootsession", "suppression", "worker"},
	"replay":           {"cloudtrail"},
	"bolt":             {"accountcheck", "bootstrap", "guard", "repeats"},
	"config":           {"accountcheck", "alert", "bootstrap", "daytwo", "detect", "digest", "drill", "quarantine", "wire"},
	"ratelimit":        {"guard"},
	"redrive":          {"alert", "cloudtrail", "guard"},
	"health":           {"config", "detect", "eventpattern", "eventrules", "guard", "partition"},
	"evidence":         {"bootstrap"},
	"deploy":           {"partition"},
	"lambdahandler":    {"accountcheck", "alert", "aws/awsenv", "aws/dynamodb", "aws/organizations", "aws/sns", "bootstrap", "cloudtrail", "config", "detect", "digestwork", "ending", "eventrules", "failure", "guard", "health", "incident", "mfadeadline", "quarantine", "ratelimit", "redrive", "version", "wire"},

	"aws/accessanalyzer": {"daytwo"},
	"aws/account":        {"daytwo", "health"},
	"aws/awsdaytwo":      {"accountcheck", "aws/accessanalyzer", "aws/account", "aws/budgets", "aws/ec2", "aws/iam", "aws/s3control", "aws/trail", "daytwo", "partition"},
	"aws/awsenv":         {},
	"aws/awshealth":      {"aws/account", "aws/awsenv", "aws/cloudwatch", "aws/dynamodb", "aws/eventbridge", "aws/iam", "aws/iamrole", "aws/kms", "aws/lambda", "aws/sns", "aws/sqs", "aws/trail", "config", "health", "partition"},
	"aws/budgets":        {"daytwo"},
	"aws/cloudformation": {"deploy", "detect", "guard"},
	"aws/cloudwatch":     {"health"},
	"aws/dynamodb":       {"accountcheck", "announcement", "bootstrap", "config", "daytwo", "digestwork", "ending", "failure", "guard", "health", "incident", "keys", "mfadeadline", "quarantine", "ratelimit", "repeats", "suppression", "worker"},
	"aws/ec2":            {"aws/awsenv", "daytwo"},
	"aws/eventbridge":    {"eventrules", "health"},
	"aws/eventhistory":   {"aws/sdkcall", "eventrules"},
	"aws/iam":            {"accountcheck", "aws/sdkcall", "bootstrap", "cloudtrail", "daytwo", "deploy", "eventrules", "failure", "health", "mfadeadline", "quarantine"},
	"aws/iamrole":        {"health"},
	"aws/kms":            {"health"},
	"aws/lambda":         {"health"},
	"aws/organizations":  {"accountcheck"},
	"aws/s3":             {"aws/sdkcall", "deploy"},
	"aws/s3control":      {"aws/awsenv", "daytwo"},
	"aws/sdkcall":        {},
	"aws/securityhub":    {"alert", "aws/sdkcall", "failure"},
	"aws/sns":            {"alert", "config", "detect", "failure", "guard", "health", "worker"},
	"aws/sqs":            {"accountcheck", "config", "health", "partition", "redrive"},
	"aws/trail":          {"aws/sdkcall", "health"},

	// For tests alone.
	"aws/awsdaytwo/awsdaytwotest":           {},
	"aws/awshealth/awshealthtest":           {"aws/cloudwatch/cloudwatchtest", "config", "eventrules", "partition"},
	"aws/cloudformation/cloudformationtest": {},
	"aws/cloudwatch/cloudwatchtest":         {},
	"aws/dynamodb/dynamotest":               {"aws/awsenv", "config"},
	"aws/eventbridge/eventbridgetest":       {"eventpattern"},
	"aws/eventhistory/eventhistorytest":     {},
	"aws/iam/iamtest":                       {},
	"aws/organizations/organizationstest":   {},
	"aws/s3/s3test":                         {},
	"aws/securityhub/securityhubtest":       {},
	"aws/sns/snstest":                       {},
	"aws/sqs/sqstest":                       {},
	"daytwo":                                {"bootstrap", "cloudtrail", "drill"},
	"deploy/assets":                         {},
	"digest":                                {"alert", "bootstrap", "detect"},
	"digestwork":                            {"accountcheck", "alert", "announcement", "bootstrap", "config", "daytwo", "detect", "digest", "drill", "guard", "health", "incident", "suppression", "worker"},
	"drill":                                 {"bootstrap"},
	"e2e":                                   {},
	"eventrules/eventrulestest":             {"cloudtrail", "eventpattern", "eventrules"},
	"fake":                                  {"accountcheck", "alert", "announcement", "bootstrap", "ending", "failure", "guard", "health", "incident", "mfadeadline", "quarantine", "redrive", "repeats", "suppression", "worker"},
	"guardtest":                             {"accountcheck", "alert", "announcement", "bootstrap", "cloudtrail", "daytwo", "detect", "ending", "failure", "guard", "incident", "mfadeadline", "quarantine", "repeats", "suppression", "worker"},
	"lambdatest":                            {},
	"suppression":                           {"detect", "ending", "failure", "guard", "keys", "worker"},
	"testenv":                               {},
	"version":                               {},
	"wiretest":                              {"accountcheck", "alert", "announcement", "bootstrap", "cloudtrail", "detect", "ending", "fake", "guard", "incident", "mfadeadline", "quarantine", "wire"},
}

// pure packages must repeat a decision from its input alone.
var pure = []string{"cloudtrail", "daytwo", "partition", "keys", "lazyre", "eventpattern", "eventrules", "detect", "bootstrap", "repeats", "alert", "digest", "credentialreport"}

// impure is what a pure package does not import. klauspost/compress itself uses
// some of it, so this is about the package's own imports.
var impure = []string{"os", "os/exec", "io/ioutil", "log", "log/slog", "net", "net/http", "path/filepath", "math/rand", "math/rand/v2"}

// TestNoClock holds that pure packages take the time from their caller.
func TestNoClock(t *testing.T) {
	for _, name := range pure {
		files, err := filepath.Glob(filepath.Join(name, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("finding the files of internal/%s: %v, %d files", name, err, len(files))
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			tree, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatalf("parsing %s: %v", file, err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				call, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				from, ok := call.X.(*ast.Ident)
				if ok && from.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"}, call.Sel.Name) {
					t.Errorf("%s: a pure package reads the clock with time.%s", fset.Position(call.Pos()), call.Sel.Name)
				}
				return true
			})
		}
	}
}

// onTop reports whether a package below internal is of the command, which may import every other.
func onTop(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return first == "cmd" || first == "cli"
}

func TestLayers(t *testing.T) {
	const module, internal = "rootguard/", "rootguard/internal/"
	seen := map[string]bool{}
	for _, p := range list(t) {
		name, below := strings.CutPrefix(p.ImportPath, internal)
		if below && !onTop(name) {
			allowed, known := mayImport[name]
			if !known {
				t.Errorf("package internal/%s has no place in the layers: add it to mayImport", name)
			}
			seen[name] = true
			for _, imp := range p.Imports {
				if other, ours := strings.CutPrefix(imp, internal); ours && !slices.Contains(allowed, other) {
					t.Errorf("internal/%s imports internal/%s, which is not below it", name, other)
				}
			}
			if slices.Contains(pure, name) {
				for _, imp := range p.Imports {
					if slices.Contains(impure, imp) || strings.Contains(imp, "aws-sdk-go") || strings.Contains(imp, "aws-lambda-go") {
						t.Errorf("internal/%s is pure and imports %s", name, imp)
					}
				}
			}
		}
		if !strings.HasPrefix(p.ImportPath, module+"infra") {
			for _, dep := range p.Deps {
				if strings.Contains(dep, "aws-cdk-go") || strings.Contains(dep, "jsii-runtime-go") {
					t.Errorf("%s depends on %s: only infra may", p.ImportPath, dep)
				}
			}
		}
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("mayImport names internal/%s, which does not exist", name)
		}
	}
}

// TestFunctionsBuildNoSchemas holds how soon a function starts. A module of the SDK that
// has a package schemas builds the model of its service's whole API whenever a process
// starts, which took more time than all else that the functions do then.
func TestFunctionsBuildNoSchemas(t *testing.T) {
	functions := 0
	for _, p := range list(t) {
		if name, ok := strings.CutPrefix(p.ImportPath, "rootguard/lambdas/"); !ok || strings.Contains(name, "/") {
			continue
		}
		functions++
		for _, dep := range p.Deps {
			if module, ok := strings.CutSuffix(dep, "/schemas"); ok {
				t.Errorf("%s links %s: require the last version of %s without it", p.ImportPath, dep, module)
			}
		}
	}
	if functions == 0 {
		t.Error("no function was found below rootguard/lambdas")
	}
}

var update = flag.Bool("update", false, "write the picture of the layers into doc.go")

// TestPicture holds the picture in doc.go to mayImport.
func TestPicture(t *testing.T) {
	levels := map[string]int{}
	var level func(name string, above []string) int
	level = func(name string, above []string) int {
		if slices.Contains(above, name) {
			t.Fatalf("packages import each other: %v", append(above, name))
		}
		if n, known := levels[name]; known {
			return n
		}
		n := 0
		for _, below := range mayImport[name] {
			n = max(n, level(below, append(above, name))+1)
		}
		levels[name] = n
		return n
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(mayImport)) {
		n := level(name, nil)
		if strings.HasSuffix(name, "test") || slices.Contains([]string{"fake", "e2e", "testenv"}, name) {
			continue // for tests alone
		}
		for len(rows) <= n {
			rows = append(rows, nil)
		}
		rows[n] = append(rows[n], name)
	}
	var b strings.Builder
	for _, row := range slices.Backward(rows) {
		if len(row) > 0 {
			b.WriteString("//\t" + strings.Join(row, "  ") + "\n")
		}
	}
	const begin, end = "// rows below its own; lambdas and cli are above all of them.\n", "// cloudtrail, partition"
	testenv.Hold(t, "internal/doc.go", begin, end, "//\n"+b.String()+"//\n", *update)
}
