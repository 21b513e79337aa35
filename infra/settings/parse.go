package settings

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rootguard/internal/config"
	"rootguard/internal/daytwo"
	"rootguard/internal/digest"
	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
	"rootguard/internal/partition"
)

// Object is the context key of the object that holds the settings.
const Object = "rootguard"

// Error says which setting is wrong and what to do about it.
type Error struct {
	Key   string // path of the key, such as "rootguard.organization.id"
	Value string // as given; "" where the key is missing or unknown
	Fix   string
}

func (e *Error) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("setting %s: %s", e.Key, e.Fix)
	}
	return fmt.Sprintf("setting %s: %q: %s", e.Key, e.Value, e.Fix)
}

// Parse reads the settings from the whole CDK context. The error joins an
// *Error for each setting that is wrong. Keys of the context that resemble no
// setting are left to the CDK.
func Parse(context map[string]any) (Settings, error) {
	p := &parser{fields: fields()}
	p.defaults()
	var object map[string]any
	given, present := context[Object]
	switch v := given.(type) {
	case map[string]any:
		object = v
	default:
		if !present {
			break
		}
		p.fail(Object, shown(v), `give an object, as in {"rootguard": {"email": ["ops@example.com"]}}`)
	}
	p.read(Object+".", object)

	single, known := map[string]any{}, slices.Collect(maps.Keys(p.fields))
	for key, value := range context {
		switch {
		case key == Object:
		case slices.Contains(known, key):
			single[key] = value
		case strings.HasPrefix(key, Object+"."):
			p.misplaced(key)
		case !strings.ContainsAny(key, ":/") && closest(key, known) != "":
			p.unknown("", key, known)
		}
	}
	p.read("", single)
	p.finish()
	return p.settings, errors.Join(p.errs...)
}

type parser struct {
	fields     map[string]field
	settings   Settings
	regionsSet bool
	errs       []error
}

func (p *parser) fail(key string, value any, fix string) {
	text := ""
	if value != nil {
		text = fmt.Sprint(value)
	}
	p.errs = append(p.errs, &Error{Key: key, Value: text, Fix: fix})
}

// inFile says where an object can be given, for a text that was given by -c, under a
// key of its own.
func inFile(key string, v any) string {
	if _, text := v.(string); !text || strings.HasPrefix(key, Object+".") {
		return ""
	}
	name, _, _ := strings.Cut(key, ".")
	return ", in the object " + Object + " of cdk.json: {\"" + Object + "\": {\"" + name + "\": …}}; -c takes texts, flags and lists alone"
}

func (p *parser) unknown(path, key string, known []string) {
	fix := "no such setting"
	if near := closest(key, known); near != "" {
		fix += `, did you mean "` + near + `"?`
	} else {
		slices.Sort(known)
		fix += "; there are " + strings.Join(known, ", ")
	}
	p.fail(path+key, nil, fix)
}

// misplaced is for the path of a setting that was given as a key of its own, such
// as -c rootguard.email=ops@example.com, which the CDK takes for another key.
func (p *parser) misplaced(path string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, Object+"."), ".")
	if _, ok := p.fields[name]; !ok {
		p.unknown(Object+".", name, slices.Collect(maps.Keys(p.fields)))
		return
	}
	p.fail(path, nil, "a path is no key of the context: put it into the object "+Object+
		" in cdk.json, or give a text, a flag or a list as -c "+name+"=VALUE")
}

// field is how one setting is read. Those of type text, list or flag can be given
// with -c too; there a list is separated by commas.
type field struct {
	config.Setting
	// to is where the value goes; its type says how it is given and read.
	to func(*Settings) any
	// check returns what is wrong with a text or a member of a list, "" for nothing.
	check func(string) string
	// parse reads what is no single value, or has rules of its own.
	parse func(p *parser, key string, v any)
}

