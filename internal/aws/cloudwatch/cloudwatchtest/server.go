// Package cloudwatchtest is an Amazon CloudWatch for tests: alarms, alarm mute
// rules and metrics over HTTP, by the protocol RPC v2 CBOR that the real SDK client
// speaks. It follows the Amazon CloudWatch API Reference.
package cloudwatchtest

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// Alarm is a metric alarm.
type Alarm struct {
	Disabled bool // its actions are
	Actions  []string
}

// Mute is an alarm mute rule; without alarms it mutes all.
type Mute struct {
	Alarms  []string
	Expired bool
}

// Datapoint is a sum over the five minutes that begin at a time.
type Datapoint struct {
	At  time.Time
	Sum float64
}

// Server is a CloudWatch. Its fields may be changed while holding Lock, or before
// the first request.
type Server struct {
	sync.Mutex
	URL string

	Alarms map[string]Alarm       // by name
	Mutes  map[string]Mute        // by name
	Data   map[string][]Datapoint // by "METRIC VALUE" of its one dimension
	Refuse map[string]string      // error code, by call
	// PageSize is how many alarms, mute rules or metrics one answer has; 0: all.
	PageSize int
	// Internal are metrics, as in Data, whose answer fails although the call does not.
	Internal map[string]bool

	read int
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{Alarms: map[string]Alarm{}, Mutes: map[string]Mute{}, Data: map[string][]Datapoint{}, Refuse: map[string]string{},
		Internal: map[string]bool{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Read is how many metrics were read, each of which costs.
func (s *Server) Read() int {
	s.Lock()
	defer s.Unlock()
	return s.read
}

// IsCall reports whether a request is for CloudWatch.
func IsCall(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/service/GraniteServiceVersion20100801/operation/")
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	call := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	in := cbor.Map{}
	if len(body) > 0 {
		v, err := cbor.Decode(body)
		m, ok := v.(cbor.Map)
		if err != nil || !ok {
			refuse(w, "SerializationException")
			return
		}
		in = m
	}
	s.Lock()
	code := s.Refuse[call]
	var out cbor.Map
	if code == "" {
		out, code = s.answer(call, in)
	}
	s.Unlock()
	if code != "" {
		refuse(w, code)
		return
	}
	_, _ = w.Write(cbor.Encode(out)) // the client sees a broken answer
}

func refuse(w http.ResponseWriter, code string) {
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#" + code), "message": cbor.String("refused")}))
}

func (s *Server) answer(call string, in cbor.Map) (out cbor.Map, code string) {
	switch call {
	case "DescribeAlarms":
		return s.describeAlarms(in), ""
	case "ListAlarmMuteRules":
		return s.listMutes(in), ""
	case "GetAlarmMuteRule":
		m, ok := s.Mutes[text(in["AlarmMuteRuleName"])]
		if !ok {
			return nil, "ResourceNotFoundException"
		}
		out := cbor.Map{"Name": in["AlarmMuteRuleName"]}
		if len(m.Alarms) > 0 {
			out["MuteTargets"] = cbor.Map{"AlarmNames": texts(m.Alarms)}
		}
		return out, ""
	case "GetMetricData":
		return s.metricData(in)
	default:
		return nil, "UnknownOperationException"
	}
}

// page cuts a list, and returns the token of the next page or nothing.
func (s *Server) page(names []string, in cbor.Map, out cbor.Map) []string {
	first, _ := strconv.Atoi(text(in["NextToken"])) // the first page has none
	names = names[min(first, len(names)):]
	if s.PageSize > 0 && len(names) > s.PageSize {
		names = names[:s.PageSize]
		out["NextToken"] = cbor.String(strconv.Itoa(first + s.PageSize))
	}
	return names
}

func (s *Server) describeAlarms(in cbor.Map) cbor.Map {
	prefix := text(in["AlarmNamePrefix"])
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Alarms)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	out := cbor.Map{}
	page := s.page(names, in, out)
	all := make(cbor.List, 0, len(page))
	for _, name := range page {
		a := s.Alarms[name]
		all = append(all, cbor.Map{"AlarmName": cbor.String(name), "ActionsEnabled": cbor.Bool(!a.Disabled), "AlarmActions": texts(a.Actions)})
	}
	out["MetricAlarms"] = all
	return out
}

func (s *Server) listMutes(in cbor.Map) cbor.Map {
	statuses := strs(in["Statuses"])
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Mutes)) {
		status := "ACTIVE"
		if s.Mutes[name].Expired {
			status = "EXPIRED"
		}
		if len(statuses) == 0 || slices.Contains(statuses, status) {
			names = append(names, name)
		}
	}
	out := cbor.Map{}
	page := s.page(names, in, out)
	all := make(cbor.List, 0, len(page))
	for _, name := range page {
		all = append(all, cbor.Map{"AlarmMuteRuleArn": cbor.String("arn:aws:cloudwatch:us-east-1:111122223333:alarm-mute-rule:" + name)})
	}
	out["AlarmMuteRuleSummaries"] = all
	return out
}

