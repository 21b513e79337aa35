// Package dynamotest is a DynamoDB for tests: the operations and expressions
// that rootguard uses, over HTTP, so that the real SDK client is what is tested.
// It follows the Amazon DynamoDB API Reference, and refuses what it does not know.
package dynamotest

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// AV is an attribute value: a string, a number or a set of strings.
type AV struct {
	S  *string  `json:"S,omitempty"`
	N  *string  `json:"N,omitempty"`
	SS []string `json:"SS,omitempty"`
}

// Item is an item by the names of its attributes.
type Item map[string]AV

// Str is a string attribute, "" where there is none.
func (it Item) Str(name string) string {
	if s := it[name].S; s != nil {
		return *s
	}
	return ""
}

// Num is the text of a number attribute, "" where there is none.
func (it Item) Num(name string) string {
	if n := it[name].N; n != nil {
		return *n
	}
	return ""
}

// Fault is how a request goes wrong.
type Fault struct {
	Code    string   // such as "ProvisionedThroughputExceededException"; "" drops the connection
	Reasons []string // of a TransactionCanceledException: a code for each item, such as "TransactionConflict"
	After   bool     // it is done first: an answer that gets lost
}

type index struct{ hash, rng string }

type table struct {
	index
	indexes map[string]index // by name; each projects keys only
	items   map[string]Item
	parts   partitions
}

// Server is a DynamoDB with tables in memory.
type Server struct {
	URL string

	// BatchGetMax and PageMax bound what one answer holds; 0 is DynamoDB's own bound.
	BatchGetMax, PageMax int

	// Unprotected tables can be deleted, have no backups and no time to live.
	// Set it before the first request.
	Unprotected bool
	// Policy is the resource policy of every table. Set it before the first request.
	Policy string

	mu     sync.Mutex
	tables map[string]*table
	tokens map[string][32]byte // of transactions that went through
	calls  map[string]int
	faults map[string][]Fault
	nth    map[int]Fault // by number of the request
	total  int           // requests
	before func(op string)

	under     map[string]bool // items of transactions under way
	conflicts int
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{under: map[string]bool{}, tables: map[string]*table{}, tokens: map[string][32]byte{}, calls: map[string]int{},
		faults: map[string][]Fault{}, nth: map[int]Fault{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Inject makes the next n requests for an operation go wrong, after those
// injected before.
func (s *Server) Inject(op string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[op] = append(s.faults[op], slices.Repeat([]Fault{f}, n)...)
}

// InjectAt makes the n-th request from now on, of whatever operation, go wrong; 1
// is the next.
func (s *Server) InjectAt(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nth[s.total+n] = f
}

// Total is how many requests came, failed ones included.
func (s *Server) Total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Recover drops the faults injected for an operation that have not come up.
func (s *Server) Recover(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.faults, op)
}

// Before sets what is called before each request, nil for nothing. It may call
// the server.
func (s *Server) Before(f func(op string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Calls is how many requests for an operation came, failed ones included.
func (s *Server) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// Items returns all items of a table, in the order of their keys.
func (s *Server) Items(name string) []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[name]
	if t == nil {
		return nil
	}
	items := slices.Collect(maps.Values(t.items))
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.Str(t.hash), b.Str(t.hash)), strings.Compare(a.Str(t.rng), b.Str(t.rng)))
	})
	return items
}