// readers are the fields by key, of which package config knows the rest.
var readers = map[string]field{
	"prefix":                {to: func(s *Settings) any { return &s.Prefix }, parse: (*parser).prefix},
	"partition":             {to: func(s *Settings) any { return &s.Partition }, check: checkPartition},
	"regions":               {to: func(s *Settings) any { return &s.Regions }, parse: (*parser).regions},
	"email":                 {to: func(s *Settings) any { return &s.Receivers.Email }, check: checkEmail},
	"sms":                   {to: func(s *Settings) any { return &s.Receivers.SMS }, check: phones.check},
	"https":                 {to: func(s *Settings) any { return &s.Receivers.HTTPS }, check: checkHTTPS},
	"escalation":            {parse: (*parser).escalation},
	"routes":                {to: func(s *Settings) any { return &s.Routes }, parse: (*parser).routes},
	"receivers":             {parse: (*parser).receivers},
	"slack":                 {parse: (*parser).slack},
	"chatTopic":             {to: func(s *Settings) any { return &s.ChatTopic }},
	"securityHub":           {to: func(s *Settings) any { return &s.SecurityHub }},
	"grace":                 {to: func(s *Settings) any { return &s.Grace }},
	"reminders":             {to: func(s *Settings) any { return &s.Reminders }},
	"resend":                {to: func(s *Settings) any { return &s.Resend }},
	"quarantine":            {to: func(s *Settings) any { return &s.Quarantine }, parse: (*parser).quarantine},
	"drill":                 {to: func(s *Settings) any { return &s.Drill }, parse: (*parser).drill},
	"digest":                {to: func(s *Settings) any { return &s.Digest }, parse: (*parser).digest},
	"quarantineNotice":      {to: func(s *Settings) any { return &s.QuarantineNotice }},
	"quarantineDaily":       {to: func(s *Settings) any { return &s.QuarantineDaily }},
	"quarantineExempt":      {to: func(s *Settings) any { return &s.QuarantineExempt }, parse: (*parser).quarantineExempt},
	"window":                {to: func(s *Settings) any { return &s.Window }},
	"posture":               {to: func(s *Settings) any { return &s.Posture }},
	"quietDays":             {to: func(s *Settings) any { return &s.QuietDays }},
	"accountNames":          {to: func(s *Settings) any { return &s.AccountNames }, parse: (*parser).accountNames},
	"adminRoles":            {to: func(s *Settings) any { return &s.AdminRoles }, check: roleNames.check},
	"dayTwo":                {to: func(s *Settings) any { return &s.DayTwo }, check: checkDayTwo},
	"trail":                 {to: func(s *Settings) any { return &s.Trail }},
	"trails":                {to: func(s *Settings) any { return &s.Trails }, check: trails.check},
	"encrypt":               {to: func(s *Settings) any { return &s.Encrypt }},
	"metrics":               {to: func(s *Settings) any { return &s.Metrics }},
	"table":                 {to: func(s *Settings) any { return &s.Table }, check: tables.check},
	"operators":             {to: func(s *Settings) any { return &s.Operators }, check: checkRole},
	"logDays":               {to: func(s *Settings) any { return &s.LogDays }, parse: (*parser).logDays},
	"terminationProtection": {to: func(s *Settings) any { return &s.TerminationProtection }},
	"organization":          {parse: (*parser).organization},
}

// fields joins the table of package config and the readers, by key.
func fields() map[string]field {
	all := make(map[string]field, len(readers))
	for _, row := range config.Settings() {
		if f, ok := readers[row.Key]; ok {
			f.Setting = row
			all[row.Key] = f
		}
	}
	return all
}

// readAs reads the value of a field as what its destination holds.
func (p *parser) readAs(f field, key string, v any) {
	if f.parse != nil {
		f.parse(p, key, v)
		return
	}
	switch to := f.to(&p.settings).(type) {
	case *bool:
		p.flag(key, v, to)
	case *int:
		p.number(key, v, f.Smallest, f.Largest, to)
	case *string:
		p.text(key, v, f.check, to)
	case *[]string:
		*to = p.list(key, v, f.check)
	case *time.Duration:
		p.duration(key, v, f.Shortest, f.Longest, to)
	case *[]time.Duration:
		p.durations(key, v, f.Shortest, f.Longest, to)
	default:
		panic(fmt.Sprintf("setting %s: %T is read by no one", key, to)) // TestTable reads each
	}
}

// defaults are given as an operator would give them.
func (p *parser) defaults() {
	for key, f := range p.fields {
		if f.Default != "" {
			p.readAs(f, key, f.Default)
		}
	}
}

