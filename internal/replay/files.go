package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Stdin is the path that means standard input, in Options.Paths and in
// what a replay says about it.
const Stdin = "-"

// file is one log file to read.
type file struct {
	path string
	size int64 // 0 where it is not known
	time time.Time
	try  bool // it is in a folder, and its name says that it is no log of JSON
}

// listing is what Options.Paths come to.
type listing struct {
	files    []file
	skipped  int
	problems []Problem
	notes    []Note
	live     bool // a read of one of the files can wait for ever
	seen     map[string]bool
}

// list finds the log files. It fails where a path does not exist.
func list(paths []string) (listing, error) {
	l := listing{seen: map[string]bool{}}
	var folders []string
	for _, path := range paths {
		if path == Stdin {
			if !l.again(path) {
				l.files = append(l.files, file{path: path})
				l.live = true
			}
			continue
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return listing{},
				fmt.Errorf("finding log files: %s does not exist; name a CloudTrail log file, a folder of them, or - for standard input", path)
		case err != nil:
			l.unreadable(path, err)
		case info.IsDir():
			folders = append(folders, path)
		case info.Mode().IsRegular() && !isDelivered(filepath.Base(path)): // a shell's pattern names all there is
			l.skipped++
		case !l.again(path):
			l.add(path, info)
			l.live = l.live || !info.Mode().IsRegular()
		}
	}
	for _, folder := range folders { // after the files, since those are read whatever their names
		l.walk(folder)
	}
	// Sorted by time across all accounts, the files of each account are too. A
	// file whose name shows no time comes first.
	slices.SortFunc(l.files, func(a, b file) int {
		if c := a.time.Compare(b.time); c != 0 {
			return c
		}
		return strings.Compare(a.path, b.path)
	})
	return l, nil
}

// again reports whether the path came before: the same may be named twice, or
// lie in a folder that is named too.
func (l *listing) again(path string) bool {
	path = filepath.Clean(path)
	before := l.seen[path]
	l.seen[path] = true
	return before
}

func (l *listing) add(path string, info fs.FileInfo) {
	l.files = append(l.files, file{path: path, size: info.Size(), time: deliveryTime(filepath.Base(path))})
}

func (l *listing) unreadable(path string, err error) {
	l.problems = append(l.problems, Problem{File: path, Index: -1, Reason: cannotRead(err).Error(), Lost: true})
}

// cannotRead says that a file cannot be read, and why, without its path.
func cannotRead(err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		err = of.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// walk adds the log files in a folder. In it a symbolic link to a file is
// followed, one to a folder is not.
func (l *listing) walk(root string) {
	root += string(filepath.Separator) // so that the folder itself may be a link
	// The function returns no error but SkipDir, so WalkDir returns none.
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil: // of a folder whose entries cannot be read, or not all
			l.unreadable(path, err)
			return nil
		case l.again(path):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case path != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			l.skipped++
			return nil
		case entry.IsDir():
			if service := otherService(filepath.ToSlash(path)); service != "" {
				l.passOver(path, service)
				return fs.SkipDir
			}
			return nil
		case !isLog(entry.Name()):
			l.skipped++
			return nil
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			l.unreadable(path, err)
		case !info.Mode().IsRegular():
			l.skipped++
		default:
			l.add(path, info)
			l.files[len(l.files)-1].try = isTried(entry.Name())
		}
		return nil
	})
}

// passOver skips a folder with another service's logs.
func (l *listing) passOver(folder, service string) {
	files := 0
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files++
		}
		return nil // what cannot be read here does not matter
	})
	l.skipped += files
	if files > 0 {
		l.notes = append(l.notes, Note{File: folder, Reason: "skipped: " + service + ", not CloudTrail records", Files: files})
	}
}

// otherServices are folders in AWSLogs, by the services that deliver there.
var otherServices = map[string]string{
	"elasticloadbalancing": "access logs of Elastic Load Balancing",
	"vpcflowlogs":          "VPC flow logs",
	"vpcdnsquerylogs":      "Route 53 Resolver's query logs",
	"Config":               "AWS Config's items",
	"GuardDuty":            "findings of GuardDuty",
	"WAFLogs":              "AWS WAF's logs",
}

// otherService is whose logs are in a folder of AWSLogs, that is
// AWSLogs/[ORGANIZATION/]ACCOUNT/SERVICE; "" where they are CloudTrail's, or
// there is no reporting.
func otherService(folder string) string {
	parts := strings.Split(folder, "/")
	at := slices.Index(parts, "AWSLogs")
	if at < 0 {
		return ""
	}
	parts = parts[at+1:]
	if len(parts) > 0 && strings.HasPrefix(parts[0], "o-") {
		parts = parts[1:]
	}
	if len(parts) < 2 || !isAccount(parts[0]) || parts[1] == "" || strings.HasPrefix(parts[1], "CloudTrail") {
		return ""
	}
	if known := otherServices[parts[1]]; known != "" {
		return known
	}
	if len(parts) == 2 && strings.Contains(parts[1], "_CloudTrail") { // a file that lies beside the folders
		return ""
	}
	return "logs of " + parts[1]
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// isLog reports whether a file in a folder may be a CloudTrail log, by its name.
func isLog(name string) bool { return hasLogExtension(name) && isDelivered(name) }

// isDelivered reports whether a file may be a CloudTrail log, by what AWS names
// what it delivers: ACCOUNT_SERVICE_REGION_…, and CloudTrail's digests and
// Insights have services of their own (AWS CloudTrail User Guide, "CloudTrail
// log file examples", "CloudTrail digest file structure", "Logging Insights
// events"). It may be one by any other name, but for those of the files by which
// AWS Config and CloudWatch Logs try whether they may write.
func isDelivered(name string) bool {
	if name == "ConfigWritabilityCheckFile" || name == "aws-logs-write-test" {
		return false
	}
	account, rest, ok := strings.Cut(name, "_")
	if !ok || !isAccount(account) {
		return true
	}
	service, _, ok := strings.Cut(rest, "_")
	return !ok || strings.HasPrefix(service, "CloudTrail") && service != "CloudTrail-Digest" && service != "CloudTrail-Insight"
}

// tried are extensions of what may have a log in it, or is named as what it is.
var tried = []string{"csv", "tsv", "zip", "tar", "tgz", "zst", "zstd", "bz2", "xz", "lz4", "snappy", "7z", "parquet", "avro", "orc", "xlsx"}

func isTried(name string) bool { return slices.Contains(tried, extension(name)) }

func extension(name string) string {
	return strings.TrimPrefix(filepath.Ext(strings.TrimSuffix(strings.ToLower(name), ".gz")), ".")
}

// hasLogExtension reports whether the name has the extension of a log, or none.
// What follows a dot is no extension where it is a number, or long, or has other
// than letters and digits: exports are named after dates and streams.
func hasLogExtension(name string) bool {
	switch ext := extension(name); ext {
	case "", "json", "jsonl", "ndjson", "log":
		return true
	default:
		if slices.Contains(tried, ext) {
			return true
		}
		isNumber := strings.Trim(ext, "0123456789") == ""
		return isNumber || len(ext) > 8 || strings.Trim(ext, "0123456789abcdefghijklmnopqrstuvwxyz") != ""
	}
}

// deliveryTime reads the time from a log file's name,
// ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHmmZ_RANDOM.json.gz (AWS CloudTrail User
// Guide, "CloudTrail log file examples"). It is zero where the name has none.
func deliveryTime(name string) time.Time {
	for part := range strings.SplitSeq(name, "_") {
		if t, err := time.Parse("20060102T1504Z", part); err == nil {
			return t
		}
	}
	return time.Time{}
}