// metricData returns what is in the window: from its start, and before its end.
func (s *Server) metricData(in cbor.Map) (cbor.Map, string) {
	from, to := moment(in["StartTime"]), moment(in["EndTime"])
	queries, _ := in["MetricDataQueries"].(cbor.List)
	if !from.Before(to) || len(queries) == 0 || len(queries) > 500 {
		return nil, "InvalidParameterValueException"
	}
	indexes := make([]string, len(queries))
	for i := range queries {
		indexes[i] = strconv.Itoa(i)
	}
	out, all := cbor.Map{}, cbor.List{}
	for _, index := range s.page(indexes, in, out) {
		i, _ := strconv.Atoi(index) // made above
		q, _ := queries[i].(cbor.Map)
		stat, _ := q["MetricStat"].(cbor.Map)
		metric, _ := stat["Metric"].(cbor.Map)
		dimensions, _ := metric["Dimensions"].(cbor.List)
		if text(q["Id"]) == "" || text(stat["Stat"]) != "Sum" || text(metric["Namespace"]) == "" || len(dimensions) != 1 {
			return nil, "InvalidParameterValueException"
		}
		s.read++
		dimension, _ := dimensions[0].(cbor.Map)
		key := text(metric["MetricName"]) + " " + text(dimension["Value"])
		values, times, status := cbor.List{}, cbor.List{}, "Complete"
		if s.Internal[key] {
			status = "InternalError"
		}
		for _, d := range s.Data[key] {
			if !d.At.Before(from) && d.At.Before(to) {
				values = append(values, cbor.Float64(d.Sum))
				times = append(times, &cbor.Tag{ID: 1, Value: cbor.Float64(float64(d.At.Unix()))})
			}
		}
		all = append(all, cbor.Map{"Id": q["Id"], "StatusCode": cbor.String(status), "Values": values, "Timestamps": times})
	}
	out["MetricDataResults"] = all
	return out, ""
}

func text(v cbor.Value) string {
	s, _ := v.(cbor.String)
	return string(s)
}

func strs(v cbor.Value) []string {
	list, _ := v.(cbor.List)
	all := make([]string, len(list))
	for i := range list {
		all[i] = text(list[i])
	}
	return all
}

func texts(all []string) cbor.List {
	list := make(cbor.List, len(all))
	for i := range all {
		list[i] = cbor.String(all[i])
	}
	return list
}

// moment reads a time, which the protocol tags as seconds since 1970.
func moment(v cbor.Value) time.Time {
	tag, ok := v.(*cbor.Tag)
	if !ok {
		return time.Time{}
	}
	switch at := tag.Value.(type) {
	case cbor.Uint:
		return time.Unix(int64(at), 0) //nolint:gosec // a time that a test gave
	case cbor.Float64:
		return time.UnixMilli(int64(float64(at) * 1000))
	}
	return time.Time{}
}