func (p *parser) read(path string, values map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if f, ok := p.fields[key]; ok {
			p.readAs(f, path+key, values[key])
		} else {
			p.unknown(path, key, slices.Collect(maps.Keys(p.fields)))
		}
	}
}

// finish fills in what depends on other settings, and checks these against each other.
func (p *parser) finish() {
	s := &p.settings
	p.finishRegions()
	p.finishRoutes()
	if chosen := slices.Contains(s.DayTwo, string(daytwo.BreakGlassDrill)); s.Drill > 0 && !chosen {
		s.DayTwo = append(s.DayTwo, string(daytwo.BreakGlassDrill))
	} else if s.Drill == 0 && chosen {
		p.fail(Object+".dayTwo", string(daytwo.BreakGlassDrill), `set drill too, as in "drill": "365d", or remove the step`)
	}
	if s.Slack != nil {
		s.ChatTopic = true
		if s.Partition != "aws" {
			p.fail(Object+".slack", s.Partition, "Amazon Q Developer in chat applications is not in this partition; remove slack")
		}
	}
	if s.Quarantine == "" && (s.QuarantineNotice != 0 || s.QuarantineDaily != 0 || len(s.QuarantineExempt) > 0) {
		p.fail(Object+".quarantine", "off", `give "dry-run" or "on", or remove quarantineNotice, quarantineDaily and quarantineExempt`)
	}
	if o := s.Organization; o != nil && o.Delegated() && s.Trail {
		p.fail(Object+".trail", true, "an organization's trail belongs to its management account; create it there and name it in trails")
	}
	for _, role := range s.Operators {
		if strings.ContainsAny(role, "*?") {
			p.fail(Object+".operators", role, roles.fix)
		} else if !strings.HasPrefix(role, "arn:"+s.Partition+":") {
			p.fail(Object+".operators", role, "it is not in the partition "+s.Partition)
		}
	}
	if len(s.Operators) > maxOperators {
		p.fail(Object+".operators", fmt.Sprintf("%d roles", len(s.Operators)), fmt.Sprintf("name at most %d", maxOperators))
	}
	p.finishEnvironment()
}

// allRegions means in a list the Regions that every account has, so that
// opt-in Regions can be added to them.
const allRegions = "default"

func checkRegion(v string) string {
	if v == allRegions {
		return ""
	}
	return regions.check(v)
}

func (p *parser) finishRegions() {
	s := &p.settings
	of := s.partition()
	further := of.Further()
	if !p.regionsSet {
		s.Regions = further
		return
	}
	var out []string
	for _, region := range s.Regions {
		in, ok := partition.OfRegion(region)
		switch {
		case region == allRegions:
			out = append(out, further...)
		case region == of.Home:
			p.fail(Object+".regions", region, "remove it: the guard itself runs there and needs no forwarder")
		case !ok:
			p.fail(Object+".regions", region, "rootguard does not know its partition; remove it")
		case in.ID != s.Partition:
			p.fail(Object+".regions", region, "it is not in the partition "+s.Partition+"; remove it, or set partition to "+in.ID)
		default:
			out = append(out, region)
		}
	}
	slices.Sort(out)
	if s.Regions = slices.Compact(out); len(s.Regions) > maxRegions {
		p.fail(Object+".regions", fmt.Sprintf("%d Regions", len(s.Regions)), fmt.Sprintf("name at most %d", maxRegions))
	}
}

// maxEnvironment is the part left to what may be long of the 4 KB that a
// function's environment may have (AWS Lambda Developer Guide, quotas).
const maxEnvironment = 2400

func (p *parser) finishEnvironment() {
	s := &p.settings
	size := 0
	for _, list := range [][]string{s.Regions, s.Trails, s.QuarantineExempt, s.AdminRoles, s.DayTwo, s.DrillUsers,
		slices.Collect(maps.Values(s.AccountNames))} {
		for _, text := range list {
			size += len(text) + len(`"",`)
		}
	}
	size += len(s.AccountNames) * len(`"123456789012":`)
	for i := range s.Routes {
		r := &s.Routes[i]
		for _, text := range append(slices.Concat(r.Units, r.Tags), r.Name) {
			size += 2 * len(text) // a name is in the filters, too
		}
		if r.Found() {
			size += len(r.Accounts)*len(`"123456789012",`) + len(`{"name":"","accounts":[],"ou":[],"tag":[]},`)
		}
		size += (len(r.Email) + len(r.SMS) + len(r.HTTPS)) * len(`"receiverID",`+`"receiverID":"filterIDs.",`)
	}
	if size > maxEnvironment {
		p.fail(Object, fmt.Sprintf("%d bytes", size),
			fmt.Sprintf("accountNames, adminRoles, dayTwo, drill, trails, quarantineExempt, routes and regions together have more than the %d bytes that a function's environment has for them; shorten them", maxEnvironment))
	}
}

