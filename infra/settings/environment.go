package settings

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/config"
)

// Environment is what the settings give to the functions: the value of each variable
// that the table of package config has. Those that are not set are left out.
func (s *Settings) Environment() map[string]string {
	env := map[string]string{}
	if len(s.DrillUsers) > 0 {
		env[config.EnvDrillUsers] = strings.Join(s.DrillUsers, ",")
	}
	for key, f := range fields() {
		if f.Env == "" || f.to == nil {
			continue
		}
		text, given := f.write(f.to(s))
		if given {
			env[f.Env] = text
		} else if f.Default != "" && f.Default != "false" {
			panic("setting " + key + " has no value: settings come from Parse")
		}
	}
	return env
}

// write is the value as package config reads it, and whether one is set.
func (f field) write(v any) (text string, given bool) {
	switch v := v.(type) {
	case *bool:
		return "true", *v
	case *int:
		return strconv.Itoa(*v), *v != 0
	case *string:
		return *v, *v != ""
	case *time.Duration:
		return v.String(), *v != 0
	case *[]time.Duration:
		texts := make([]string, len(*v))
		for i, d := range *v {
			texts[i] = d.String()
		}
		if len(texts) == 0 {
			return config.None, *v != nil // the functions have defaults of their own
		}
		return strings.Join(texts, ","), true
	case *[]string:
		if !f.JSON {
			return strings.Join(*v, ","), len(*v) > 0
		}
		return asJSON(*v), len(*v) > 0
	case *[]Route:
		var found []accountcheck.Route
		for i := range *v {
			if r := &(*v)[i]; r.Found() {
				found = append(found, accountcheck.Route{Name: r.Name, Accounts: r.Accounts, Units: r.Units, Tags: r.Tags})
			}
		}
		return asJSON(found), len(found) > 0
	case *map[string]string:
		return asJSON(*v), len(*v) > 0
	default:
		panic(fmt.Sprintf("setting %s: %T is written by no one", f.Key, v))
	}
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("writing a setting: %v", err)) // texts always can be
	}
	return string(text)
}
