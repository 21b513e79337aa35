package fake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// table holds rows by key. A row goes through JSON when it is stored, as in the real
// adapters, and each reading gets a copy of its own: decoding it each time would take
// most of the time of long tests. The zero value is ready.
type table[T any] struct {
	rows map[string]T
	raw  map[string][]byte // each row as it was stored
}

// put stores a row. One without a key is a decision to leave all as it is.
func (t *table[T]) put(key string, row T) error {
	if key == "" {
		return nil
	}
	raw, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encoding row %s: %w", key, err)
	}
	if _, found := t.rows[key]; found && bytes.Equal(raw, t.raw[key]) {
		return nil // as it is
	}
	var stored T
	if err := json.Unmarshal(raw, &stored); err != nil {
		return fmt.Errorf("decoding row %s: %w", key, err)
	}
	if t.rows == nil {
		t.rows, t.raw = map[string]T{}, map[string][]byte{}
	}
	t.rows[key], t.raw[key] = stored, raw
	return nil
}

// add stores a row, unless there is one under its key, and returns the one that is there.
func (t *table[T]) add(key string, row T) (there T, err error) {
	if _, found := t.rows[key]; !found {
		if err := t.put(key, row); err != nil {
			return there, err
		}
	}
	there, _ = t.get(key)
	return there, nil
}

// get is the row of a key, or the zero value.
func (t *table[T]) get(key string) (row T, found bool) {
	if row, found = t.rows[key]; found {
		row = clone(row)
	}
	return row, found
}

// find lists the rows that are wanted, in the order of the keys. want must not change
// the row.
func (t *table[T]) find(want func(*T) bool) []T {
	var keys []string
	for key, row := range t.rows {
		if want(&row) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	some := make([]T, len(keys))
	for i, key := range keys {
		some[i] = clone(t.rows[key])
	}
	return some
}

// all lists every row, in the order of the keys.
func (t *table[T]) all() []T { return t.find(func(*T) bool { return true }) }

// clone copies a value with all that its exported fields share.
func clone[T any](v T) T {
	unshare(reflect.ValueOf(&v).Elem())
	return v
}

// unshare gives a settable value copies of what it points to.
func unshare(v reflect.Value) {
	if !shares(v.Type()) {
		return
	}
	switch v.Kind() { //nolint:exhaustive // the others share nothing, or cannot be stored
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				unshare(f)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			unshare(v.Index(i))
		}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		to := reflect.New(v.Elem().Type())
		to.Elem().Set(v.Elem())
		unshare(to.Elem())
		if v.Kind() == reflect.Interface {
			to = to.Elem()
		}
		v.Set(to)
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(to, v)
		if shares(v.Type().Elem()) {
			for i := range to.Len() {
				unshare(to.Index(i))
			}
		}
		v.Set(to)
	case reflect.Map:
		if v.IsNil() {
			return
		}
		to := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			one := reflect.New(v.Type().Elem()).Elem()
			one.Set(it.Value())
			unshare(one)
			to.SetMapIndex(it.Key(), one)
		}
		v.Set(to)
	}
}

var sharing sync.Map // by reflect.Type: whether copies of a value share memory

// shares reports whether copies of a value of a type share what one of them can change.
func shares(t reflect.Type) bool {
	if known, ok := sharing.Load(t); ok {
		return known.(bool) //nolint:forcetypeassert // only this function stores
	}
	var is bool
	switch t.Kind() { //nolint:exhaustive // the others share nothing
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		is = true
	case reflect.Array:
		is = shares(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			is = is || f.IsExported() && shares(f.Type)
		}
	}
	sharing.Store(t, is)
	return is
}