// maxOperators keeps the table's policy far below its limit of 20 KB (Amazon
// DynamoDB API Reference, PutResourcePolicy).
const maxOperators = 50

// maxRegions bounds the part that Regions take of a function's environment; AWS
// has fewer in each partition.
const maxRegions = 40

// pattern is a form that a text must have.
type pattern struct {
	exp *regexp.Regexp
	fix string
}

func (f pattern) check(v string) string {
	if f.exp.MatchString(v) {
		return ""
	}
	return f.fix
}

var (
	prefixes = pattern{regexp.MustCompile(`^[a-z][a-z0-9-]{0,19}$`), "use at most 20 lower-case letters, digits and hyphens, a letter first"}
	regions  = pattern{regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`),
		`use a Region's code, such as "eu-central-1", or "default" for those that every account has; for none, give an empty text or list`}
	phones     = pattern{regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`), `use the international form without spaces, such as "+14155550100"`}
	accountIDs = pattern{regexp.MustCompile(`^[0-9]{12}$`), "use the account's 12 digits, in quotes"}
	orgIDs     = pattern{regexp.MustCompile(`^o-[a-z0-9]{10,32}$`), `use the organization's ID, such as "o-a1b2c3d4e5"`}
	units      = pattern{regexp.MustCompile(`^(r-[a-z0-9]{4,32}|ou-[a-z0-9]{4,32}-[a-z0-9]{8,32})$`),
		`use the ID of an organizational unit ("ou-…") or of the root ("r-…")`}
	routeNames = pattern{regexp.MustCompile(`^[a-z][a-z0-9-]{0,29}$`), "use at most 30 lower-case letters, digits and hyphens, a letter first"}
	// AWS Organizations API Reference, Tag.
	tags       = pattern{regexp.MustCompile(`^[^=,\x00-\x1f]{1,128}=[^,\x00-\x1f]{0,256}$`), `use a key and a value, such as "team=payments"`}
	workspaces = pattern{regexp.MustCompile(`^[TE][A-Z0-9]{6,30}$`), `use the workspace's ID, such as "T0123ABCD"`}
	channels   = pattern{regexp.MustCompile(`^[CG][A-Z0-9]{6,30}$`), `use the channel's ID, such as "C0123ABCD", not its name`}
	// Users by name (IAM API Reference, CreateUser) or ARN, and accounts.
	exempts = pattern{regexp.MustCompile(`^([A-Za-z0-9_+=,.@-]{1,64}|arn:aws[a-z-]*:iam::[0-9]{12}:user/[!-~]+)$`),
		"use the name or ARN of a user, its unique ID (AIDA…), or the account's 12 digits"}
	// IAM API Reference, CreateUser; a comma separates names.
	drillUsers = pattern{regexp.MustCompile(`^[A-Za-z0-9_+=.@-]{1,64}$`), "use the name of an IAM user, not its ARN"}
	// DynamoDB Developer Guide, naming rules.
	tables = pattern{regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`),
		"use the table's name, which the stack's output TableName was, not its ARN"}
	// IAM API Reference, CreateRole; a comma separates names.
	roleNames = pattern{regexp.MustCompile(`^[A-Za-z0-9_+=.@-]{1,64}$`), "use the name of a role or of a permission set, not its ARN"}
	// IAM API Reference, CreateRole.
	roles = pattern{regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}$`),
		`use a role's ARN, such as "arn:aws:iam::123456789012:role/ops"; a user, root or a pattern cannot be an operator`}
	sessions = regexp.MustCompile(`^arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([A-Za-z0-9_+=,.@-]{1,64})/`)
	trails   = pattern{regexp.MustCompile(`^(arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/)?[A-Za-z0-9][A-Za-z0-9._-]{2,127}$`),
		"use the trail's name or ARN"}
)

func checkEmail(v string) string {
	if a, err := mail.ParseAddress(v); err != nil || a.Address != v {
		return `use a plain address, such as "ops@example.com"`
	}
	return ""
}

// checkRole wants a role's own ARN, which is what a policy compares a caller with
// (IAM User Guide, aws:PrincipalArn).
func checkRole(v string) string {
	if m := sessions.FindStringSubmatch(v); m != nil {
		if strings.HasPrefix(m[3], "AWSReservedSSO_") {
			return fmt.Sprintf("that is a session; use the ARN of its role, with its path: aws iam get-role --role-name %s --query Role.Arn", m[3])
		}
		return fmt.Sprintf("that is a session; use the ARN of its role, which without a path is arn:%s:iam::%s:role/%s", m[1], m[2], m[3])
	}
	return roles.check(v)
}

func checkHTTPS(v string) string {
	if u, err := url.Parse(v); err != nil || u.Scheme != "https" || u.Host == "" {
		return `use a URL that begins with "https://"`
	}
	return ""
}

func (p *parser) text(key string, v any, check func(string) string, to *string) {
	text, _ := v.(string) // "" has a fix of its own in each check
	if fix := check(text); fix != "" {
		p.fail(key, shown(v), fix)
		return
	}
	*to = text
}

// prefix takes a prefix by which EventBridge accepts the rules.
func (p *parser) prefix(key string, v any) {
	p.text(key, v, prefixes.check, &p.settings.Prefix)
	text, _ := v.(string)
	var tooComplex *eventrules.TooComplexError
	if _, err := eventrules.RulesFor(text); errors.As(err, &tooComplex) {
		p.fail(key, v, fmt.Sprintf("rule %s would be too complex for EventBridge (%d > %d): choose a prefix that repeats itself less, such as %q",
			tooComplex.Rule, tooComplex.Complexity, eventpattern.MaxComplexity, eventrules.DefaultPrefix))
	}
}

// shown keeps a value that is there but prints as nothing from looking absent.
func shown(v any) any {
	if v == nil || v == "" {
		return "(empty)"
	}
	return v
}

// list takes a JSON array of texts, or one text separated by commas.
func (p *parser) list(key string, v any, check func(string) string) []string {
	var parts []any
	switch v := v.(type) {
	case string:
		for _, part := range strings.Split(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, part)
			}
		}
	case []any:
		parts = v
	default:
		p.fail(key, shown(v), "give a list of texts")
		return nil
	}
	var out []string
	for _, part := range parts {
		text, ok := part.(string)
		switch {
		case !ok:
			p.fail(key, shown(part), "give a text in quotes")
		case check(text) != "":
			p.fail(key, shown(text), check(text))
		case slices.Contains(out, text):
			p.fail(key, text, "it is listed twice; remove one")
		default:
			out = append(out, text)
		}
	}
	return out
}

