package dynamotest

import (
	"encoding/json"
	"time"
)

// transactionTime is how long a transaction takes at least. Others that come
// meanwhile for one of its items are refused.
const transactionTime = 200 * time.Microsecond

// touched are the items that a request writes or, in a transaction, checks: table,
// partition and sort key of each.
func touched(op string, body []byte) (ids []string) {
	type action struct {
		TableName string
		Item, Key Item
	}
	id := func(a *action) string {
		key := a.Key
		if key == nil {
			key = a.Item
		}
		return a.TableName + "\x00" + key.Str("pk") + "\x00" + key.Str("sk")
	}
	switch op {
	case "PutItem", "UpdateItem":
		var in action
		if json.Unmarshal(body, &in) == nil {
			ids = append(ids, id(&in))
		}
	case "TransactWriteItems":
		var in struct {
			TransactItems []struct{ Put, ConditionCheck *action }
		}
		if json.Unmarshal(body, &in) != nil {
			return nil
		}
		for _, it := range in.TransactItems {
			act := it.Put
			if act == nil {
				act = it.ConditionCheck
			}
			if act == nil {
				return nil
			}
			ids = append(ids, id(act))
		}
	}
	return ids
}

// alone does a request, or refuses it where a transaction is under way that has one
// of its items: two transactions conflict, and a transaction and a single write,
// but two single writes never do (Amazon DynamoDB Developer Guide, "Managing complex
// workflows with DynamoDB transactions", "Transaction conflict handling").
func (s *Server) alone(op string, body []byte) (any, error) {
	transaction := op == "TransactWriteItems"
	s.mu.Lock()
	var ids []string
	if transaction || len(s.under) > 0 { // else no one is in its way
		ids = touched(op, body)
	}
	reasons := make([]map[string]any, 0, len(ids))
	conflict := false
	for _, id := range ids {
		code := "None"
		if s.under[id] {
			code, conflict = "TransactionConflict", true
		}
		reasons = append(reasons, map[string]any{"Code": code})
	}
	if conflict {
		s.conflicts++
		s.mu.Unlock()
		if !transaction {
			return nil, &apiError{code: "TransactionConflictException", message: "Transaction is ongoing for the item"}
		}
		return nil, &apiError{
			code: "TransactionCanceledException", message: "the transaction is canceled, for [TransactionConflict]",
			extra: map[string]any{"CancellationReasons": reasons},
		}
	}
	if !transaction {
		defer s.mu.Unlock()
		return s.do(op, body)
	}
	for _, id := range ids {
		s.under[id] = true
	}
	s.mu.Unlock()
	time.Sleep(transactionTime)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.under, id)
	}
	return s.do(op, body)
}

// Conflicts is how many requests were refused for a transaction that was under way.
func (s *Server) Conflicts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conflicts
}
