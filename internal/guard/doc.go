// Package guard is the one use case of rootguard: detect, claim, publish, record.
package guard