func (p *parser) flag(key string, v any, to *bool) {
	switch v {
	case true, "true":
		*to = true
	case false, "false":
		*to = false
	default:
		p.fail(key, shown(v), "give true or false")
	}
}

// duration takes what time.ParseDuration reads, and "d" for days.
func (p *parser) duration(key string, v any, least, most time.Duration, to *time.Duration) {
	text, _ := v.(string)
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(min(max(n, -1), 1000)) * 24 * time.Hour
	}
	if err != nil || d < least || d > most {
		p.fail(key, shown(v), fmt.Sprintf(`give a duration from %s to %s, such as "30m", "24h" or "3d"`, short(least), short(most)))
		return
	}
	*to = d
}

// durations are listed the shortest first. Where one is wrong, what was set
// before stays.
func (p *parser) durations(key string, v any, least, most time.Duration, to *[]time.Duration) {
	failures := len(p.errs)
	texts := p.list(key, v, func(string) string { return "" })
	all := make([]time.Duration, 0, len(texts))
	for _, text := range texts {
		var d time.Duration
		p.duration(key, text, least, most, &d)
		if n := len(all); n > 0 && d <= all[n-1] {
			p.fail(key, text, "list the shortest first")
		}
		all = append(all, d)
	}
	if len(p.errs) == failures {
		*to = all
	}
}