type apiError struct {
	code, message string
	extra         map[string]any
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func invalid(format string, args ...any) error {
	return &apiError{code: "ValidationException", message: fmt.Sprintf(format, args...)}
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
	s.mu.Lock()
	s.calls[op]++
	before := s.before
	var fault *Fault
	if queue := s.faults[op]; len(queue) > 0 {
		fault, s.faults[op] = &queue[0], queue[1:]
	}
	s.total++
	if f, ok := s.nth[s.total]; ok {
		fault = &f
	}
	s.mu.Unlock()
	if before != nil {
		before(op)
	}

	var out any
	if fault == nil || fault.After {
		out, err = s.alone(op, body)
	}
	if fault != nil {
		if fault.Code == "" {
			panic(http.ErrAbortHandler)
		}
		injected := &apiError{code: fault.Code, message: "injected"}
		if len(fault.Reasons) > 0 {
			reasons := make([]map[string]string, len(fault.Reasons))
			for i, code := range fault.Reasons {
				reasons[i] = map[string]string{"Code": code}
			}
			injected.extra = map[string]any{"CancellationReasons": reasons}
		}
		err = injected
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err != nil {
		var api *apiError
		if !errors.As(err, &api) {
			api = &apiError{code: "SerializationException", message: err.Error()}
		}
		out = map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + api.code, "message": api.message}
		for k, v := range api.extra {
			out.(map[string]any)[k] = v
		}
		status := http.StatusBadRequest
		if api.code == "InternalServerError" {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
	}
	_ = json.NewEncoder(w).Encode(out) // the client sees a broken answer
}

func (s *Server) do(op string, body []byte) (any, error) {
	switch op {
	case "CreateTable":
		return s.createTable(body)
	case "DeleteTable":
		return s.deleteTable(body)
	case "DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups":
		return s.describe(op, body)
	case "GetResourcePolicy":
		return s.policy(body)
	case "PutItem":
		return s.putItem(body)
	case "UpdateItem":
		return s.updateItem(body)
	case "BatchGetItem":
		return s.batchGetItem(body)
	case "TransactWriteItems":
		return s.transactWriteItems(body)
	case "Query":
		return s.query(body)
	default:
		return nil, &apiError{code: "UnknownOperationException", message: op}
	}
}

// describe reports a table that is ready and, but for Unprotected, protected.
func (s *Server) describe(op string, body []byte) (any, error) {
	var in struct{ TableName string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	t := s.tables[in.TableName]
	if t == nil && op == "DescribeContinuousBackups" {
		return nil, &apiError{code: "TableNotFoundException", message: in.TableName}
	}
	if t == nil {
		return nil, &apiError{code: "ResourceNotFoundException", message: in.TableName}
	}
	state := "ENABLED"
	if s.Unprotected {
		state = "DISABLED"
	}
	switch op {
	case "DescribeTimeToLive":
		d := map[string]string{"TimeToLiveStatus": state}
		if !s.Unprotected {
			d["AttributeName"] = "expires"
		}
		return map[string]any{"TimeToLiveDescription": d}, nil
	case "DescribeContinuousBackups":
		return map[string]any{"ContinuousBackupsDescription": map[string]any{
			"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": map[string]string{"PointInTimeRecoveryStatus": state},
		}}, nil
	}
	var indexes []map[string]string
	for name := range t.indexes {
		indexes = append(indexes, map[string]string{"IndexName": name, "IndexStatus": "ACTIVE"})
	}
	return map[string]any{"Table": map[string]any{
		"TableName": in.TableName, "TableStatus": "ACTIVE", "DeletionProtectionEnabled": !s.Unprotected, "GlobalSecondaryIndexes": indexes,
	}}, nil
}

// policy answers by the ARN of a table.
func (s *Server) policy(body []byte) (any, error) {
	var in struct{ ResourceArn string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	_, name, ok := strings.Cut(in.ResourceArn, ":table/")
	switch {
	case !ok:
		return nil, &apiError{code: "ValidationException", message: "no ARN of a table: " + in.ResourceArn}
	case s.tables[name] == nil:
		return nil, &apiError{code: "ResourceNotFoundException", message: name}
	case s.Policy == "":
		return nil, &apiError{code: "PolicyNotFoundException", message: name}
	}
	return map[string]string{"Policy": s.Policy, "RevisionId": "1"}, nil
}

type condition struct {
	ConditionExpression                 string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]AV
	ReturnValuesOnConditionCheckFailure string
}

func (c *condition) holds(item Item) (bool, error) { return c.holdsWith(item, newUsed()) }

// holdsWith is holds for a request of which another expression uses names and values too.
func (c *condition) holdsWith(item Item, u used) (bool, error) {
	if c.ConditionExpression == "" {
		return true, nil
	}
	alternatives, err := parse(c.ConditionExpression, c.ExpressionAttributeNames, c.ExpressionAttributeValues, u)
	if err == nil {
		err = u.all(c.ExpressionAttributeNames, c.ExpressionAttributeValues)
	}
	if err != nil {
		return false, invalid("%v", err)
	}
	return holds(alternatives, item), nil
}

// failed is the answer where an item, nil where there is none, does not hold.
func (c *condition) failed(item Item) error {
	failed := &apiError{code: "ConditionalCheckFailedException", message: "The conditional request failed"}
	if c.ReturnValuesOnConditionCheckFailure == "ALL_OLD" && item != nil {
		failed.extra = map[string]any{"Item": item}
	}
	return failed
}

type keySchema []struct{ AttributeName, KeyType string }

func (k keySchema) index() index {
	var ix index
	for _, e := range k {
		if e.KeyType == "HASH" {
			ix.hash = e.AttributeName
		} else {
			ix.rng = e.AttributeName
		}
	}
	return ix
}

func (s *Server) createTable(body []byte) (any, error) {
	var in struct {
		TableName              string
		KeySchema              keySchema
		GlobalSecondaryIndexes []struct {
			IndexName  string
			KeySchema  keySchema
			Projection struct{ ProjectionType string }
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if s.tables[in.TableName] != nil {
		return nil, &apiError{code: "ResourceInUseException", message: in.TableName}
	}
	t := &table{index: in.KeySchema.index(), indexes: map[string]index{}, items: map[string]Item{}, parts: partitions{}}
	for _, g := range in.GlobalSecondaryIndexes {
		if g.Projection.ProjectionType != "KEYS_ONLY" {
			return nil, invalid("this server projects keys only")
		}
		t.indexes[g.IndexName] = g.KeySchema.index()
	}
	s.tables[in.TableName] = t
	return map[string]any{"TableDescription": map[string]any{"TableName": in.TableName, "TableStatus": "ACTIVE"}}, nil
}

func (s *Server) deleteTable(body []byte) (any, error) {
	var in struct{ TableName string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	delete(s.tables, in.TableName)
	return map[string]any{}, nil
}

func (s *Server) table(name string) (*table, error) {
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, &apiError{code: "ResourceNotFoundException", message: "Requested resource not found: Table: " + name}
}

// Bounds of the service (Amazon DynamoDB Developer Guide, "Service, account,
// and table quotas").
const (
	maxHash, maxRange  = 2048, 1024
	maxItem            = 400 << 10
	maxBatch           = 100
	maxTransaction     = 100
	maxTransactionSize = 4 << 20
	maxAnswer          = 16 << 20
	maxPage            = 1 << 20
)

// id is an item's key in the table, and whether it is one.
func (t *table) id(item Item) (string, error) {
	hash, rng := item.Str(t.hash), item.Str(t.rng)
	for _, k := range []struct {
		name, value string
		limit       int
	}{{t.hash, hash, maxHash}, {t.rng, rng, maxRange}} {
		if k.value == "" || len(k.value) > k.limit || !utf8.ValidString(k.value) {
			return "", invalid("one or more parameter values were invalid: key %s has %d bytes", k.name, len(k.value))
		}
	}
	return hash + "\x00" + rng, nil
}

func (t *table) keyOf(item Item, ix index) Item {
	key := Item{}
	for _, name := range []string{t.hash, t.rng, ix.hash, ix.rng} {
		key[name] = item[name]
	}
	return key
}

func size(item Item) int {
	n := 0
	for name, v := range item {
		n += len(name)
		switch {
		case v.S != nil:
			n += len(*v.S)
		case v.N != nil:
			n += len(*v.N)/2 + 2
		}
		for _, member := range v.SS {
			n += len(member) + 1
		}
	}
	return n
}

func (t *table) check(item Item) (string, error) {
	id, err := t.id(item)
	if err != nil {
		return "", err
	}
	if size(item) > maxItem {
		return "", invalid("item size has exceeded the maximum allowed size")
	}
	for name, v := range item {
		kinds := 0
		for _, is := range []bool{v.S != nil, v.N != nil, len(v.SS) > 0} {
			if is {
				kinds++
			}
		}
		if kinds != 1 {
			return "", invalid("attribute %s is neither a string nor a number nor a set of strings that is not empty", name)
		}
	}
	for _, ix := range t.indexes {
		for _, name := range []string{ix.hash, ix.rng} {
			if v, ok := item[name]; ok && (v.S == nil || *v.S == "") {
				return "", invalid("type mismatch or empty value for index key %s", name)
			}
		}
	}
	return id, nil
}

func (s *Server) putItem(body []byte) (any, error) {
	var in struct {
		TableName string
		Item      Item
		condition
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	id, err := t.check(in.Item)
	if err != nil {
		return nil, err
	}
	ok, err := in.holds(t.items[id])
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, in.failed(t.items[id])
	}
	t.put(id, in.Item)
	return map[string]any{}, nil
}

func (s *Server) updateItem(body []byte) (any, error) {
	var in struct {
		TableName        string
		Key              Item
		UpdateExpression string
		ReturnValues     string
		condition
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	id, err := t.id(in.Key)
	if err != nil {
		return nil, err
	}
	old := t.items[id]
	item := maps.Clone(in.Key)
	maps.Copy(item, old)
	u := newUsed()
	changes, err := parseUpdate(in.UpdateExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, u)
	if err != nil {
		return nil, invalid("%v", err)
	}
	ok, err := in.holdsWith(old, u)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, in.failed(old)
	}
	updated := Item{}
	for _, c := range changes {
		if err := c.apply(item); err != nil {
			return nil, invalid("%v", err)
		}
		updated[c.name] = item[c.name]
	}
	if _, err := t.check(item); err != nil {
		return nil, err
	}
	t.put(id, item)
	switch in.ReturnValues {
	case "ALL_NEW":
		return map[string]any{"Attributes": item}, nil
	case "UPDATED_NEW":
		return map[string]any{"Attributes": updated}, nil
	default:
		return map[string]any{}, nil
	}
}

type keys struct {
	Keys           []Item
	ConsistentRead bool
}

func (s *Server) batchGetItem(body []byte) (any, error) {
	var in struct{ RequestItems map[string]keys }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	responses, unprocessed := map[string][]Item{}, map[string]keys{}
	bound := maxBatch
	if s.BatchGetMax > 0 {
		bound = s.BatchGetMax
	}
	n, bytes := 0, 0
	for name, want := range in.RequestItems {
		t, err := s.table(name)
		if err != nil {
			return nil, err
		}
		if len(want.Keys) == 0 || len(want.Keys) > maxBatch {
			return nil, invalid("%d keys in a batch", len(want.Keys))
		}
		seen := map[string]bool{}
		responses[name] = []Item{}
		for _, k := range want.Keys {
			id, err := t.id(k)
			if err != nil {
				return nil, err
			}
			if seen[id] || len(k) != 2 {
				return nil, invalid("provided list of item keys contains duplicates, or more than keys")
			}
			seen[id] = true
			item := t.items[id]
			if n++; n > bound || bytes+size(item) > maxAnswer {
				rest := unprocessed[name]
				unprocessed[name] = keys{Keys: append(rest.Keys, k), ConsistentRead: want.ConsistentRead}
				continue
			}
			bytes += size(item)
			if item != nil {
				responses[name] = append(responses[name], item)
			}
		}
	}
	return map[string]any{"Responses": responses, "UnprocessedKeys": unprocessed}, nil
}

func (s *Server) transactWriteItems(body []byte) (any, error) {
	type action struct {
		TableName string
		Item, Key Item
		condition
	}
	var in struct {
		ClientRequestToken string
		TransactItems      []struct{ Put, ConditionCheck *action }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	if done, ok := s.tokens[in.ClientRequestToken]; ok && in.ClientRequestToken != "" {
		if done != sum {
			return nil, &apiError{code: "IdempotentParameterMismatchException", message: "another request had this token"}
		}
		return map[string]any{}, nil
	}
	if len(in.TransactItems) == 0 || len(in.TransactItems) > maxTransaction {
		return nil, invalid("%d items in a transaction", len(in.TransactItems))
	}
	var write []func()
	reasons := make([]map[string]any, len(in.TransactItems))
	seen := map[string]bool{}
	total, canceled := 0, false
	for i, it := range in.TransactItems {
		act := it.Put
		if act == nil {
			act = it.ConditionCheck
		}
		if act == nil || (it.Put != nil && it.ConditionCheck != nil) {
			return nil, invalid("item %d of the transaction has no action that this server knows, or two", i)
		}
		t, err := s.table(act.TableName)
		if err != nil {
			return nil, err
		}
		var id string
		if it.Put != nil {
			id, err = t.check(act.Item)
			total += size(act.Item)
		} else {
			id, err = t.id(act.Key)
		}
		if err != nil {
			return nil, err
		}
		if seen[act.TableName+"\x00"+id] {
			return nil, invalid("transaction request cannot include multiple operations on one item")
		}
		seen[act.TableName+"\x00"+id] = true
		ok, err := act.holds(t.items[id])
		if err != nil {
			return nil, err
		}
		reasons[i] = map[string]any{"Code": "None"}
		if !ok {
			canceled = true
			reasons[i] = map[string]any{"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
		}
		if it.Put != nil {
			write = append(write, func() { t.put(id, act.Item) })
		}
	}
	if total > maxTransactionSize {
		return nil, invalid("a transaction of %d bytes", total)
	}
	if canceled {
		return nil, &apiError{code: "TransactionCanceledException",
			message: "Transaction canceled, please refer cancellation reasons for specific reasons",
			extra:   map[string]any{"CancellationReasons": reasons}}
	}
	for _, do := range write {
		do()
	}
	s.tokens[in.ClientRequestToken] = sum
	return map[string]any{}, nil
}

// put stores an item in the table and in the indexes whose keys it has.
func (t *table) put(id string, item Item) {
	was := t.items[id]
	t.items[id] = item
	t.parts.replace(t.index, t, was, item)
	for _, ix := range t.indexes {
		t.parts.replace(ix, t, was, item)
	}
}

func (s *Server) query(body []byte) (any, error) {
	var in struct {
		TableName, IndexName      string
		ConsistentRead            bool
		Limit                     int
		KeyConditionExpression    string
		ExpressionAttributeNames  map[string]string
		ExpressionAttributeValues map[string]AV
		ExclusiveStartKey         Item
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	ix := t.index
	if in.IndexName != "" {
		var ok bool
		if ix, ok = t.indexes[in.IndexName]; !ok {
			return nil, invalid("the table does not have the specified index: %s", in.IndexName)
		}
		if in.ConsistentRead {
			return nil, invalid("consistent reads are not supported on global secondary indexes")
		}
	}
	u := newUsed()
	terms, err := parseAll(between.ReplaceAllString(in.KeyConditionExpression, "$1 BETWEEN $2 TO $3"), in.ExpressionAttributeNames,
		in.ExpressionAttributeValues, u)
	if err == nil {
		err = u.all(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	}
	if err != nil {
		return nil, invalid("%v", err)
	}
	if terms[0].name != ix.hash || terms[0].op != "=" || terms[0].value.S == nil || len(terms) > 2 ||
		(len(terms) == 2 && terms[1].name != ix.rng) {
		return nil, invalid("query condition missed key schema element, or is not about the keys")
	}
	bound := s.PageMax
	if in.Limit > 0 && (bound == 0 || in.Limit < bound) {
		bound = in.Limit
	}
	of := part{ix, *terms[0].value.S}
	start := ""
	if in.ExclusiveStartKey != nil {
		if of.hash != in.ExclusiveStartKey.Str(ix.hash) {
			return nil, invalid("the provided starting key is outside query boundaries based on provided conditions")
		}
		start = t.order(ix, in.ExclusiveStartKey) // the key's item need not exist any more
	}
	found := []Item{}
	bytes := 0
	var last Item
	for _, e := range t.parts.after(of, terms, start) {
		if !meets(terms, e.item) {
			break // those that do are one after another
		}
		bytes += size(e.item)
		if (bound > 0 && len(found) == bound) || (len(found) > 0 && bytes > maxPage) {
			last = t.keyOf(found[len(found)-1], ix)
			break
		}
		item := e.item
		if in.IndexName != "" {
			item = t.keyOf(item, ix)
		}
		found = append(found, item)
	}
	out := map[string]any{"Items": found, "Count": len(found), "ScannedCount": len(found)}
	if last != nil {
		out["LastEvaluatedKey"] = last
	}
	return out, nil
}