func (p *parser) quarantine(key string, v any) {
	switch mode, _ := v.(string); mode {
	case "off":
		p.settings.Quarantine = ""
	case QuarantineDryRun, QuarantineOn:
		p.settings.Quarantine = mode
	default:
		p.fail(key, shown(v), `give "off", "dry-run" or "on"`)
	}
}

// digest keeps the text of a schedule in its full form, so that the functions read the
// same whatever their defaults are.
func (p *parser) digest(key string, v any) {
	text, _ := v.(string)
	s, err := digest.Parse(text)
	if err != nil {
		p.fail(key, shown(v), err.Error())
		return
	}
	p.settings.Digest = s.String()
}

// drill is a duration, "off", or an object that names users too.
func (p *parser) drill(key string, v any) {
	if v == "off" {
		p.settings.Drill = 0
		return
	}
	if _, object := v.(map[string]any); object {
		p.object(key, v, []string{"every"}, map[string]func(string, any){
			"every": p.every,
			"users": func(key string, v any) { p.settings.DrillUsers = p.list(key, v, drillUsers.check) },
		})
		return
	}
	p.every(key, v)
}

// every is within what time a drill is expected.
func (p *parser) every(key string, v any) {
	for _, row := range config.Settings() {
		if row.Env == config.EnvDrill {
			p.duration(key, v, row.Shortest, row.Longest, &p.settings.Drill)
		}
	}
}

// maxExempt is the part left to exempt users of a function's environment.
const maxExempt = 600

func (p *parser) quarantineExempt(key string, v any) {
	exempt := p.list(key, v, exempts.check)
	size := len(exempt) * len(`"",`)
	for _, e := range exempt {
		size += len(e)
	}
	if size > maxExempt {
		p.fail(key, fmt.Sprintf("%d entries", len(exempt)),
			fmt.Sprintf("shorten it to %d bytes, such as by naming accounts rather than all of their users", maxExempt))
	}
	p.settings.QuarantineExempt = exempt
}

func checkDayTwo(name string) string {
	if _, found := daytwo.Of(daytwo.Step(name)); !found {
		return "no such step; there are " + strings.Join(daytwo.Names(), ", ")
	}
	return ""
}

func (p *parser) number(key string, v any, least, most int, to *int) {
	n, err := strconv.Atoi(fmt.Sprint(v))
	if err != nil || n < least || n > most {
		p.fail(key, shown(v), fmt.Sprintf("give a whole number from %d to %d", least, most))
		return
	}
	*to = n
}

func checkPartition(v string) string {
	if _, ok := partition.Of(v); !ok {
		return `give "` + strings.Join(partition.IDs(), `", "`) + `"`
	}
	return ""
}

func (p *parser) regions(key string, v any) {
	p.regionsSet = true
	p.settings.Regions = p.list(key, v, checkRegion)
}

// logDays are the retentions that CloudWatch Logs offers (API reference,
// PutRetentionPolicy).
var logDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (p *parser) logDays(key string, v any) {
	n, err := strconv.Atoi(fmt.Sprint(v))
	if err != nil || !slices.Contains(logDays, n) {
		p.fail(key, shown(v), "give a retention that CloudWatch Logs offers: "+strings.Trim(fmt.Sprint(logDays), "[]"))
		return
	}
	p.settings.LogDays = n
}

// object calls the reader of each member, and reports those that are unknown or
// required and missing.
func (p *parser) object(key string, v any, required []string, members map[string]func(key string, v any)) {
	values, ok := v.(map[string]any)
	known := slices.Sorted(maps.Keys(members))
	if !ok {
		p.fail(key, shown(v), "give an object with "+strings.Join(known, ", ")+inFile(key, v))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if member := members[name]; member != nil {
			member(key+"."+name, values[name])
		} else {
			p.unknown(key+".", name, known)
		}
	}
	for _, name := range required {
		if values[name] == nil {
			p.fail(key+"."+name, nil, "it is missing, and "+key+" needs it")
		}
	}
}

func (p *parser) escalation(key string, v any) {
	p.object(key, v, nil, p.to(&p.settings.Escalation))
}

// to are the members of an object that name receivers.
func (p *parser) to(r *Receivers) map[string]func(key string, v any) {
	return map[string]func(string, any){
		"email": func(key string, v any) { r.Email = p.list(key, v, checkEmail) },
		"sms":   func(key string, v any) { r.SMS = p.list(key, v, phones.check) },
		"https": func(key string, v any) { r.HTTPS = p.list(key, v, checkHTTPS) },
	}
}

// maxRouted is how many receivers routes may name: their filters are read one by one,
// and noted in a function's environment.
const maxRouted = 20

func (p *parser) routes(key string, v any) {
	list, ok := v.([]any)
	if !ok {
		p.fail(key, shown(v), `give a list, as in [{"accounts": ["123456789012"], "severity": "medium", "email": ["team@example.com"]}]`)
		return
	}
	for i := range list {
		p.route(fmt.Sprintf("%s[%d]", key, i), list[i])
	}
}

func (p *parser) route(key string, v any) {
	var r Route
	failures := len(p.errs)
	members := p.to(&r.Receivers)
	members["name"] = func(key string, v any) { p.text(key, v, routeNames.check, &r.Name) }
	members["ou"] = func(key string, v any) { r.Units = p.list(key, v, checkUnit) }
	members["tag"] = func(key string, v any) { r.Tags = p.list(key, v, tags.check) }
	members["accounts"] = func(key string, v any) { r.Accounts = p.list(key, v, accountIDs.check) }
	members["severity"] = func(key string, v any) {
		text, _ := v.(string)
		if r.Least.UnmarshalText([]byte(text)) != nil {
			p.fail(key, shown(v), `give "info", "low", "medium", "high" or "critical"`)
		}
	}
	p.object(key, v, nil, members)
	switch n := r.Combinations(); {
	case len(p.errs) > failures:
		return
	case len(r.Accounts) == 0 && !r.Found():
		p.fail(key+".accounts", nil, "name at least one account, an organizational unit (ou) or a tag (tag)")
	case r.Found() && r.Name == "":
		p.fail(key+".name", nil,
			`give the route a name, such as "payments": alerts carry the name of a route with ou or tag, so that its units and tags can change`)
	case !r.Found() && r.Name != "":
		p.fail(key+".name", r.Name, "remove it: only a route with ou or tag has a name")
	case r.Empty():
		p.fail(key, nil, "name who gets these alerts: email, sms or https")
	case n > config.MaxCombinations:
		p.fail(key+".accounts", fmt.Sprintf("%d accounts", len(r.Accounts)),
			fmt.Sprintf("a filter of Amazon SNS takes %d combinations of values, and these are %d: name at most %d accounts, or leave severity out",
				config.MaxCombinations, n, config.MaxCombinations*len(r.Accounts)/n))
	default:
		p.settings.Routes = append(p.settings.Routes, r)
	}
}

// finishRoutes refuses receivers of two kinds: one subscription has one filter.
func (p *parser) finishRoutes() {
	s := &p.settings
	p.finishFound()
	seen := map[string]string{}
	for _, endpoint := range slices.Concat(s.Receivers.Email, s.Receivers.SMS, s.Receivers.HTTPS) {
		seen[strings.ToLower(endpoint)] = "it gets every alert already: take it out of the route, or out of email, sms or https"
	}
	routed := 0
	for i := range s.Routes {
		r := &s.Routes[i]
		for _, endpoint := range slices.Concat(r.Email, r.SMS, r.HTTPS) {
			if fix := seen[strings.ToLower(endpoint)]; fix != "" {
				p.fail(Object+".routes", endpoint, fix)
			}
			seen[strings.ToLower(endpoint)] = "a receiver has one filter, and so one route: name all its accounts in one route"
			routed++
		}
	}
	if routed > maxRouted {
		p.fail(Object+".routes", fmt.Sprintf("%d receivers", routed),
			fmt.Sprintf("name at most %d; a list of addresses, or a queue behind an HTTPS endpoint, is one receiver", maxRouted))
	}
}

// finishFound checks the routes whose accounts AWS Organizations knows.
func (p *parser) finishFound() {
	s := &p.settings
	names := map[string]bool{}
	for i := range s.Routes {
		r := &s.Routes[i]
		switch {
		case !r.Found():
			continue
		case names[r.Name]:
			p.fail(Object+".routes", r.Name, "two routes have this name: choose another")
		case s.Organization == nil:
			p.fail(Object+".routes", r.Name,
				"a route by ou or tag needs the setting organization, since AWS Organizations knows the units and tags of accounts; without one, name accounts")
		case s.Receivers.Empty() && s.Slack == nil:
			p.fail(Object+".routes", r.Name,
				"name a receiver of all alerts too (email, sms, https or slack): an account whose unit and tags are not known yet is in no route by ou or tag, and its alerts would reach no one")
		}
		names[r.Name] = true
	}
}

// checkUnit takes an ID, or a name or names with "/" between.
func checkUnit(v string) string {
	if strings.HasPrefix(v, "ou-") || strings.HasPrefix(v, "r-") {
		return units.check(v)
	}
	if v != strings.TrimSpace(v) || strings.Trim(v, "/") == "" || strings.Contains(v, "//") || len(v) > maxUnit ||
		strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return `use the ID of an organizational unit ("ou-…"), its name, or names one below the other, such as "Workloads/Production"`
	}
	return ""
}

// maxUnit has room for five names of 128 characters, which is how deep units are
// nested (AWS Organizations User Guide, "Quotas").
const maxUnit = 5*128 + 4

func (p *parser) receivers(key string, v any) {
	if v != "none" {
		p.fail(key, shown(v), `give "none" if no one is to receive the alerts; receivers are set by email, sms, https and slack`)
		return
	}
	p.settings.NoReceivers = true
}

func (p *parser) slack(key string, v any) {
	p.settings.Slack = &Slack{}
	p.object(key, v, []string{"workspace", "channel"}, map[string]func(string, any){
		"workspace": func(key string, v any) { p.text(key, v, workspaces.check, &p.settings.Slack.Workspace) },
		"channel":   func(key string, v any) { p.text(key, v, channels.check, &p.settings.Slack.Channel) },
	})
}

func (p *parser) organization(key string, v any) {
	o := &Organization{}
	p.settings.Organization = o
	p.object(key, v, []string{"id", "management", "hub", "units"}, map[string]func(string, any){
		"id":         func(key string, v any) { p.text(key, v, orgIDs.check, &o.ID) },
		"management": func(key string, v any) { p.text(key, v, accountIDs.check, &o.Management) },
		"hub":        func(key string, v any) { p.text(key, v, accountIDs.check, &o.Hub) },
		"units": func(key string, v any) {
			if o.Units = p.list(key, v, units.check); len(o.Units) == 0 {
				p.fail(key, shown(v), "name at least one organizational unit, or the root for all accounts")
			}
		},
	})
}

// maxNames is the part left to names of maxEnvironment, beside the Regions.
const maxNames = 1900

func (p *parser) accountNames(key string, v any) {
	values, ok := v.(map[string]any)
	if !ok {
		p.fail(key, shown(v), `give an object, as in {"123456789012": "prod-billing"}`+inFile(key, v))
		return
	}
	names := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(values)) {
		name, ok := values[id].(string)
		switch {
		case accountIDs.check(id) != "":
			p.fail(key+"."+id, id, accountIDs.fix)
		case !ok || strings.TrimSpace(name) == "":
			p.fail(key+"."+id, shown(values[id]), "give the account's name")
		case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
			p.fail(key+"."+id, strconv.Quote(name), "remove the line break or other character that does not print")
		default:
			names[id] = name
		}
	}
	size := 0
	for _, name := range names {
		size += len(name) + len(`"123456789012":"",`)
	}
	if size > maxNames {
		p.fail(key, fmt.Sprintf("%d accounts", len(names)),
			fmt.Sprintf("shorten it to %d bytes of names, or name only the accounts whose ID says nothing", maxNames))
	}
	p.settings.AccountNames = names
}

// closest is the known word that a misspelled one was likely meant to be, or "".
func closest(word string, known []string) string {
	best, least := "", 3
	slices.Sort(known)
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least && d < len(k)/2+1 {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// short is a duration as people give it: a whole number of days, hours or minutes.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
}
